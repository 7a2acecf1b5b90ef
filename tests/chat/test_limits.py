"""One budget of questions for each caller."""

import pytest

from chat.auth.principal import Principal
from chat.limits import TooManyQuestions, admit

ANA = Principal("user", "1", frozenset())
BEN = Principal("user", "2", frozenset())


async def test_each_caller_has_a_budget_of_its_own(settings):
    settings.QUESTIONS_PER_MINUTE = 2

    for principal in (ANA, BEN, ANA, BEN):
        await admit(principal)

    with pytest.raises(TooManyQuestions) as refused:
        await admit(ANA)
    assert 1 <= refused.value.retry_after <= 60


async def test_visitors_of_one_address_share_a_budget_whatever_id_they_show(settings):
    settings.ANONYMOUS_QUESTIONS_PER_MINUTE = 1
    await admit(Principal("visitor", "a", frozenset(), address="192.0.2.1"))

    with pytest.raises(TooManyQuestions):
        await admit(Principal("visitor", "b", frozenset(), address="192.0.2.1"))
    await admit(Principal("visitor", "c", frozenset(), address="192.0.2.2"))


async def test_without_redis_the_limit_still_holds(settings, caplog):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # nothing listens there
    settings.QUESTIONS_PER_MINUTE = 1
    await admit(ANA)

    with pytest.raises(TooManyQuestions):
        await admit(ANA)
    assert "Redis is away" in caplog.text
