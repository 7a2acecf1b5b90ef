"""Secrets that nobody may ever see again: looked for wherever an installation leaves traces.

    python -m tests.campaigns.canaries

The production shape with a random secret in each place that takes one; all of it logs at DEBUG, and
one of two servers runs with DEBUG=1. It ingests, answers, and meets each provider failing in the
ways that tempt to repeat a secret: refused keys, errors that quote the request's headers, HTML.
Then every secret is looked for, whole, encoded and in pieces of twelve characters, in: logs and
outputs of commands, a dump of the database, all keys of Redis, what Qdrant keeps, all pages of the
admin, replies and events of the API, Django's page for errors, and all files and commits of git.

Afterwards one secret is planted in each kind of place, and must be found there.
"""

import argparse
import base64
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
from websockets.sync.client import connect

from tests.background import RedisServer, Server, Worker, until
from tests.processes import ROOT
from tests.standins import frames
from tests.standins.base import Recorded, Reply, html_reply, json_reply
from tests.standins.cohere import EMBED, RERANK
from tests.standins.production import POSTGRESQL, Keys, Shape, drop_database, production_shape

DATABASE = "ragsite_canaries"
PIECE = 12  # characters of a secret that give it away
QUESTIONS = ("What does the evidence gate do?", "How do I withdraw a document?", "What is a chunk?")
ADMIN = ("admin", "an-ordinary-password-7")
MAKE_ADMIN = (
    "from django.contrib.auth import get_user_model as m; "
    f"m().objects.create_superuser({ADMIN[0]!r}, password={ADMIN[1]!r})"
)
CARELESS = "import os; print(os.environ['COHERE_API_KEY'])"

# Django's page for errors, with a frame that has all of the secrets in its variables.
TRACEBACK = """
import os, sys
from django.conf import settings
from django.test import RequestFactory
from django.views.debug import technical_500_response
def careless():
    key, url, everything = settings.COHERE_API_KEY, settings.DATABASE_URL, dict(os.environ)
    raise RuntimeError("a mistake")
try:
    careless()
except RuntimeError:
    page = technical_500_response(RequestFactory().get("/"), *sys.exc_info()).content.decode()
    assert "everything" in page and "COHERE_EMBED_MODEL" in page
    print(page)
"""


@dataclass
class Traces:
    """Texts by the place where they were found; places of one kind begin alike."""

    texts: dict[str, str] = field(default_factory=dict)

    def add(self, place: str, text: str | bytes) -> None:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        self.texts[place] = self.texts.get(place, "") + text

    def holding(self, canaries: dict[str, str]) -> list[str]:
        """Which secret was found where."""
        return [
            f"{name} in {place}"
            for name, canary in canaries.items()
            for place, text in self.texts.items()
            if any(form in text for form in forms(canary))
        ]


def forms(canary: str) -> Iterator[str]:
    yield canary
    yield quote(canary, safe="")
    yield base64.b64encode(canary.encode()).decode().rstrip("=")[:-1]
    for at in range(len(canary) - PIECE + 1):
        yield canary[at : at + PIECE]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    report = campaign()
    print(json.dumps(report, indent=1))
    sys.exit(bool(report["found"]) or bool(report["planted_but_not_found"]))


def campaign() -> dict:
    """What was found, and in which kinds of places a planted secret was not found."""
    drop_database(DATABASE)
    canaries = {
        name: f"canary{secrets.token_hex(20)}"
        for name in ("SECRET_KEY", "database", "qdrant", "cohere", "openrouter", "openai")
    }
    keys = Keys(
        canaries["database"], canaries["qdrant"], canaries["cohere"], canaries["openrouter"]
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            RedisServer(folder) as redis,
            production_shape(folder, DATABASE, keys, redis.port) as shape,
        ):
            environment = {
                **os.environ, **shape.variables, "SECRET_KEY": canaries["SECRET_KEY"],
                "OPENAI_BASE_URL": f"{shape.variables['OPENROUTER_BASE_URL']}/other",
                "OPENAI_API_KEY": canaries["openai"], "OPENAI_MODEL": "other/model",
                "LOG_LEVEL": "DEBUG", "ANSWER_CACHE_SECONDS": "0",
                "ANONYMOUS_QUESTIONS_PER_MINUTE": "10000",
            }  # fmt: skip
            scene = Scene(folder, shape, redis, environment)
            try:
                found = scene.play().holding(canaries)
                missed = scene.plant(canaries["cohere"])
            finally:
                scene.close()
                drop_database(DATABASE)
    return {
        "places": len(scene.traces.texts),
        "characters": sum(map(len, scene.traces.texts.values())),
        "found": found,
        "planted_but_not_found": missed,
    }


class Scene:
    """Two servers, a worker, and everything that is done to them."""

    def __init__(
        self, folder: Path, shape: Shape, redis: RedisServer, environment: dict[str, str]
    ) -> None:
        self.folder, self.shape, self.redis, self.env = folder, shape, redis, environment
        self.traces = Traces()
        self.command("migrate", "-v0")
        self.command("shell", "-v0", "-c", MAKE_ADMIN)
        self.server = Server(environment, folder / "server.log")
        self.careless = Server({**environment, "DEBUG": "1"}, folder / "debugging.log")
        self.worker = Worker(environment, folder / "worker.log")
        for server in (self.server, self.careless):
            until(lambda server=server: is_alive(server.url), what="a server")

    def close(self) -> None:
        for process in (self.server, self.careless, self.worker):
            process.kill()

    def play(self) -> Traces:
        self.command("ingest", "docs/handbook", "--corpus", "handbook", "--public", "--json")
        for server in (self.server, self.careless):
            self.talk(server.url, "in good order")
            for name, trouble in TROUBLES.items():
                trouble(self.shape)
                self.talk(server.url, name)
        self.shape.cohere.script(EMBED, *[told_back] * 9)
        self.command("ingest", "docs/decisions", "--corpus", "handbook", "--json")
        for command in (["check"], ["check", "--deploy"], ["reconcile", "--check"], ["doctor"]):
            self.command(*command)
        self.command("shell", "-v0", "-c", TRACEBACK)
        self.command("ask", QUESTIONS[0], "--corpus", "handbook")
        self.collect()
        self.traces.add("git: files", git("grep", "-I", "--cached", "-h", "-e", "canary"))
        self.traces.add("git: commits", git("log", "--format=%B"))
        return self.traces

    def command(self, *arguments: str) -> None:
        ended = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.env,
            capture_output=True, timeout=300,
        )  # fmt: skip
        self.traces.add(f"command: {arguments[0]}", ended.stdout + ended.stderr)

    def talk(self, url: str, occasion: str) -> None:
        """Ask by REST, server-sent events and websocket, well and badly."""
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            for accept in ("application/json", "text/event-stream"):
                begun = client.post("/api/v1/conversations/", json={"corpus": "handbook"}).json()
                assert "id" in begun, begun
                asked = client.post(
                    f"/api/v1/conversations/{begun['id']}/messages/",
                    json={"question": QUESTIONS[0]},
                    headers={"accept": accept, "x-visitor-token": begun["visitor_token"]},
                )
                self.traces.add(f"api: {occasion}", asked.content)
            for path in ("/api/v1/search/", "/api/v1/conversations/", "/nowhere/"):
                for body in (b"{", b"{}", b'{"query": "x", "corpus": 7}', b"\xff"):
                    reply = client.post(path, content=body, headers={"authorization": "Bearer x"})
                    self.traces.add(f"api: bad requests, {occasion}", reply.content)
            for path in ("/api/v1/health/ready/", "/api/v1/documents/0/", "/%00", "/read/x/y"):
                self.traces.add(f"api: bad requests, {occasion}", client.get(path).content)
        with connect(url.replace("http", "ws") + "/ws/chat/", origin=url) as socket:
            for question in QUESTIONS[1:]:
                frame = {"v": 1, "type": "ask", "id": "q", "corpus": "handbook"}
                socket.send(json.dumps({**frame, "question": question}))
                while (told := json.loads(socket.recv(60)))["type"] not in ("done", "error"):
                    self.traces.add(f"events: {occasion}", json.dumps(told))
                self.traces.add(f"events: {occasion}", json.dumps(told))

    def collect(self) -> None:
        for server in (self.server, self.careless):
            self.read_the_admin(server.url)
        for log in self.folder.glob("*.log"):
            self.traces.add(f"log: {log.name}", log.read_bytes())
        host, port = POSTGRESQL
        dump = ["pg_dump", "-h", host, "-p", str(port), "-U", "postgres", DATABASE]
        self.traces.add("database", subprocess.run(dump, check=True, capture_output=True).stdout)
        client = self.redis.client
        client.select(9)
        for key in client.scan_iter():
            kept = client.dump(key) or b""
            read = {b"string": client.get, b"hash": client.hgetall}.get(client.type(key))
            self.traces.add("redis", key + b" " + kept + (str(read(key)) if read else "").encode())
        for file in (self.folder / "qdrant").rglob("*"):
            if file.is_file():
                self.traces.add("qdrant", file.read_bytes().replace(b"\0", b""))  # most is empty

    def read_the_admin(self, url: str) -> None:
        """Every page that is one click away from the index, or two."""
        with httpx.Client(
            base_url=url, trust_env=False, timeout=60, follow_redirects=True
        ) as client:
            token = re.search(
                r'csrfmiddlewaretoken" value="(\w+)', client.get("/admin/login/").text
            )
            assert token
            form = {"username": ADMIN[0], "password": ADMIN[1], "csrfmiddlewaretoken": token[1]}
            index = client.post("/admin/login/?next=/admin/", data=form, headers={"referer": url})
            assert "/admin/documents/document/" in index.text, "no admin page was seen"
            lists = set(re.findall(r'href="(/admin/[a-z_]+/[a-z_]+/(?:add/)?)"', index.text))
            pages = {"/admin/": index.text}
            for path in lists:
                pages[path] = client.get(path).text
            for text in [pages[path] for path in lists]:
                rows = re.findall(r'href="(/admin/[a-z_]+/[a-z_]+/[^"/]+/change/[^"]*)"', text)
                pages |= {path: client.get(path).text for path in rows[:5]}
            assert len(pages) > 20, sorted(pages)
        for path, text in pages.items():
            self.traces.add(f"admin: {path}", text)

    def plant(self, canary: str) -> list[str]:
        """The kinds of places in which a secret that is there is not found."""
        self.traces = Traces()
        title = f"Conversation.objects.update(title={canary!r})"
        self.command("shell", "-v0", "-c", f"from chat.models import Conversation; {title}")
        self.command("shell", "-v0", "-c", CARELESS)
        (self.folder / "qdrant" / "planted").write_text(canary)
        with (self.folder / "server.log").open("a") as log:
            log.write(canary)
        self.server.kill()  # it, and Redis, know which models were failing
        self.redis.client.flushall()
        self.redis.client.select(9)
        self.redis.client.set("planted", canary)
        self.server = Server(self.env, self.folder / "server.log")
        until(lambda: is_alive(self.server.url), what="the server")
        for standin in (self.shape.cohere, self.shape.openrouter):
            standin.script_nothing()
        self.shape.openrouter.answer = f"My key is {canary}."
        self.talk(self.server.url, "planted")
        self.collect()
        found = {entry.split(" in ")[1] for entry in self.traces.holding({"it": canary})}
        kinds = ("log", "command", "database", "redis", "qdrant", "admin", "api", "events")
        return [kind for kind in kinds if not any(place.startswith(kind) for place in found)]


def told_back(request: Recorded) -> Reply:
    """An edge that repeats the request in its error, key and all."""
    return json_reply({"message": f"bad: {request.headers['authorization']}"}, 400)


def told_back_by_a_model(request: Recorded) -> Reply:
    return frames.error(401, f"bad request {request.headers}", raw=str(request.headers))


def refused_key(shape: Shape) -> None:
    shape.cohere.script(EMBED, *[frames.error(401, "invalid api token")] * 4)
    shape.openrouter.next_chat(*[frames.error(401, error_type="authentication")] * 4)


def quoted_headers(shape: Shape) -> None:
    for path in (EMBED, RERANK):
        shape.cohere.script(path, *[told_back] * 4)
    shape.openrouter.next_chat(*[told_back_by_a_model] * 12)


def html(shape: Shape) -> None:
    shape.cohere.script(RERANK, *[html_reply(502)] * 4)
    shape.openrouter.next_chat(*[html_reply(502)] * 12)


def cut_connections(shape: Shape) -> None:
    for proxy in shape.proxies.values():
        proxy.cut_all()


TROUBLES = {
    "keys refused": refused_key,
    "keys told back": quoted_headers,
    "pages of an edge": html,
    "connections cut": cut_connections,
}


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False).stdout


def is_alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v1/health/live/", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()
