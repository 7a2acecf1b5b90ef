"""The examples of the README work as printed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"<!-- tested: tests/test_readme\.py -->\n```(\w+)\n(.*?)```", re.DOTALL)


@pytest.fixture
def handbook(transactional_db) -> None:
    folder = str(ROOT / "docs" / "handbook")
    call_command("ingest", folder, corpus="handbook", public=True, json=True)


@pytest.mark.parametrize(("language", "code"), EXAMPLE.findall(README))
def test_an_example_works_as_printed(handbook, server, tmp_path, language, code):
    if language == "bash" and shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    code = code.replace("http://127.0.0.1:8000", server)
    command = ["bash", "-euc", code] if language == "bash" else [sys.executable, "-c", code]

    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={**os.environ, "no_proxy": "127.0.0.1"},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "/read/handbook/concepts/evidence-gate#" in done.stdout


def test_there_is_an_example_for_each_reader():
    assert [language for language, _ in EXAMPLE.findall(README)] == ["bash", "python"]
