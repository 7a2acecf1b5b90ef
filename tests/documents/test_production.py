"""Settings that are not for production are named, and no server starts with them."""

import os
import subprocess
import sys

import pytest
from django.core.checks import Error
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from documents.production import fit_for_production, refuse_to_start
from tests.processes import ROOT

KEY = "".join(chr(33 + n) for n in range(60))
GOOD = {
    "HTTPS": True, "DEBUG": False, "SECRET_KEY": KEY, "ALLOWED_HOSTS": ["docs.example.org"],
    "CSRF_TRUSTED_ORIGINS": ["https://docs.example.org"], "TRUSTED_PROXIES": 1,
}  # fmt: skip
BAD = [
    ({"DEBUG": True}, 24), ({"SECRET_KEY": KEY[:49]}, 25), ({"SECRET_KEY": "abab" * 20}, 25),
    ({"SECRET_KEY": f"django-insecure-{KEY}"}, 26), ({"SECRET_KEY": f"Replace-me-with-{KEY}"}, 26),
    ({"ALLOWED_HOSTS": ["docs.example.org", "*"]}, 27), ({"ALLOWED_HOSTS": ["."]}, 27),
    ({"ALLOWED_HOSTS": []}, 28), ({"ALLOWED_HOSTS": ["127.0.0.1", "localhost"]}, 28),
    ({"ALLOWED_HOSTS": ["https://docs.example.org"]}, 29),
    ({"CSRF_TRUSTED_ORIGINS": ["http://docs.example.org"]}, 30),
    ({"CSRF_TRUSTED_ORIGINS": ["https://*"]}, 31), ({"TRUSTED_PROXIES": -1}, 20),
    ({"CONVERSATION_RETENTION_DAYS": -1}, 21), ({"AUDIT_RETENTION_DAYS": 29}, 22),
    ({"LOG_FORMAT": "xml"}, 23),
]  # fmt: skip


@pytest.fixture
def configure(settings):
    def configure(**changed):
        for name, value in {**GOOD, **changed}.items():
            setattr(settings, name, value)

    return configure


def found():
    return [message.id for message in fit_for_production()]


def test_a_good_configuration_starts(configure):
    configure()
    assert found() == []
    refuse_to_start()


@pytest.mark.parametrize(("changed", "number"), BAD, ids=[f"{n}-{[*c]}" for c, n in BAD])
def test_a_bad_one_is_named_and_refused(configure, changed, number):
    configure(**changed)
    assert found() == [f"documents.E{number:03}"]
    (message,) = fit_for_production()
    assert isinstance(message, Error) and message.hint
    with pytest.raises(ImproperlyConfigured, match="not for production") as refused:
        refuse_to_start()
    assert KEY[:49] not in str(refused.value)


@pytest.mark.parametrize(("changed", "number"), [b for b in BAD if b[1] >= 24])
def test_on_a_machine_of_ones_own_they_are_fine(configure, changed, number):
    configure(**{**changed, "HTTPS": False})
    assert found() == []


def test_a_forgotten_proxy_is_a_warning(configure):
    configure(TRUSTED_PROXIES=0)
    assert found() == ["documents.W020"]
    refuse_to_start()


def test_the_tests_own_settings_pass():
    call_command("check", tags=["ragsite"], fail_level="WARNING")


@pytest.mark.parametrize("debug", ["0", "1"])
def test_the_server_itself_refuses(tmp_path, debug):
    environment = {
        **os.environ, "DJANGO_SETTINGS_MODULE": "ragsite.settings", "HTTPS": "1", "DEBUG": debug,
        "SECRET_KEY": KEY, "ALLOWED_HOSTS": "docs.example.org", "VAR_DIR": str(tmp_path),
        "TRUSTED_PROXIES": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", "import ragsite.asgi"], cwd=ROOT, env=environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) == (debug == "0"), done.stderr
    assert ("DEBUG is on with HTTPS=1" in done.stderr) == (debug == "1")
