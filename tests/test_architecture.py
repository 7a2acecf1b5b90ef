"""The import rules hold, and a command that needs no model loads none."""

import ast
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

# Whatever can open a connection, and who may: everything that fetches an address given by
# somebody goes through ingestion.fetching, which checks it.
NETWORK = (
    "aiohttp", "dulwich.client", "dulwich.porcelain", "ftplib", "http.client", "httpcore", "httpx",
    "httpx2", "requests", "smtplib", "socket", "ssrfguard", "urllib.request", "urllib3",
    "websockets", "xmlrpc",
)  # fmt: skip
FETCHING = {"fetch_url", "fetch_response", "urlopen", "urlretrieve"}  # of other libraries
NETWORK_CLIENTS = {
    "chat/llm/openai_compatible.py": {"httpx"},
    "chat/llm/upstream_errors.py": {"httpx"},
    "chat/providers.py": {"httpx"},
    "chat/reranking/cohere.py": {"httpx"},
    "documents/embedding/cohere.py": {"httpx"},
    "ingestion/fetching/addresses.py": {"httpx", "ssrfguard"},
    "ingestion/fetching/fetcher.py": {"httpx", "ssrfguard"},
    "ingestion/fetching/transport.py": {"httpcore", "httpx", "ssrfguard"},
    "ingestion/leases.py": {"socket"},  # this machine's name
    "ingestion/loaders/git.py": {"dulwich.client"},  # the protocol: its requests are the fetcher's
    "ragsite/demo.py": {"socket"},  # a free port
}


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


def network_in(source):
    """What of a module's text can open a connection: packages, and functions that fetch."""
    imported, used = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):  # import_module
            imported |= {part.value for part in node.args if isinstance(part, ast.Constant)}
        elif isinstance(node, ast.Attribute | ast.Name):
            used.add(node.attr if isinstance(node, ast.Attribute) else node.id)
    used |= {name.rpartition(".")[2] for name in imported}
    return used & FETCHING | {
        package for package in NETWORK for name in imported if f"{name}.".startswith(f"{package}.")
    }


def test_only_the_door_and_the_providers_know_the_network():
    found = {}
    for app in ("ragsite", "chat", "ingestion", "documents"):
        for path in sorted((ROOT / app).rglob("*.py")):
            if used := network_in(path.read_text("utf-8")):
                found[path.relative_to(ROOT).as_posix()] = used
    assert found == NETWORK_CLIENTS


@pytest.mark.parametrize(
    "source",
    ["import requests", "import urllib.request as r", "from urllib import request",
     "from http.client import HTTPConnection", "def f():\n    import httpx", "from socket import *",
     "import_module('aiohttp')", "trafilatura.fetch_url(x)", "from dulwich import porcelain"],
)  # fmt: skip
def test_a_hidden_way_to_the_network_would_be_found(source):
    assert network_in(source)
