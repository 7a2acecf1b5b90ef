"""The proxy fails as networks fail, one connection at a time, whatever is spoken through it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins import FaultProxy, Trouble


class Echo:
    """Answers every piece with "got: " and the piece, and remembers what arrived."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            try:
                while piece := connection.recv(2**16):
                    self.received.append(piece)
                    connection.sendall(b"got: " + piece)
            except OSError:
                pass  # the proxy has cut it

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[FaultProxy]:
    with FaultProxy("127.0.0.1", echo.port) as between:
        yield between


def dial(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=2)


def ask(proxy: FaultProxy, text: bytes = b"hello") -> bytes:
    """All that comes back until the other side closes or falls silent."""
    with dial(proxy) as connection:
        connection.sendall(text)
        return listen(connection)


def listen(connection: socket.socket, within: float = 0.3) -> bytes:
    connection.settimeout(within)
    heard = b""
    try:
        while piece := connection.recv(2**16):
            heard += piece
    except TimeoutError:
        return heard + b" ..."  # still open
    return heard


def test_corrupted_bytes_arrive_in_their_number_and_are_not_what_was_sent(proxy):
    proxy.next(Trouble("corrupt", after=5))

    heard = ask(proxy, b"hello")

    assert heard.startswith(b"got: ")
    assert heard.removeprefix(b"got: ").removesuffix(b" ...") == bytes(b ^ 0xFF for b in b"hello")


def test_without_trouble_bytes_pass(proxy, echo):
    assert ask(proxy) == b"got: hello ..."
    assert echo.received == [b"hello"]


def test_both_halves_of_a_connection_end_separately(proxy, echo):
    with dial(proxy) as connection:
        connection.sendall(b"last words")
        connection.shutdown(socket.SHUT_WR)
        assert listen(connection) == b"got: last words"


def test_much_passes_unchanged(proxy, echo):
    much = os.urandom(2**20)
    with dial(proxy) as connection:
        threading.Thread(target=connection.sendall, args=(much,)).start()
        heard = listen(connection, within=1)
    assert b"".join(echo.received) == much
    assert len(heard) == len(b" ...") + len(much) + len(b"got: ") * len(echo.received)


@pytest.mark.parametrize("kind", ["refuse", "reset", "swallow"])
def test_a_reset(proxy, echo, kind):
    proxy.next(Trouble(kind))
    with pytest.raises(ConnectionError):
        ask(proxy)
    assert echo.received == ([] if kind == "refuse" else [b"hello"])
    assert ask(proxy) == b"got: hello ...", "the next connection is well"


def test_a_stalled_connection_is_open_and_dead(proxy, echo):
    proxy.next(Trouble("stall"))
    assert ask(proxy) == b" ..."
    assert echo.received == []


def test_silence_after_the_request_has_arrived(proxy, echo):
    proxy.next(Trouble("silence"))
    assert ask(proxy) == b" ..."
    assert echo.received == [b"hello"]


def test_an_answer_cut_short(proxy):
    proxy.next(Trouble("truncate", after=7))
    assert ask(proxy) == b"got: he"


def test_half_closed_the_request_still_gets_through(proxy, echo):
    proxy.next(Trouble("half-close", after=5))
    with dial(proxy) as connection:
        connection.sendall(b"one")
        assert listen(connection) == b"got: "
        connection.sendall(b"two")
        time.sleep(0.1)
    assert echo.received == [b"one", b"two"]


def test_a_slow_network(proxy):
    proxy.next(Trouble(delay=0.15))
    started = time.monotonic()
    with dial(proxy) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) == b"got: hello"
    assert time.monotonic() - started >= 0.3, "forth and back"


def test_every_third_connection(echo):
    with FaultProxy("127.0.0.1", echo.port, always=Trouble("truncate"), every=3) as proxy:
        answers = [ask(proxy) for _ in range(6)]
    assert [answer == b"" for answer in answers] == [False, False, True] * 2


def test_cutting_everything_now(proxy):
    connections = [dial(proxy) for _ in range(3)]
    for connection in connections:
        connection.sendall(b"hello")
        assert connection.recv(100)
    assert proxy.open_connections == 3
    assert proxy.cut_all() == 3
    for connection in connections:
        with connection, pytest.raises(ConnectionResetError):
            connection.recv(100)
    assert ask(proxy) == b"got: hello ..."


def test_a_server_that_is_not_there(echo):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with FaultProxy("127.0.0.1", port) as proxy, pytest.raises(ConnectionError):
        ask(proxy)


def test_refusing_new_connections_only(proxy):
    with dial(proxy) as connection:
        connection.sendall(b"one")
        assert connection.recv(100)
        proxy.stop_listening()
        with pytest.raises(ConnectionRefusedError):
            dial(proxy)
        connection.sendall(b"two")
        assert connection.recv(100) == b"got: two"
    proxy.listen_again()
    assert ask(proxy) == b"got: hello ..."


def test_as_a_process(echo):
    command = [sys.executable, "-m", "tests.standins", "proxy", "--to", f"127.0.0.1:{echo.port}"]
    running = subprocess.Popen(
        [*command, "--kind", "truncate", "--after", "3", "--every", "2"],
        cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    port = int(running.stdout.readline().rpartition(":")[2])
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"hello")
            assert connection.recv(100) == b"got: hello"
            running.send_signal(signal.SIGUSR1)
            with pytest.raises(ConnectionResetError):
                connection.recv(100)
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"hello")
            assert listen(connection) == b"got"
        running.terminate()
        assert running.wait(5) == 0
    finally:
        running.kill()
        running.stdout.close()
        running.wait()
