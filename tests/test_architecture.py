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
    "aiohttp", "openai", "grpc", "pydantic", "semchunk", "stamina", "markdown_it",
]  # fmt: skip

# Whatever can open a connection, and who may: everything that fetches an address given by
# somebody goes through ingestion.fetching, which checks it.
NETWORK = (
    "aiohttp", "dulwich.client", "dulwich.porcelain", "ftplib", "grpc", "http.client", "httpcore",
    "httpx", "httpx2", "httpx_aiohttp", "requests", "smtplib", "socket", "ssrfguard",
    "urllib.request", "urllib3", "websockets", "xmlrpc",
)  # fmt: skip
FETCHING = {"fetch_url", "fetch_response", "urlopen", "urlretrieve"}  # of other libraries
NETWORK_CLIENTS = {
    "chat/auth/jwks.py": {"httpx"},
    "chat/llm/openai_compatible.py": {"httpx"},
    "chat/llm/upstream_errors.py": {"httpx"},
    "chat/providers.py": {"httpx"},
    "chat/reranking/cohere.py": {"httpx"},
    "documents/diagnosis/base.py": {"httpx"},
    "documents/embedding/cohere.py": {"httpx"},
    "documents/index/qdrant_errors.py": {"httpx"},
    "documents/index/qdrant_search.py": {"httpx"},
    "documents/upstream/aiohttp_transport.py": {"aiohttp", "httpx", "httpx_aiohttp"},
    "documents/upstream/deadlines.py": {"httpx"},
    "documents/upstream/http.py": {"httpx"},
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


# A client without limits waits for ever, for whatever is at the other end. Those that know httpx
# catch its errors and read its answers; its clients are made in two places, and with limits.
DOORS = ("documents/upstream/", "ingestion/fetching/")
UNBOUNDED = {
    **dict.fromkeys(
        ("httpx.Client", "httpx.AsyncClient", "httpx.HTTPTransport", "httpx.AsyncHTTPTransport",
         "httpx.get", "httpx.post", "httpx.put", "httpx.patch", "httpx.delete", "httpx.head",
         "httpx.options", "httpx.request", "httpx.stream", "HttpxAiohttpClient", "AiohttpTransport",
         "aiohttp.ClientSession", "aiohttp.request"), None,
    ),
    "async_client": {"read", "total"},
    "sync_client": {"read", "total"},
    "sync_options": {"total"},
    "cohere.Client": {"httpx_client"},
    "cohere.ClientV2": {"httpx_client"},
    "cohere.AsyncClient": {"httpx_client"},
    "cohere.AsyncClientV2": {"httpx_client"},
    "QdrantClient": {"timeout"},
    "AsyncQdrantClient": {"timeout"},
    "Redis": {"connection_pool"},
    "ConnectionPool.from_url": {"socket_connect_timeout", "socket_timeout"},
    "psycopg.connect": {"connect_timeout"},
}  # fmt: skip


def unbounded_in(source):
    """Clients that a module makes without saying how long they may wait. None: not here at all."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        named, given = ast.unparse(node.func), {keyword.arg for keyword in node.keywords}
        in_memory = [*map(ast.unparse, node.args)] == ["':memory:'"]
        for client, needed in UNBOUNDED.items():
            means = f".{named}".endswith(f".{client}") and not named.startswith("self.")
            if means and not in_memory and (needed is None or not needed <= given):
                yield named


def test_every_outgoing_client_has_its_limits():
    found = {
        path.relative_to(ROOT).as_posix(): named
        for app in ("ragsite", "chat", "ingestion", "documents")
        for path in sorted((ROOT / app).rglob("*.py"))
        if not path.relative_to(ROOT).as_posix().startswith(DOORS)
        and (named := [*unbounded_in(path.read_text("utf-8"))])
    }
    assert found == {}


@pytest.mark.parametrize(
    "source",
    ["httpx.AsyncClient(timeout=5)", "httpx.get(url, timeout=5)", "async_client(read=1)",
     "cohere.ClientV2(key)", "QdrantClient(url=url)", "qdrant_client.AsyncQdrantClient(**options)",
     "aiohttp.ClientSession()", "ConnectionPool.from_url(url, socket_timeout=3)"],
)  # fmt: skip
def test_a_client_without_limits_would_be_found(source):
    assert [*unbounded_in(source)]


@pytest.mark.parametrize(
    "source",
    ["async_client(read=1, total=2)", "QdrantClient(':memory:')", "QdrantClient(url=u, timeout=5)"],
)
def test_a_client_with_limits_is_left_alone(source):
    assert [*unbounded_in(source)] == []
