"""Every route says which power it needs, and a credential without it gets nowhere."""

import json

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory
from django.urls import URLResolver, get_resolver
from rest_framework.request import Request
from rest_framework.views import APIView

from chat.auth.principal import Principal
from chat.mcp.door import ADDRESSES, let_in
from chat.models import ApiKey
from chat.routing import websocket_urlpatterns
from documents.models import Corpus
from documents.permissions import HasDeclaredPower, needed
from documents.powers import GIVEN, READING, Power
from documents.problems import Problem

# Open to everybody, and nothing of anybody's is there.
OPEN = {"live", "ready", "schema", "swagger", "openai-unknown"}
# Beside Django's routes, and so beside `needs`: where each asks for the power.
ELSEWHERE = {
    "/mcp": "chat.mcp.door.let_in: search or chat, and then each tool its own",
    "/mcp/": "the same",
    "ws/chat/": "chat.consumers: chat, before anybody is greeted",
}
# Pages: what they show is for Django's sign-in or for public corpora.
PAGES = {"chat", "read"}
JSON = "application/json"


def key_of(scopes):
    key, secret = ApiKey.objects.create_key(name="backend", scopes=scopes)
    key.corpora.add(Corpus.objects.get_or_create(slug="papers", name="Papers")[0])
    return {"authorization": f"Api-Key {secret}"}


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
    """Of a function, those that it says something of: it has to refuse all the others itself."""
    if not hasattr(view, "http_method_names"):
        return getattr(view, "needs", ["GET"])
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
        if name not in OPEN and hasattr(callback, "cls")
        and HasDeclaredPower not in callback.cls.permission_classes
    ]  # fmt: skip
    assert unchecked == []


def test_functions_demand_what_they_need_themselves(transactional_db):
    """Asked with a key that has every other power; what is not theirs to answer, they refuse."""
    found = [one for one in routes() if one[1] not in OPEN and not hasattr(one[2], "cls")]
    assert {name for _, name, _ in found} == {
        "openai-models", "openai-model", "openai-completions"
    }  # fmt: skip
    for address, name, view in found:
        path = "/" + address.replace("<str:name>", "papers")
        for method, needs in view.needs.items():
            client = Client(headers=key_of(sorted(GIVEN - {needs})))
            body = {"model": "papers", "messages": [{"role": "user", "content": "lamp"}]}
            answer = client.generic(method, path, json.dumps(body), content_type=JSON)
            told = answer.json()["error"]["code"]
            assert (answer.status_code, told) == (403, "scope_missing"), name
        others = {"GET", "POST", "PUT", "PATCH", "DELETE"} - view.needs.keys()
        assert {Client().generic(method, path).status_code for method in others} == {405}, name


def test_what_is_served_beside_the_routes_is_known():
    assert {*ADDRESSES, *(str(entry.pattern) for entry in websocket_urlpatterns)} == set(ELSEWHERE)


def test_assistants_need_search_or_chat(transactional_db):
    for scope in sorted(GIVEN):
        asked = RequestFactory().post("/mcp", headers=key_of([scope]))
        if scope in {Power.SEARCH, Power.CHAT}:
            assert let_in(asked).may(scope)
        else:
            with pytest.raises(Problem, match="search or chat"):
                let_in(asked)


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
    client = Client(headers=key_of([scope]))
    for method, address, enough in ASKED:
        form = {"data": {}} if address.endswith("documents/") and method == "post" else {
            "data": {"corpus": "papers", "query": "lamp"}, "content_type": JSON}  # fmt: skip
        answer = getattr(client, method)(address, **form if method == "post" else {})
        refused = answer.status_code == 403 and answer.json()["code"] == "scope_missing"
        assert refused == (scope not in enough), (method, address, answer.content)
