"""The way to a server: the policy for its port and name, and a clock that runs all the way."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLContext
from typing import Any

import httpcore
import httpx
from ssrfguard import Policy, Resolver
from ssrfguard.errors import BlockedURLError
from ssrfguard.httpx import SafeBackend, SafeTransport

from ingestion.fetching.addresses import PORTS, Allowed, host_and_port


class Deadline(threading.local):
    """When the request of this thread has to be over.

    The timeout of a single read does not end a server that sends a byte every few seconds.
    """

    at = math.inf

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        before, self.at = self.at, time.monotonic() + seconds
        try:
            yield
        finally:
            self.at = before

    def shorten(self, timeout: float | None) -> float | None:
        left = self.at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for the whole answer is over")
        if math.isinf(left):
            return timeout
        return left if timeout is None else min(timeout, left)


class TimedStream(httpcore.NetworkStream):
    """Asks the deadline before every read and write."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self.stream, self.deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, self.deadline.shorten(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, self.deadline.shorten(timeout))

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        timeout = self.deadline.shorten(timeout)
        stream = self.stream.start_tls(ssl_context, server_hostname, timeout)
        return TimedStream(stream, self.deadline)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


class TimedBackend(SafeBackend):
    def __init__(self, policy: Policy, resolver: Resolver | None, deadline: Deadline) -> None:
        super().__init__(policy=policy, resolver=resolver)
        self.deadline = deadline

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *rest: Any, **options: Any
    ) -> httpcore.NetworkStream:
        timeout = self.deadline.shorten(timeout)
        stream = super().connect_tcp(host, port, timeout, *rest, **options)
        return TimedStream(stream, self.deadline)


class GuardedTransport(SafeTransport):
    """ssrfguard's transport with the clock on top. It checks the address of every request."""

    def __init__(
        self, policy: Policy, resolver: Resolver | None, verify: SSLContext, deadline: Deadline
    ) -> None:
        super().__init__(policy=policy, resolver=resolver, verify=verify, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=verify,
            max_connections=20,
            max_keepalive_connections=10,
            keepalive_expiry=5.0,
            network_backend=TimedBackend(policy, resolver, deadline),
        )


class Door(httpx.BaseTransport):
    """Picks the policy by port and name; connections made under one are not used under another."""

    def __init__(
        self, allowed: Allowed, resolver: Resolver | None, verify: SSLContext, deadline: Deadline
    ) -> None:
        def transport(policy: Policy) -> GuardedTransport:
            return GuardedTransport(policy, resolver, verify, deadline)

        ports = {*PORTS.values(), *(port for _, port in allowed.networks if port)}
        self.by_port = {port: transport(allowed.policy(port)) for port in ports}
        self.by_name = {
            (name, port): transport(Allowed.policy_for_name(name, port))
            for name, port in allowed.names
        }

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host, port = host_and_port(request.url)
        if request.url.scheme not in PORTS or not host:
            raise BlockedURLError(str(request.url), "it is no http or https address")
        way = self.by_name.get((host, port)) or self.by_port.get(port)
        if way is None:
            raise BlockedURLError(str(request.url), f"port {port} is not open to sources")
        return way.handle_request(request)

    def close(self) -> None:
        for transport in (*self.by_port.values(), *self.by_name.values()):
            transport.close()
