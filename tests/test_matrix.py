"""The matrix of routes, methods, frames and people: nothing is left out, and it finds holes."""

import pytest
from django.apps import apps
from django.urls import get_resolver, resolve

from tests.better_auth.issuer import Issuer
from tests.campaigns.matrix import sockets
from tests.campaigns.matrix.attempts import Matrix
from tests.campaigns.matrix.bodies import Described, slots_in
from tests.campaigns.matrix.campaign import Campaign
from tests.campaigns.matrix.crowd import Crowd, signed_by
from tests.campaigns.matrix.fields import sent_along
from tests.campaigns.matrix.people import Person
from tests.campaigns.matrix.routes import METHODS, SLOT, beside_the_urlconf, routes
from tests.campaigns.matrix.searches import Searches
from tests.campaigns.matrix.tenants import ADDRESS_OF_DOCUMENTS, Town
from tests.campaigns.matrix.things import MISSING

# Tables of which no tenant has a row, and why.
EMPTY = {
    "admin.logentry": "of the admin, and planted for it alone",
    "auth.group": "of the whole installation",
    "rest_framework_api_key.apikey": "the library's own, not used here",
    "documents.providerusage": "sums, of the whole installation",
    "documents.allowance": "of the whole installation",
    "documents.chunkvector": "none without an embedding model",
    "axes.accessattempt": "guesses are counted in the cache",
    "axes.accesslog": "guesses are counted in the cache",
    "axes.accessfailurelog": "guesses are counted in the cache",
    "axes.accessattemptexpiration": "guesses are counted in the cache",
}


def patterns(resolver):
    for entry in resolver.url_patterns:
        yield from patterns(entry) if hasattr(entry, "url_patterns") else [entry]


def test_every_address_of_the_urlconf_is_in_the_matrix():
    beside = [*beside_the_urlconf()]
    assert len(routes()) == len([*patterns(get_resolver())]) + len(beside)
    values = {name: MISSING[form] for route in routes() for name, form in route.slots}
    values |= {"app_label": "chat"}
    for route in routes():
        if route in beside:
            continue
        own = {**values, **{n: MISSING[form] for n, form in route.slots if n in ("pk", "source")}}
        found = resolve(route.path(own)).route
        assert SLOT.sub("", found).count("/") == SLOT.sub("", route.pattern).count("/") or (
            "^" in found
        ), (route, found)


def test_whatever_answers_beside_django_is_in_the_matrix():
    from ragsite import asgi

    doors = [name for name, value in vars(asgi).items() if type(value).__name__ == "Door"]
    known = {route.pattern for route in beside_the_urlconf()}
    assert known == ({"mcp", "mcp/"} if doors else set()) and len(doors) <= 1


def test_documents_are_named_as_assistants_name_them():
    pytest.importorskip("mcp")
    from chat.mcp.documents import TEMPLATE

    assert TEMPLATE == ADDRESS_OF_DOCUMENTS


def test_every_route_and_method_is_tried():
    people = [Person("anybody")]
    matrix = Matrix(routes(), people, Town(1).things, seed=1)
    wanted = {(route.pattern, method) for route in routes() for method in METHODS}
    tried = set()
    for attempt in matrix.attempts():
        tried.add((attempt.cell.route.pattern, attempt.cell.method))
        if tried >= wanted:
            break
    assert tried == wanted


def test_every_body_that_the_api_describes_can_be_sent():
    described = Described()
    for route in routes():
        for method in METHODS:
            if described.operation(route, method).get("requestBody"):
                assert described.bodies(route, method), (route, method)


def test_ids_have_a_place_in_bodies():
    described, places = Described(), set()
    for route in routes():
        for _media, body in described.bodies(route, "POST"):
            places |= {(route.pattern, slot.name) for slot in slots_in(body)}
    known = {route.pattern for route in routes()}
    wanted = {
        ("api/v1/search/", "corpus"), ("api/v1/search/", "filters.sources"),
        ("api/v1/conversations/", "corpus"), ("v1/chat/completions", "conversation_id"),
        ("v1/chat/completions", "model"), ("mcp", "uri"), ("mcp", "corpus"),
    }  # fmt: skip
    assert {place for place in wanted if place[0] in known} <= places


def test_every_field_of_every_frame_is_tried():
    named = {name for names in sockets.frame_kinds().values() for name in names}
    assert named == set(sockets.FRAME_FORMS), "Say what the field names, in sockets.FRAME_FORMS."
    without = {kind for kind, names in sockets.frame_kinds().items() if not names}
    assert without == set(sockets.NO_FIELDS)


def test_every_field_of_every_model_is_sent_along():
    values = sent_along("key:someone", 1)
    assert {"owner", "is_public", "scopes", "status", "role", "corpus_id", "kind"} <= set(values)


@pytest.fixture
def town(transactional_db, settings):
    with Issuer() as issuer:
        settings.EMBEDDER = "none"
        for name, value in signed_by(issuer).items():
            setattr(settings, name, value)
        built = Town(7).build()
        built.people = Crowd(built, issuer).gather()
        yield built


def test_whatever_can_be_stored_is_there_to_be_found(town):
    """A new table: put a row with a canary into tests/campaigns/matrix, or say why not."""
    empty = {
        model._meta.label_lower for model in apps.get_models() if not model._base_manager.exists()
    }
    assert empty <= set(EMPTY)


def test_everybody_is_there(town):
    assert len({person.name for person in town.people}) == len(town.people) >= 13
    owners = {person.owner for person in town.people if person.owner}
    assert {"key", "visitor", "user"} == {owner.split(":")[0] for owner in owners}


@pytest.mark.parametrize("only", ["api/v1/conversations/", "api/v1/documents/"])
def test_nothing_is_found_where_nothing_is_wrong(transactional_db, only):
    report = Campaign(11, 120, only=only, legs=("foreign", "fields")).run()
    assert report["findings"] == {}, report["examples"]
    assert report["requests_with_foreign_ids"] >= 100
    assert report["with_fields_that_nobody_listed"] >= 50


@pytest.mark.parametrize(
    ("hole", "only", "leg", "kind"),
    [("forbidden-instead-of-missing", "api/v1/conversations/<uuid:pk>", "foreign", "told apart"),
     ("blind-write", "api/v1/conversations/<uuid:pk>", "foreign", "written"),
     ("resume", "ws/", "sockets", "leak")],
)  # fmt: skip
def test_a_planted_hole_is_found(transactional_db, hole, only, leg, kind):
    requests = 4000 if leg == "sockets" else 230  # of frames, a tenth
    report = Campaign(12, requests, hole, only=only, legs=[leg]).run()
    assert kind in report["findings"], report


@pytest.mark.parametrize(
    ("condition", "complains"),
    [({"must": [{"key": "corpus", "match": {"any": ["1"]}}]}, False),
     ({"must": [{"key": "corpus", "match": {"any": ["1", "2"]}}]}, True),
     ({"must": [{"key": "live", "match": {"value": True}}]}, True),
     ({"should": [{"key": "corpus", "match": {"any": ["1"]}}]}, True), ({}, True)],
)  # fmt: skip
def test_a_search_without_its_corpora_is_noticed(condition, complains):
    searches = Searches(None)
    searches.letters = {"1": "a", "2": "b"}
    fused = {"searches": [{"prefetch": [{"query": [1], "filter": condition}], "query": {}}]}
    assert bool(searches.complaint(fused, {"corpus:a"})) is complains
