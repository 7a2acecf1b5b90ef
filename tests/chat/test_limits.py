"""One budget of questions for each caller."""

import asyncio
import shutil
import socket
from time import monotonic

import httpx
import pytest

from chat.auth.addresses import client_address
from chat.auth.principal import Principal
from chat.limits import TooManyQuestions, admit
from documents import outages
from tests.background import RedisServer

needs_redis = pytest.mark.skipif(not shutil.which("redis-server"), reason="needs a redis-server")
ANA = Principal("user", "1", frozenset())
BEN = Principal("user", "2", frozenset())


@pytest.mark.usefixtures("early_in_a_minute")
async def test_each_caller_has_a_budget_of_its_own(settings):
    settings.QUESTIONS_PER_MINUTE = 2

    for principal in (ANA, BEN, ANA, BEN):
        await admit(principal)

    with pytest.raises(TooManyQuestions) as refused:
        await admit(ANA)
    assert 1 <= refused.value.retry_after <= 60


@pytest.mark.usefixtures("early_in_a_minute")
async def test_visitors_of_one_address_share_a_budget_whatever_id_they_show(settings):
    settings.ANONYMOUS_QUESTIONS_PER_MINUTE = 1
    await admit(Principal("visitor", "a", frozenset(), address="192.0.2.1"))

    with pytest.raises(TooManyQuestions):
        await admit(Principal("visitor", "b", frozenset(), address="192.0.2.1"))
    await admit(Principal("visitor", "c", frozenset(), address="192.0.2.2"))


@pytest.mark.usefixtures("early_in_a_minute")
async def test_without_redis_the_limit_still_holds(settings, caplog):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # nothing listens there
    settings.QUESTIONS_PER_MINUTE = 1
    await admit(ANA)

    with pytest.raises(TooManyQuestions):
        await admit(ANA)
    assert "Redis is away" in caplog.text


async def test_a_redis_that_never_answers_holds_nobody_up(settings, caplog):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, says nothing
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        began = monotonic()
        await asyncio.gather(*(admit(ANA) for _ in range(20)))
        assert monotonic() - began < 3  # far less than one after the other
    assert caplog.text.count("Redis is away") == 1


@needs_redis
@pytest.mark.usefixtures("early_in_a_minute")
@pytest.mark.parametrize("trouble", ["emptied", "killed"])
async def test_no_trouble_with_redis_gives_a_second_budget(settings, tmp_path, trouble):
    settings.QUESTIONS_PER_MINUTE = 3
    with RedisServer(tmp_path) as server:
        settings.REDIS_URL = server.url
        for _ in range(3):
            await admit(ANA)
        assert server.commands()["evalsha"] >= 3
        server.client.flushall() if trouble == "emptied" else server.kill()
        with pytest.raises(TooManyQuestions):
            await admit(ANA)
        await admit(BEN)


@needs_redis
@pytest.mark.usefixtures("early_in_a_minute")
async def test_once_redis_is_back_it_counts_again(settings, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(outages, "PAUSE", 0.0)
    with RedisServer(tmp_path) as server:
        settings.REDIS_URL = server.url
        await admit(ANA)
        server.kill()
        await admit(ANA)
        server.start()
        await admit(ANA)
        assert server.commands()["evalsha"] >= 1
    assert [caplog.text.count(said) for said in ("is away", "is back")] == [1, 1]


async def test_counting_holds_no_event_loop(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        counting = asyncio.create_task(admit(ANA))
        turns = 0
        while not counting.done():
            await asyncio.sleep(0.01)
            turns += 1
    assert turns > 10  # of about 50


@pytest.mark.usefixtures("early_in_a_minute")
async def test_conversations_have_a_budget_of_their_own(settings):
    settings.QUESTIONS_PER_MINUTE = 1
    await admit(ANA)
    await admit(ANA, "conversations")

    with pytest.raises(TooManyQuestions, match="Too many conversations"):
        await admit(ANA, "conversations")


# Whose budget


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unknown", "unknown"),
    ],
)
def test_a_visitor_is_counted_by_the_network_one_visitor_holds(address, counted):
    assert Principal("visitor", "a", frozenset(), address).limit_key == f"address:{counted}"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "192.0.2.7", "127.0.0.1"),
        (1, "", "127.0.0.1"),
        (1, "invented, 192.0.2.7", "192.0.2.7"),
        (2, "invented, 192.0.2.7, 10.0.0.1", "192.0.2.7"),
    ],
)
def test_only_trusted_proxies_say_where_a_visitor_comes_from(settings, proxies, forwarded, address):
    settings.TRUSTED_PROXIES = proxies
    meta = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}
    assert client_address(meta) == address


@pytest.mark.usefixtures("early_in_a_minute")
def test_an_invented_address_buys_no_budget(corpus, server, settings):
    settings.ANONYMOUS_QUESTIONS_PER_MINUTE = 1

    def search(address):
        return httpx.post(
            f"{server}/api/v1/search/", json={"corpus": "lighthouse", "query": "lamp"},
            headers={"X-Forwarded-For": address}, trust_env=False,
        ).status_code  # fmt: skip

    assert [search("192.0.2.1"), search("192.0.2.2")] == [200, 429]
