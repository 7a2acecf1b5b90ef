"""Every client that people have, against one running server: all are told the same answer."""

import asyncio
import json
import subprocess
import textwrap

import httpx2
from mcp import Client as Assistant
from mcp.client.streamable_http import streamable_http_client
from openai import DefaultHttpxClient, OpenAI
from websockets.sync.client import connect

from ragsite_client import Client
from tests.chat.callers import key_for
from tests.node import NODE
from tests.processes import ROOT

LAMP = "How often does the lamp turn?"


def by_openai(server: str, key: str) -> str:
    http = DefaultHttpxClient(trust_env=False)
    with OpenAI(base_url=f"{server}/v1", api_key=key, http_client=http) as client:
        chunks = client.chat.completions.create(
            model="lighthouse", messages=[{"role": "user", "content": LAMP}], stream=True
        )
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


async def by_an_assistant(server: str, key: str) -> str:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=30) as http:
        transport = streamable_http_client(f"{server}/mcp", http_client=http)
        async with Assistant(transport) as client:
            answer = await client.call_tool("ask", {"question": LAMP, "corpus": "lighthouse"})
            return answer.structured_content["text"]


def by_websockets(server: str, key: str) -> str:
    headers = {"Authorization": f"Api-Key {key}"}
    url = f"{server.replace('http://', 'ws://')}/ws/chat/"
    with connect(url, origin=server, additional_headers=headers, proxy=None) as socket:
        assert json.loads(socket.recv())["type"] == "ready"
        ask = {"v": 1, "type": "ask", "id": "1", "corpus": "lighthouse", "question": LAMP}
        socket.send(json.dumps(ask))
        text = ""
        while (frame := json.loads(socket.recv(timeout=30)))["type"] != "done":
            text += frame.get("text", "")
        return text


def by_curl(server: str, key: str) -> str:
    def curl(path: str, body: dict, *more: str) -> str:
        command = [
            "curl", "-sSN", "--noproxy", "*", "-H", f"Authorization: Api-Key {key}",
            "-H", "Content-Type: application/json", "-d", json.dumps(body), *more,
            f"{server}/api/v1/{path}",
        ]  # fmt: skip
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=60
        ).stdout

    conversation = json.loads(curl("conversations/", {"corpus": "lighthouse"}))["id"]
    stream = curl(
        f"conversations/{conversation}/messages/", {"question": LAMP},
        "-H", "Accept: text/event-stream",
    )  # fmt: skip
    told = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
    return "".join(event["text"] for event in told if event["type"] == "delta")


def by_our_python_client(server: str, key: str) -> str:
    with Client(server, api_key=key) as client:
        stream = client.stream(LAMP, corpus="lighthouse")
        for _event in stream:
            pass
        return stream.answer.text


def by_our_javascript_client(server: str, key: str) -> str:
    script = textwrap.dedent(
        f"""
        import {{ Client }} from {json.dumps(str(ROOT / "clients/javascript/src/ragsite.js"))};
        const client = new Client({json.dumps(server)}, {{ apiKey: {json.dumps(key)} }});
        const stream = client.stream({json.dumps(LAMP)}, {{ corpus: "lighthouse" }});
        for await (const event of stream) void event;
        console.log(stream.answer.text);
        """
    )
    command = [NODE, "--input-type=module", "-e", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.removesuffix("\n")


async def test_every_client_does_its_main_job_against_one_server(corpus, server):
    key = await asyncio.to_thread(key_for, corpus)
    answers = {
        client.__name__: await asyncio.to_thread(client, server, key)
        for client in (
            by_openai, by_websockets, by_curl, by_our_python_client, by_our_javascript_client,
        )
    }  # fmt: skip
    answers["by_an_assistant"] = await by_an_assistant(server, key)

    assert "twelve seconds.” [1]" in answers["by_curl"]
    assert set(answers.values()) == {answers["by_curl"]}, answers
