"""Every route says which power it needs, and a credential without it gets nowhere."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory
from django.urls import URLResolver, get_resolver
from rest_framework.request import Request
from rest_framework.views import APIView

from chat.auth.principal import Principal
from chat.models import ApiKey
from documents.models import Corpus
from documents.permissions import HasDeclaredPower, needed
from documents.powers import GIVEN, READING, Power
from documents.problems import Problem

# Open to everybody, and nothing of anybody's is there.
OPEN = {"live", "ready", "schema", "swagger"}
# Pages: what they show is for Django's sign-in or for public corpora.
PAGES = {"chat", "read"}
JSON = "application/json"


def routes(resolver=None, prefix=""):
    """Each route that is none of the admin's: its address, its name, its view."""
    for entry in (resolver or get_resolver()).url_patterns:
        address = f"{prefix}{entry.pattern}"
        if isinstance(entry, URLResolver):
            if entry.app_name != "admin":
                yield from routes(entry, address)
        elif entry.name not in PAGES:
            yield address, entry.name, entry.callback


def methods(view):
    return [name.upper() for name in view.http_method_names if hasattr(view, name)]


def test_every_route_says_what_it_needs():
    silent = []
    for address, name, callback in routes():
        view = getattr(callback, "cls", getattr(callback, "view_class", callback))
        if name in OPEN:
            continue
        for method in set(methods(view)) - {"OPTIONS"}:
            try:
                needed(view, method)
            except ImproperlyConfigured:
                silent.append((method, address))
    assert silent == []


def test_no_route_does_without_the_check():
    unchecked = [
        address for address, name, callback in routes()
        if name not in OPEN and HasDeclaredPower not in callback.cls.permission_classes
    ]  # fmt: skip
    assert unchecked == []


class Silent(APIView):
    def get(self, request):
        raise AssertionError("answered")


class Half(Silent):
    needs = {"GET": Power.CHAT}
    post = Silent.get


@pytest.mark.parametrize(("view", "method"), [(Silent, "get"), (Half, "post")])
def test_a_view_that_says_nothing_answers_nobody(view, method):
    request = Request(getattr(RequestFactory(), method)("/"))
    request.auth = Principal("user", "1", frozenset(), scopes=frozenset(Power))
    with pytest.raises(ImproperlyConfigured):
        HasDeclaredPower().has_permission(request, view())


@pytest.mark.parametrize("scope", sorted(Power))
def test_one_of_several_powers_is_enough(scope):
    class View(Silent):
        needs = Power.ADMIN_READ, Power.INGEST

    request = Request(RequestFactory().get("/"))
    request.auth = Principal("key", "1", frozenset(), scopes=frozenset({scope}))
    permission = HasDeclaredPower()
    if scope in View.needs:
        assert permission.has_permission(request, View())
    else:
        with pytest.raises(Problem, match="admin-read or ingest"):
            permission.has_permission(request, View())


ASKED = [
    ("get", "/api/v1/conversations/", {Power.CHAT}),
    ("post", "/api/v1/conversations/", {Power.CHAT}),
    ("post", "/api/v1/search/", {Power.SEARCH}),
    ("get", "/api/v1/documents/", READING),
    ("post", "/api/v1/documents/", {Power.INGEST}),
    ("delete", "/api/v1/documents/1/", {Power.INGEST}),
    ("get", "/api/v1/sources/", {Power.ADMIN_READ, Power.INGEST}),
    ("get", "/api/v1/runs/", {Power.ADMIN_READ, Power.INGEST}),
    ("post", "/api/v1/sources/x/sync/", {Power.INGEST}),
]


@pytest.mark.parametrize("scope", sorted(GIVEN))
def test_a_key_gets_no_further_than_its_scopes(transactional_db, scope):
    key, secret = ApiKey.objects.create_key(name="backend", scopes=[scope])
    key.corpora.add(Corpus.objects.create(slug="papers", name="Papers"))
    client = Client(headers={"authorization": f"Api-Key {secret}"})
    for method, address, enough in ASKED:
        form = {"data": {}} if address.endswith("documents/") and method == "post" else {
            "data": {"corpus": "papers", "query": "lamp"}, "content_type": JSON}  # fmt: skip
        answer = getattr(client, method)(address, **form if method == "post" else {})
        refused = answer.status_code == 403 and answer.json()["code"] == "scope_missing"
        assert refused == (scope not in enough), (method, address, answer.content)
