"""Which addresses may be reached: public ones, and what the operator lists."""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Self
from urllib.parse import urlsplit

import httpx
from ssrfguard import DEFAULT_DENIED, AddressTable, Block, Policy, Reach

Network = IPv4Network | IPv6Network

PORTS = {"http": 80, "https": 443}
HOST = re.compile(r"[a-z0-9._:-]{1,253}")


def _denied(network: str, name: str, rfc: str = "our policy") -> Block:
    return Block(ip_network(network), name, rfc, Reach.DENIED)


def _stricter(block: Block) -> Block:
    """No page lives at an anycast service, nor behind a transition mechanism given up long ago.

    IPv4-mapped and NAT64 addresses are judged by the IPv4 address inside: resolvers of IPv6-only
    networks answer with them.
    """
    in_use = block.reach is Reach.TRANSLATED and str(block.network).startswith(("::ffff:", "64:"))
    return block if in_use else replace(block, reach=Reach.DENIED)


# ssrfguard transcribes IANA's special-purpose registries. Beyond them: only 2000::/3 is handed
# out to anybody, which also covers forms like ::ffff:0:a.b.c.d that hide an IPv4 address.
ADDRESSES = AddressTable(
    (
        *map(_stricter, DEFAULT_DENIED.blocks),
        _denied("::/3", "not handed out to anybody", "RFC4291"),
        _denied("4000::/2", "not handed out to anybody", "RFC4291"),
        _denied("8000::/1", "not handed out to anybody", "RFC4291"),
        _denied("168.63.129.16/32", "the host of a virtual machine (Azure)"),
    )
)
NOTHING = AddressTable((_denied("0.0.0.0/0", "not listed"), _denied("::/0", "not listed")))
# Where a host name that the operator lists may lead to. Never to link-local addresses: a
# cloud's metadata service is there.
INTERNAL = tuple(
    map(
        ip_network,
        "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 127.0.0.0/8 ::1 fc00::/7".split(),
    )
)


@dataclass(frozen=True)
class Allowed:
    """The operator's exceptions: `10.0.0.7:8080`, `10.1.0.0/16`, `[::1]:80`, `wiki.corp:8443`."""

    networks: tuple[tuple[Network, int | None], ...] = ()  # None: 80 and 443
    names: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def read(cls, entries: Iterable[str]) -> Self:
        """Raises ValueError, with the entry in its words."""
        networks, names = [], set()
        for entry in filter(None, map(str.strip, entries)):
            target, port = _split_port(entry)
            network = _as_network(target)
            if network is not None and (port or "/" in target):
                networks.append((network, port))
            elif network is None and port and re.fullmatch(r"[a-z0-9.-]*[a-z][a-z0-9.-]*", target):
                names.add((target, port))
            else:
                raise ValueError(
                    f'"{entry}" is not an address that sources may be fetched from: write '
                    "host:port, ip:port, a network like 10.1.0.0/16, or network:port"
                )
        return cls(tuple(networks), frozenset(names))

    def covers(self, url: str) -> bool:
        """Whether the address, as it is written, is one of the exceptions."""
        try:
            host, port = host_and_port(httpx.URL(url))
        except httpx.InvalidURL:
            return False
        address = _as_network(host)
        return (host, port) in self.names or any(
            port in ((only,) if only else PORTS.values()) and _inside(address, network)
            for network, only in self.networks
        )

    def policy(self, port: int) -> Policy:
        """For any host at a port. Beside 80 and 443, a port is open to what is listed only."""
        usual = port in PORTS.values()
        listed = (
            network for network, only in self.networks if only == port or (usual and only is None)
        )
        return Policy(
            denied_networks=ADDRESSES if usual else NOTHING,
            allowed_networks=tuple(listed),
            allowed_ports=frozenset({port}),
        )

    @staticmethod
    def policy_for_name(name: str, port: int) -> Policy:
        return Policy(
            denied_networks=ADDRESSES,
            allowed_networks=INTERNAL,
            allowed_hosts=frozenset({name}),
            allowed_ports=frozenset({port}),
        )


def host_and_port(url: httpx.URL) -> tuple[str, int]:
    return url.raw_host.decode("ascii").lower(), url.port or PORTS.get(url.scheme, 0)


@lru_cache(maxsize=20_000)
def normalised(url: str) -> str:
    """One spelling for an http(s) address, by the parser that also connects; "" for any other.

    Host in lower case, no default port, no dots in the path, no fragment.
    """
    if re.search(r"[\x00-\x20\x7f\\]", url):
        return ""
    try:
        parsed = httpx.URL(url)
        host, port = parsed.raw_host.decode(), parsed.port
    except (httpx.InvalidURL, ValueError):
        return ""
    if parsed.scheme not in PORTS or parsed.userinfo or not HOST.fullmatch(host):
        return ""
    authority = f"[{host}]" if ":" in host else host
    if port not in (None, PORTS[parsed.scheme]):
        authority += f":{port}"
    return f"{parsed.scheme}://{authority}{parsed.raw_path.decode()}"


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _split_port(entry: str) -> tuple[str, int | None]:
    """`a:80`, `[::1]:80`, `10.0.0.0/8:80`; of `::1` and `fc00::/7` no port is split off."""
    entry = entry.lower()
    target, colon, port = entry.rpartition(":")
    whole = ":" in target and not target.startswith("[")
    if whole or not (colon and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        return entry, None
    return target, int(port)


def _as_network(target: str) -> Network | None:
    with suppress(ValueError):
        return ip_network(re.sub(r"[\[\]]", "", target))
    return None


def _inside(address: Network | None, network: Network) -> bool:
    if isinstance(address, IPv4Network) and isinstance(network, IPv4Network):
        return address.subnet_of(network)
    if isinstance(address, IPv6Network) and isinstance(network, IPv6Network):
        return address.subnet_of(network)
    return False
