"""The import rules hold, and a command that needs no model loads none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, environment

# Each costs a tenth of a second or tens of megabytes.
HEAVY = [
    "numpy", "onnxruntime", "onnx", "tokenizers", "cohere", "qdrant_client", "qdrant_edge", "httpx",
    "openai", "grpc", "pydantic", "semchunk", "markdown_it",
]  # fmt: skip


def test_the_import_rules_hold():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def loaded_after(code, tmp_path):
    """The top-level packages that a process has imported when it has run this."""
    script = f"import sys, json; {code}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, env=environment(VAR_DIR=str(tmp_path), DJANGO_SETTINGS_MODULE="ragsite.settings"),
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize("command", ["check", "help"])
def test_a_command_that_needs_no_model_loads_none(command, tmp_path):
    code = (
        "from django.core.management import execute_from_command_line; "
        f"execute_from_command_line(['manage.py', '{command}'])"
    )
    assert loaded_after(code, tmp_path) & set(HEAVY) == set()


@pytest.mark.parametrize(
    "module",
    ["chat.events", "chat.citations", "chat.prompting", "ingestion.chunking", "documents.passages"],
)
def test_values_and_pure_functions_know_no_framework(module, tmp_path):
    loaded = loaded_after(f"import {module}", tmp_path)
    assert loaded & {"django", "rest_framework", "channels", "cohere", "httpx", "openai"} == set()
