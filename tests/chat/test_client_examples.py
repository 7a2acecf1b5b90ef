"""The examples of docs/api.md for clients that people have work as printed."""

import json
import os
import re
import subprocess
import sys

import httpx2
import pytest
from django.core.management import call_command
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from documents.models import Corpus
from tests.chat.callers import key_for
from tests.processes import ROOT

EXAMPLE = re.compile(
    r"<!-- tested: tests/chat/test_client_examples\.py -->\n```(\w+)\n(.*?)```", re.DOTALL
)
EXAMPLES = dict(EXAMPLE.findall((ROOT / "docs" / "api.md").read_text(encoding="utf-8")))
PRINTED = "http://127.0.0.1:8000"


@pytest.fixture
def key(transactional_db: None) -> str:
    folder = str(ROOT / "docs" / "handbook" / "concepts")
    call_command("ingest", folder, corpus="handbook", json=True)
    return key_for(Corpus.objects.get())


def test_openais_client_as_printed(key, server):
    code = EXAMPLES["python"].replace(PRINTED, server)

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env={**os.environ, "RAGSITE_KEY": key, "no_proxy": "127.0.0.1"},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['handbook']\n")
    assert f"1 {server}/read/concepts/" in done.stdout
    assert "[^1]: [" in done.stdout


async def test_an_assistants_configuration_as_printed(key, server):
    printed = json.loads(EXAMPLES["json"])["mcpServers"]["documentation"]
    headers = {n: v.replace("YOUR_API_KEY", key) for n, v in printed["headers"].items()}
    url = printed["url"].replace(PRINTED, server)
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        answer = await client.call_tool("ask", {"question": "What does the evidence gate do?"})

    assert printed["type"] == "http"
    assert answer.structured_content["outcome"] == "answered"
