"""`make demo`: the port, the administrator, what is printed."""

import socket
import subprocess
import sys

import pytest
from django.contrib.auth import get_user_model

from ragsite.demo import TRY, demo_administrator, port_is_free, welcome
from tests.processes import ROOT, environment


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_told_before_anything_is_done(taken_port, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "ragsite.demo", "--port", str(taken_port)],
        cwd=ROOT, env=environment(VAR_DIR=str(tmp_path / "var")), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"Port {taken_port} is taken. Choose another: make demo PORT={taken_port + 1}"
    )
    assert not (tmp_path / "var").exists()


def test_a_port_is_free_again_when_its_server_is_gone():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not port_is_free(port)
    assert port_is_free(port)


@pytest.mark.django_db
def test_an_administrator_is_made_once():
    password = demo_administrator()
    assert demo_administrator() is None
    admin = get_user_model().objects.get()
    assert admin.is_superuser and admin.check_password(password)


@pytest.mark.django_db
def test_an_administrator_of_ones_own_is_enough():
    get_user_model().objects.create_superuser("ann")
    assert demo_administrator() is None


def test_the_password_is_shown_once_and_never_again():
    assert "user admin, password s3cret (shown once)" in welcome(8000, "s3cret")
    assert "password" not in welcome(8000, None)


def test_the_welcome_says_where_to_look_and_what_to_ask():
    text = welcome(8123, None)
    assert "http://127.0.0.1:8123/admin/" in text
    assert "/read/handbook/index" in text
    assert [question for question in TRY if question not in text] == []
