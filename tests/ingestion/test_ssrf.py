"""No address of the internal network is reached, however it is written, answered or led to.

What counts is not the error but the socket: listeners on this machine must not be connected to,
and no connection to any forbidden address may even be tried.
"""

import itertools
import socket
import threading
from contextlib import ExitStack, suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network
from random import Random

import httpx
import pytest
from ssrfguard import AddressTable, SSRFGuardError

import ingestion.fetching.addresses as addresses
from ingestion.fetching import Allowed, Fetcher, FetchError
from ingestion.loaders.base import LoadError
from ingestion.loaders.git import GitLoader
from ingestion.loaders.site import SiteLoader
from tests.standins.base import Reply
from tests.websites import Website, page, redirect, sitemap

# IANA's special-purpose registries as of 2026, multicast, and what is reserved or deprecated;
# written down here once more, so that a hole in the library's table is one in this test as well.
BLOCKS_4 = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 "
    "192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/31 192.0.2.0/24 192.31.196.0/24 "
    "192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 "
    "203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32 168.63.129.16/32 169.254.169.254/32 "
    "100.100.100.200/32 192.0.0.192/32"
).split()
BLOCKS_6 = (
    "::/128 ::1/128 ::/96 ::ffff:0:0:0/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 "
    "2001::/32 2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 "
    "2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 "
    "5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8 fd00:ec2::254/128 200::/7 4000::/3 e000::/4"
).split()
FULLWIDTH = str.maketrans("0123456789.", "０１２３４５６７８９．")
CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
STATUSES = (301, 302, 303, 307, 308)
LOOPBACKS = ("127.0.0.1", "127.0.0.2", "::1")
PUBLIC = "93.184.215.14"


def edges(block):
    network = ip_network(block)
    return dict.fromkeys([network[0], network[1 % network.num_addresses], network[-1]])


def spellings(address: IPv4Address):
    """Every way in which some resolver or URL parser takes it."""
    number = int(address)
    a, b, c, d = address.packed
    dotted = str(address)
    yield from (
        dotted, f"{number}", f"{number:#x}", f"0{number:o}", f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:03}.{b:03}.{c:03}.{d:03}", f"{a}.{number & 0xFFFFFF}",
        f"{a}.{b}.{number & 0xFFFF}", f"{a:#x}.{number & 0xFFFFFF}", dotted + ".", f"{number}.",
        dotted.translate(FULLWIDTH), dotted.translate(CIRCLED), dotted.replace(".", "。"),
        dotted.replace(".", "%2e"), f"user@{dotted}", f"example.org@{dotted}", f"{dotted}:80",
        f"example.org:80@{dotted}", f"{dotted}#@example.org",
    )  # fmt: skip


def wrapped(address: IPv4Address):
    """Inside an IPv6 address, in all ways that lead back to it."""
    v4, inverted = int(address), ~int(address) & 0xFFFFFFFF
    yield f"[::ffff:{address}]"
    yield f"[0:0:0:0:0:FFFF:{v4 >> 16:X}:{v4 & 0xFFFF:X}]"
    for number in (
        v4,  # IPv4-compatible
        0xFFFF_0000_0000 | v4,  # IPv4-mapped
        0xFFFF_0000_0000_0000 | v4,  # IPv4-translated
        0x64_FF9B << 96 | v4,  # NAT64
        0x64_FF9B_0001 << 80 | v4,  # NAT64, local
        0x2002 << 112 | v4 << 80,  # 6to4
        0x2001_0000 << 96 | v4 << 64 | 0xF7F7_F7F7,  # Teredo, as its server (client 8.8.8.8)
        0x2001_0000 << 96 | 0x0808_0808 << 64 | inverted,  # Teredo, as its client
    ):
        yield f"[{IPv6Address(number)}]"


def hosts():
    for block in BLOCKS_4:
        for address in edges(block):
            yield from spellings(address)
            yield from wrapped(address)
    for block in BLOCKS_6:
        for address in edges(block):
            yield from (f"[{address}]", f"[{address.exploded.upper()}]", f"[{address}%25lo]")
    yield from (
        "localhost",
        "LOCALHOST",
        "localhost.",
        "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
        "ip6-localhost",
        "",
        ".",
        "[::]",
    )


HOSTS = tuple(dict.fromkeys(hosts()))
URLS = (
    *(
        f"{scheme}://{host}{path}"
        for host, scheme, path in zip(
            HOSTS,
            itertools.cycle(["http", "HTTP", "hTTps", "https"]),
            itertools.cycle(["/", "/a?b", ""]),
            strict=False,
        )
    ),
    "file:///etc/passwd", "gopher://127.0.0.1:80/_x", "ftp://127.0.0.1/", "dict://127.0.0.1:80/",
    "//127.0.0.1/", "http:127.0.0.1", "http:/127.0.0.1", "http:\\\\127.0.0.1\\",
    "http://example.org\\@127.0.0.1/", "http://127.0.0.1\t/", "http://127.0.0.1\r\nHost: x/",
    "http://[::1", "http://127.0.0.1:0/", "http://127.0.0.1:99999/", "http://127.0.0.1:8080/",
    "unix:///var/run/docker.sock", "data:text/html,x", "javascript:x", "jar:http://127.0.0.1!/",
)  # fmt: skip


class Canary:
    """Listens on the loopback addresses, and notes every connection that anybody tries."""

    def __init__(self, monkeypatch):
        self.accepted, self.tried, self.port = 0, [], 0
        self._stack = ExitStack()
        for host in LOOPBACKS:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = self._stack.enter_context(socket.socket(family))
            listener.bind((host, self.port))
            self.port = listener.getsockname()[1]
            listener.listen(1000)
            threading.Thread(target=self._accept, args=[listener], daemon=True).start()
        connect = socket.socket.connect

        def noted(connection, address):
            host = address[0]
            self.tried.append(ip_address(host))
            if host not in LOOPBACKS:
                raise ConnectionRefusedError(f"nothing leaves this machine: {host}")
            return connect(connection, address)

        monkeypatch.setattr(socket.socket, "connect", noted)

    def _accept(self, listener):
        with suppress(OSError):
            while True:
                connection, _address = listener.accept()
                self.accepted += 1
                connection.close()

    def close(self):
        self._stack.close()

    def resolve(self, host, port, *_how):
        """This machine's resolver, but every answer leads to the listeners' port."""
        numeric = host.strip("[]").rstrip(".")
        if not any(character.isdigit() for character in numeric) and "localhost" not in numeric:
            raise socket.gaierror(f"no such host: {host}")
        return self.answer(*{info[4][0] for info in socket.getaddrinfo(host, port, 0, 1)})

    def answer(self, *found):
        return [
            (socket.AF_INET6, 1, 6, "", (host, self.port, 0, 0)) if ":" in host
            else (socket.AF_INET, 1, 6, "", (host, self.port))
            for host in found
        ]  # fmt: skip


@pytest.fixture
def canary(monkeypatch):
    canary = Canary(monkeypatch)
    yield canary
    canary.close()


pytestmark = pytest.mark.allow_hosts(list(LOOPBACKS))


@pytest.fixture
def unguarded(monkeypatch):
    """The table of forbidden addresses is empty: what the tests below find must be found then."""
    monkeypatch.setattr(addresses, "ADDRESSES", AddressTable(()))


def tell(fetcher, urls):
    """Fetch them all; the errors."""
    errors = []
    for url in urls:
        with suppress(FetchError):
            fetcher.fetch(url)
            continue
        errors.append(url)
    return errors


# --- Addresses ---


def test_no_spelling_of_a_forbidden_address_is_connected_to(canary):
    assert len(URLS) >= 1500
    with Fetcher(resolver=canary.resolve) as fetcher:
        assert len(tell(fetcher, URLS)) == len(URLS)
    assert canary.tried == []
    assert canary.accepted == 0


def test_without_the_guard_the_same_addresses_are_connected_to(canary, unguarded):
    with Fetcher(resolver=canary.resolve) as fetcher:
        tell(fetcher, URLS)
    assert canary.accepted >= 5
    assert len(set(canary.tried)) > 100


def test_without_any_guard_the_same_listeners_are_reached(canary):
    with httpx.Client(trust_env=False, timeout=1.0) as client:
        for host in ("127.0.0.1", "[::1]", "2130706433", "0x7f.1", "localhost"):
            with suppress(httpx.HTTPError):
                client.get(f"http://{host}:{canary.port}/")
    assert canary.accepted >= 4


def test_a_listed_address_opens_no_other_door(canary):
    """Neither another port of it, nor its neighbours, nor forms of it."""
    listed = ["127.0.0.1:9", f"127.0.0.9:{canary.port}", "wiki.corp:8443", "10.0.0.0/8"]
    unlisted = [
        *(f"http://{host}:{canary.port}/" for host in ("127.0.0.1", "[::1]", "127.2", "0x7f.1")),
        *(url for url in URLS if "10." not in url and "a00" not in url.lower()),
    ]  # fmt: skip
    with Fetcher(resolver=canary.resolve, allowed_addresses=listed) as fetcher:
        tell(fetcher, unlisted)
    assert [address for address in canary.tried if address not in ip_network("10.0.0.0/8")] == []


def benign():
    random = Random(20261121)
    names = (
        "example.org docs.example.org a-b.example.co.uk xn--mnchen-3ya.de münchen.de example.org."
    )
    for host in names.split():
        for path in ("/", "/a/b.html?x=1#y", "/@127.0.0.1/", "/?url=http://127.0.0.1/", "/%2e%2e/"):
            yield f"https://{host}{path}"
            yield f"http://{host}:80{path}"
    beside = (
        "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 "
        "128.0.0.0 168.63.129.15 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 "
        "191.255.255.255 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 "
        "198.20.0.0 198.51.99.255 203.0.112.255 203.0.114.0 223.255.255.255"
    )
    for address in beside.split():
        yield f"https://{address}/"
        yield f"http://[::ffff:{address}]/"
        yield f"http://[{IPv6Address(0x64_FF9B << 96 | int(IPv4Address(address)))}]/"
    for prefix in (0x2606_4700, 0x2A00_1450, 0x2001_4860, 0x2400_CB00, 0x2620_00FE):
        for _time in range(4):
            yield f"https://[{IPv6Address(prefix << 96 | random.getrandbits(96))}]:443/"


def test_public_addresses_are_allowed():
    urls = list(benign())
    assert len(urls) >= 100
    for url in urls:
        parsed = httpx.URL(url)
        port = addresses.host_and_port(parsed)[1]
        Allowed().policy(port).check_url(str(parsed))  # raises


def test_the_table_agrees_with_this_one():
    policy = Allowed().policy(443)
    for block in (*BLOCKS_4, *BLOCKS_6):
        for address in edges(block):
            assert not policy.permits_address(address), (block, address)
    random = Random(20261121)
    forbidden = [IPv4Network(block) for block in BLOCKS_4]
    for _time in range(5000):
        address = IPv4Address(random.getrandbits(32))
        inside = any(address in network for network in forbidden)
        assert policy.permits_address(address) is not inside, address


# --- Names ---


def test_an_answer_that_changes_with_every_lookup_reaches_nothing(canary):
    answers = itertools.cycle([PUBLIC, "127.0.0.1", "::1", "127.0.0.2", "169.254.169.254"])
    with Fetcher(resolver=lambda *asked: canary.answer(next(answers))) as fetcher:
        tell(fetcher, [f"http://rebinding-{number}.test/" for number in range(100)])
        tell(fetcher, ["http://rebinding.test/"] * 200)
    assert set(canary.tried) == {ip_address(PUBLIC)}  # connected to what was checked
    assert canary.accepted == 0


def test_a_name_is_looked_up_once_for_a_connection(canary):
    asked = []

    def resolve(host, *how):
        asked.append(host)
        return canary.answer(PUBLIC)

    with Fetcher(resolver=resolve) as fetcher:
        tell(fetcher, ["https://example.test/"])
    assert asked == ["example.test"]


@pytest.mark.parametrize("inside", ["127.0.0.1", "::1", "10.0.0.1", "64:ff9b::7f00:1"])
def test_a_name_that_leads_outside_and_inside_is_refused_whole(canary, inside):
    for found in ([PUBLIC, inside], [inside, PUBLIC]):
        with Fetcher(resolver=lambda *asked, found=found: canary.answer(*found)) as fetcher:
            with pytest.raises(FetchError, match="both permitted and denied") as error:
                fetcher.fetch("http://mixed.test/")
            assert error.value.refused
    assert canary.tried == []


# --- Redirects ---


TARGETS = (
    "http://127.0.0.1/", "//127.0.0.1/", "http://[::1]/", "http://2130706433/", "http://0x7f.1/",
    "http://localhost/", "http://169.254.169.254/latest/meta-data/", "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/", "http://10.0.0.1/", "http://user@127.0.0.1/", "file:///etc/passwd",
    "http:\\\\127.0.0.1/", "gopher://127.0.0.1/", "ftp://127.0.0.1/", "HTTP://127.1/",
    "http://①②⑦.⓪.⓪.①/", "https://evil.test/", "http:///127.0.0.1/", "data:text/html,x",
)  # fmt: skip


def site_and_names(canary, site):
    """The site under a name of its own; every other name leads inside."""

    def resolve(host, port, *how):
        if host == "127.0.0.1" and f":{port}" in site.url:
            return [(socket.AF_INET, 1, 6, "", (host, port))]
        if host == "evil.test":
            return canary.answer("127.0.0.1")
        return canary.resolve(host, port)

    return resolve


def test_no_redirect_leads_inside(canary):
    with Website() as site:
        for number, (status, target) in enumerate(itertools.product(STATUSES, TARGETS)):
            site.pages[f"/{number}"] = redirect(target, status)
        site.pages["/chain"] = redirect("/chain/2")
        site.pages["/chain/2"] = redirect("/0", 307)
        with site.fetcher(resolver=site_and_names(canary, site)) as fetcher:
            urls = [site.url + path for path in site.pages]
            assert tell(fetcher, urls) == urls
        assert len(site.asked_for()) >= len(urls)
    assert {address for address in canary.tried if address != ip_address("127.0.0.1")} == set()
    assert canary.accepted == 0


def test_a_client_that_just_follows_is_led_inside(canary):
    following = httpx.Client(follow_redirects=True, trust_env=False)
    site = Website({"/": redirect(f"http://127.0.0.1:{canary.port}/")})
    with site, following as client, pytest.raises(httpx.HTTPError):
        client.get(site.url)
    assert canary.accepted == 1


def test_a_refresh_is_not_a_redirect(canary):
    meta = f'<meta http-equiv="refresh" content="0; url=http://127.0.0.1:{canary.port}/">'
    with Website() as site:
        site.pages["/"] = Reply(
            200, {"content-type": "text/html", "refresh": f"0; url=http://[::1]:{canary.port}/"},
            (page(head=meta).encode(),),
        )  # fmt: skip
        with site.fetcher() as fetcher:
            assert fetcher.fetch(site.url).status == 200
    assert canary.accepted == 0


# --- Everything that fetches ---


def test_nothing_that_a_site_names_leads_inside(canary):
    """Links, canonical addresses, sitemaps, robots.txt, frames, feeds."""
    inside = f"http://127.0.0.1:{canary.port}"
    head = f'<link rel="canonical" href="{inside}/c"><base href="{inside}/">'
    with Website() as site:
        site.pages |= {
            "/": page("a", f"{inside}/b", "//localhost/", head=head),
            "/robots.txt": Reply(200, {}, (f"Sitemap: {inside}/s.xml\n".encode(),)),
            "/sitemap.xml": sitemap(f"{inside}/s2.xml", "file:///etc/passwd", index=True),
        }
        for options in ({}, {"mode": "crawl"}, {"origins": [inside, "http://localhost"]}):
            loader = SiteLoader(site.url, fetcher=site.fetcher(), options=options)
            with suppress(LoadError):
                list(loader.load())
    assert canary.accepted == 0


SOME_HOSTS = (
    "127.0.0.1",
    "[::1]",
    "2130706433",
    "0x7f.1",
    "localhost",
    "[64:ff9b::7f00:1]",
    "evil.test",
)


def clone_all(canary, tmp_path):
    def resolve(host, *how):
        return canary.answer("127.0.0.1") if host == "evil.test" else canary.resolve(host, *how)

    for host in SOME_HOSTS:
        with suppress(LoadError):
            url = f"https://{host}/a.git"
            list(GitLoader(url, cache=tmp_path, fetcher=Fetcher(resolver=resolve)).paths())


def test_no_repository_is_fetched_from_inside(canary, tmp_path):
    clone_all(canary, tmp_path)
    for target in (f"http://127.0.0.1:{canary.port}/x", "https://localhost/x", "//[::1]/x"):
        with Website({"/a/info/refs": redirect(target)}) as site, suppress(LoadError):
            list(GitLoader(f"{site.url}/a", cache=tmp_path, fetcher=site.fetcher()).paths())
    assert canary.accepted == 0


def test_without_the_guard_repositories_are_fetched_from_inside(canary, tmp_path, unguarded):
    clone_all(canary, tmp_path)
    assert canary.accepted >= 4


def test_the_environment_s_proxy_is_not_used(canary, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    with Website({"/": page()}) as site, site.fetcher() as fetcher:
        assert fetcher.fetch(site.url).status == 200
    assert canary.accepted == 0


# --- What an operator may list ---


@pytest.mark.parametrize(
    ("entry", "open_to", "closed_to"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000/", "http://127.0.0.1:8001/"),
        ("[::1]:8000", "http://[::1]:8000/", "http://127.0.0.1:8000/"),
        ("10.1.0.0/16", "http://10.1.2.3/", "http://10.1.2.3:8000/"),
        ("10.1.0.0/16", "https://10.1.2.3/", "https://10.2.2.3/"),
        ("10.1.0.0/16:8000", "http://10.1.2.3:8000/", "http://10.1.2.3/"),
        ("fc00:1::/32", "https://[fc00:1::5]/", "https://[fc00:2::5]/"),
        ("wiki.corp:8443", "https://wiki.corp:8443/", "https://wiki.corp/"),
    ],
)
def test_a_listed_address_is_open_and_nothing_beside_it(canary, entry, open_to, closed_to):
    def resolve(host, port, *how):
        return canary.answer("127.0.0.1" if host == "wiki.corp" else host)

    with Fetcher(allowed_addresses=[entry], resolver=resolve) as fetcher:
        assert fetcher.allowed.covers(open_to)
        assert not fetcher.allowed.covers(closed_to)
        tell(fetcher, [closed_to])
        assert canary.tried == []
        tell(fetcher, [open_to])
        assert len(canary.tried) >= 1


def test_a_listed_name_never_leads_to_the_metadata_service(canary):
    def resolve(*asked):
        return canary.answer("169.254.169.254")

    with Fetcher(allowed_addresses=["wiki.corp:80"], resolver=resolve) as fetcher:
        assert tell(fetcher, ["http://wiki.corp/"])
    assert canary.tried == []


@pytest.mark.parametrize(
    "entry", ["10.0.0.1", "wiki.corp", "10.0.0.1:http", "10.0.0.1/8", "*", ":80"]
)
def test_an_entry_that_says_too_little_or_nonsense_is_refused(entry):
    with pytest.raises(ValueError, match="host:port"):
        Fetcher(allowed_addresses=[entry])


def test_a_network_that_hides_others_cannot_be_listed():
    with pytest.raises((ValueError, SSRFGuardError)):
        Fetcher(allowed_addresses=["64:ff9b::/96"])
