"""What a plan foretells is what the ledger then holds: on the handbook, against Cohere."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import call_command

from documents import ledger, providers
from documents.models import ProviderUsage
from documents.quotas import COUNTED, quotas_of
from documents.upstream.metering import Spent
from tests.processes import ROOT
from tests.standins import CohereStandIn

HANDBOOK = str(ROOT / "docs" / "handbook")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cohere(cohere_standin: CohereStandIn, settings) -> Iterator[CohereStandIn]:
    settings.COHERE_API_KEY, settings.COHERE_BASE_URL = cohere_standin.api_key, cohere_standin.url
    settings.COHERE_EMBED_DIMENSION = 256
    providers.reset()
    yield cohere_standin
    providers.reset()


def planned() -> dict:
    out = StringIO()
    call_command("ingest", HANDBOOK, plan=True, json=True, stdout=out)
    return json.loads(out.getvalue().splitlines()[-1])


def used() -> dict[str, int]:
    ledger.this_process.flush()
    rows = ProviderUsage.objects.filter(operation="embed").values(*COUNTED)
    return {name: sum(int(row[name]) for row in rows) for name in COUNTED}


def test_a_run_uses_what_its_plan_foretold(cohere):
    plan = planned()
    assert not cohere.requests
    call_command("ingest", HANDBOOK, json=True, stdout=StringIO())
    spent = used()
    assert (plan["calls"], plan["texts"]) == (spent["calls"], spent["inputs"])
    assert spent["calls"] == len(cohere.requests) > 1
    assert plan["tokens"] == pytest.approx(spent["tokens_in"], rel=0.05)


def test_a_plan_says_what_is_left_and_whether_the_run_fits(cohere, settings):
    needed = planned()["calls"]
    settings.COHERE_CALLS_A_MONTH = needed + 1
    (limit,) = [found for found in planned()["limits"] if "calls" in found["name"]]
    assert (limit["used"], limit["remaining"], limit["fits"]) == (0, needed + 1, True)
    for _ in range(2):
        providers.meter("cohere").record("rerank", "r", Spent())
    ledger.this_process.flush()
    (limit,) = [found for found in planned()["limits"] if "calls" in found["name"]]
    assert (limit["used"], limit["remaining"], limit["fits"]) == (2, needed - 1, False)


def test_a_plan_for_people_says_when_the_count_begins_anew(cohere, settings):
    settings.COHERE_CALLS_A_MONTH = 1
    out = StringIO()
    call_command("ingest", HANDBOOK, plan=True, stdout=out)
    (quota,) = quotas_of("cohere", datetime.now(UTC))
    assert "TOO MUCH" in out.getvalue()
    begins = f"1 of 1 calls remain; the count begins anew on {quota.resets_at:%Y-%m-%d} (UTC)."
    assert begins in out.getvalue()
