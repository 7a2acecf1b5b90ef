"""The real pgbouncer in transaction mode, as Neon puts it before PostgreSQL, with a tiny pool.

Debian's is 1.18: like Neon's it refuses `options`, and unlike it it knows no prepared statements of
the protocol, so whoever gets along with this one gets along with both.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

CONFIGURATION = """
[databases]
* = host={host} port={server_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
query_wait_timeout = {wait}
server_login_retry = 1
ignore_startup_parameters = extra_float_digits
admin_users = pgbouncer
logfile = {folder}/log
"""


def is_installed() -> bool:
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is not None


class PgBouncer:
    """A process with a folder of its own; every database of the server by its name."""

    def __init__(self, host: str, server_port: int, *, user: str = "postgres", size: int = 3,
                 wait: int = 2, certificate: bytes = b"") -> None:  # fmt: skip
        """`certificate` is a PEM with its key: with one, nobody gets in without TLS."""
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
        self._folder.chmod(0o777)  # it gives up being root
        text = CONFIGURATION.format(
            host=host, server_port=server_port, port=self.port, size=size, wait=wait,
            folder=self._folder,
        )  # fmt: skip
        if os.geteuid() == 0:
            text += "user = nobody\n"
        if certificate:
            pem = self._folder / "server.pem"
            pem.write_bytes(certificate)
            text += "client_tls_sslmode = require\n"
            text += f"client_tls_key_file = {pem}\nclient_tls_cert_file = {pem}\n"
        # auth_type any takes everybody, as whom this file says.
        text = text.replace("* = host", f"* = user={user} host")
        (self._folder / "pgbouncer.ini").write_text(text)

    def __enter__(self) -> Self:
        path = f"{os.environ.get('PATH', '')}:/usr/sbin"
        self._process = subprocess.Popen(
            ["pgbouncer", "-q", str(self._folder / "pgbouncer.ini")],
            env={"PATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "pgbouncer did not start"
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
