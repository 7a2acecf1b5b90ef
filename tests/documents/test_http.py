"""Clients of providers: closed in time, bounded in time and number, deaf to the environment."""

import asyncio
import gc
import socket
import ssl
import time
import warnings
import weakref
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest

from documents.event_loops import per_event_loop
from documents.upstream import http
from documents.upstream.aiohttp_transport import AS_HTTPX, httpx_errors
from documents.upstream.http import async_client, sync_client
from tests.certificates import self_signed
from tests.logs import everything_logged
from tests.standins import NEVER, NO_REPLY, RESET, FaultProxy, Reply, eventually, json_reply
from tests.standins import frames as f
from tests.standins.base import Fault, StandIn

SECRET = "key-that-nobody-may-see"
HEADERS = {"authorization": f"Bearer {SECRET}"}


class Upstream(StandIn):
    def respond(self, request):
        return json_reply({"path": request.path}).with_headers(set_cookie="seen=1; Path=/")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with async_client(read=5, total=20) as made:
        yield made


def called(
    url: str, kind: str, headers: dict[str, str] = HEADERS, **limits: float
) -> httpx.Response:
    """By a fresh client of either kind."""
    limits = {"read": 0.5, "total": 2.0, "connect": 0.5, **limits}
    if kind == "sync":
        with sync_client(**limits) as made:
            return made.post(url, json={"a": 1}, headers=headers)

    async def call() -> httpx.Response:
        async with async_client(**limits) as made:
            return await made.post(url, json={"a": 1}, headers=headers)

    return asyncio.run(call())


both = pytest.mark.parametrize("kind", ["sync", "async"])


# --- Ends ----------------------------------------------------------------------------------------


async def test_leaving_a_stream_closes_its_connection(upstream, client):
    upstream.script("/", f.stream(f.delta("x"), Fault.STALL))
    async with (
        client.stream("POST", upstream.url + "/", json={}) as response,
        aclosing(response.aiter_bytes()) as parts,
    ):
        await anext(parts)
    await eventually(lambda: upstream.requests[0].disconnected_at, within=1.0)


@pytest.mark.parametrize("reply", [NEVER, f.stream(f.delta("x"), Fault.STALL)])
async def test_a_cancelled_call_closes_its_connection(upstream, client, reply):
    upstream.script("/", reply)
    task = asyncio.create_task(client.post(upstream.url + "/", json={}))
    await eventually(lambda: upstream.requests)
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: upstream.requests[0].disconnected_at, within=1.0)


def test_a_client_goes_with_its_event_loop_without_a_word(upstream, caplog):
    client = per_event_loop(lambda: async_client(read=5, total=5))
    loops = weakref.WeakSet()

    async def call() -> None:
        loops.add(asyncio.get_running_loop())
        await client().post(upstream.url + "/", json={})
        assert upstream.open_connections == 1

    with warnings.catch_warnings(), everything_logged(caplog):
        warnings.simplefilter("error")
        for _ in range(2):
            asyncio.run(call())
            asyncio.run(eventually(lambda: not upstream.open_connections))
        gc.collect()
    assert not loops
    assert "nclosed" not in caplog.text


# --- Limits --------------------------------------------------------------------------------------


@both
def test_a_silent_server_is_left(upstream, kind):
    upstream.script("/", NEVER)
    with pytest.raises(httpx.ReadTimeout):
        called(upstream.url + "/", kind, read=0.2)


@both
def test_an_answer_in_drops_is_left(upstream, kind):
    drops = [part for _ in range(100) for part in (b"x", 0.05)]
    upstream.script("/", f.stream(*drops))
    began = time.monotonic()
    with pytest.raises(httpx.ReadTimeout, match="in all"):
        called(upstream.url + "/", kind, read=1.0, total=0.3)
    assert time.monotonic() - began < 3


@both
def test_nobody_at_the_other_end_is_an_error_of_connecting(kind):
    with FaultProxy("127.0.0.1", 1) as gone:
        address = gone.url
    with pytest.raises(httpx.ConnectError):
        called(address, kind)


async def test_a_connection_that_does_not_come_about_is_given_up(client, monkeypatch):
    async def never(*args: object, **kwargs: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", never)
    with pytest.raises(httpx.ConnectTimeout):
        await client.get("http://127.0.0.1:9/", timeout=httpx.Timeout(5, connect=0.1, pool=0.1))


async def test_connections_are_bounded_and_the_wait_for_one_too(upstream, monkeypatch):
    monkeypatch.setattr(http, "LIMITS", httpx.Limits(max_connections=2, keepalive_expiry=5))
    upstream.script("/", NEVER, NEVER)
    async with async_client(read=5, total=20, connect=0.2) as client:
        held = [asyncio.create_task(client.post(upstream.url + "/", json={})) for _ in range(2)]
        await eventually(lambda: len(upstream.requests) == 2)
        with pytest.raises(httpx.ConnectTimeout):
            await client.post(upstream.url + "/", json={})
        assert upstream.accepted == 2
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)


async def test_a_thousand_streams_have_room():
    assert (http.LIMITS.max_connections or 0) >= 1000


async def test_idle_connections_are_closed(upstream, monkeypatch):
    monkeypatch.setattr(http, "LIMITS", httpx.Limits(max_connections=9, keepalive_expiry=0.2))
    async with async_client(read=5, total=20) as client:
        await asyncio.gather(*(client.post(upstream.url + "/", json={}) for _ in range(3)))
        await eventually(lambda: not upstream.open_connections)


# --- Errors --------------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\n"
BODY = json_reply({"a": "body of some length"})
WRONG = {
    "no reply": (NO_REPLY, httpx.RemoteProtocolError),
    "reset": (RESET, httpx.ReadError),
    "cut body": (BODY.cut_after(5), httpx.RemoteProtocolError),
    "end in mid-stream": (f.stream(f.delta("x"), Fault.CUT), httpx.RemoteProtocolError),
    "reset in mid-stream": (f.stream(f.delta("x"), 0.05, Fault.RESET), httpx.TransportError),
    "no gzip": (BODY.with_headers(content_encoding="gzip"), httpx.DecodingError),
    "no HTTP": (Reply(silent=True, chunks=(b"SSH-2.0-x\r\n\r\n",)), httpx.RemoteProtocolError),
    "endless header": (
        Reply(silent=True, chunks=(OK + b"x: " + b"y" * 200_000 + b"\r\n\r\n",)),
        httpx.RemoteProtocolError,
    ),
    "wrong length": (
        Reply(silent=True, chunks=(OK + b"content-length: x\r\n\r\n",)),
        httpx.RemoteProtocolError,
    ),
    "wrong chunks": (
        Reply(silent=True, chunks=(OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n",)),
        httpx.RemoteProtocolError,
    ),
}  # fmt: skip


@both
@pytest.mark.parametrize(("reply", "expected"), WRONG.values(), ids=WRONG.keys())
def test_whatever_goes_wrong_is_told_as_httpx_tells_it(upstream, kind, reply, expected):
    upstream.script("/", reply)
    with pytest.raises(expected) as raised:
        called(upstream.url + "/", kind)
    assert SECRET not in repr(raised.value)
    assert raised.value.request.url == upstream.url + "/"
    # aiohttp's own would carry the headers
    assert not isinstance(raised.value.__cause__, aiohttp.ClientError)


@both
def test_an_answer_in_gzip_is_read(upstream, kind):
    upstream.script("/", BODY.gzipped())
    assert called(upstream.url + "/", kind).json() == {"a": "body of some length"}


def subclasses(of: type[Exception]) -> Iterator[type[Exception]]:
    yield of
    for derived in of.__subclasses__():
        yield from subclasses(derived)


def test_no_error_of_aiohttp_is_without_a_name_in_httpx():
    request = httpx.Request("GET", "http://127.0.0.1/")
    for theirs in set(subclasses(aiohttp.ClientError)):
        error = theirs.__new__(theirs)
        with pytest.raises(httpx.TransportError), httpx_errors(request):
            raise error
    assert {known for _theirs, known in AS_HTTPX} <= set(subclasses(httpx.TransportError))


@both
def test_certificates_are_verified(kind, tmp_path, monkeypatch):
    server, trusting = self_signed(tmp_path, "localhost")
    with served_with(server) as address:
        with pytest.raises(httpx.ConnectError):
            called(address, kind)
        monkeypatch.setattr(http, "tls", lambda: trusting)
        assert called(address, kind).status_code == 501  # of a server that knows no POST
        with pytest.raises(httpx.ConnectError):
            called(address.replace("localhost", "127.0.0.1"), kind)


# --- What is not in the settings does not count ---------------------------------------------------


@both
def test_proxies_and_passwords_of_the_environment_are_not_used(
    upstream, kind, monkeypatch, tmp_path
):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    called(upstream.url + "/", kind, headers={})
    assert "authorization" not in upstream.requests[0].headers


@both
def test_the_proxy_of_the_settings_is_used(upstream, kind, settings, caplog):
    settings.PROVIDER_PROXY = upstream.url.replace("//", f"//user:{SECRET}@")
    with everything_logged(caplog):
        assert called("http://provider.invalid/v2/embed", kind).status_code == 200
    (request,) = upstream.requests
    assert request.headers["host"] == "provider.invalid"
    assert request.headers["proxy-authorization"].startswith("Basic ")
    assert "provider.invalid" in caplog.text
    assert SECRET not in caplog.text


@both
def test_a_tunnel_through_the_proxy_hides_the_key_from_it(kind, settings, tmp_path, monkeypatch):
    server, trusting = self_signed(tmp_path, "provider.test")
    monkeypatch.setattr(http, "tls", lambda: trusting)
    with served_with(server) as address, tunnels_to(urlsplit(address).port) as proxy:
        settings.PROVIDER_PROXY = f"http://user:word@127.0.0.1:{proxy.port}"
        assert called("https://provider.test/v2/embed", kind).status_code == 501
    (head,) = proxy.heads
    assert head.startswith(b"CONNECT provider.test:443 ")
    assert b64encode(b"user:word") in head
    assert SECRET.encode() not in head


@both
def test_what_runs_on_this_machine_is_called_directly(upstream, kind, settings):
    settings.PROVIDER_PROXY = "http://127.0.0.1:1"
    assert called(upstream.url + "/direct", kind).json() == {"path": "/direct"}
    with pytest.raises((httpx.ProxyError, httpx.ConnectError)):
        called("http://provider.invalid/", kind)


@both
def test_a_redirect_is_not_followed(upstream, kind):
    upstream.script("/", Reply(307, {"location": upstream.url + "/elsewhere"}))
    assert called(upstream.url + "/", kind).status_code == 307
    assert [request.path for request in upstream.requests] == ["/"]


async def test_no_cookie_is_kept(upstream, client):
    address = upstream.url.replace("127.0.0.1", "localhost") + "/"  # some jars mistrust addresses
    with sync_client(read=5, total=20) as patient:
        for _ in range(2):
            await client.post(address, json={})
            patient.post(address, json={})
    assert len(upstream.requests) == 4
    assert not any("cookie" in request.headers for request in upstream.requests)


@both
def test_a_long_header_is_no_mistake(upstream, kind):
    upstream.script("/", BODY.with_headers(content_security_policy="x" * 20_000))
    assert called(upstream.url + "/", kind).status_code == 200


async def test_a_path_arrives_as_it_was_written(upstream, client):
    await client.get(upstream.url + "/collections/a%2Fb?timeout=3&x=%C3%A4")
    (request,) = upstream.requests
    assert (request.path, request.query) == ("/collections/a%2Fb", "timeout=3&x=%C3%A4")


@contextmanager
def served_with(certificate: ssl.SSLContext) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.handle_error = lambda *args: None
        server.socket = certificate.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://localhost:{server.server_port}/"
        server.shutdown()


class Tunnels(ThreadingTCPServer):
    """A proxy that knows CONNECT alone, and leads to one port of this machine."""

    daemon_threads = True

    def __init__(self, target: int):
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.target, self.port, self.heads = target, self.server_address[1], []


class Tunnel(StreamRequestHandler):
    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.rfile.readline()
        self.server.heads.append(head)
        with socket.create_connection(("127.0.0.1", self.server.target)) as beyond:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            Thread(target=hand_on, args=(self.connection, beyond), daemon=True).start()
            hand_on(beyond, self.connection)


def hand_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def tunnels_to(target: int) -> Iterator[Tunnels]:
    with Tunnels(target) as proxy:
        Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()
