"""Headers that keep an answer safe, on every address there is, whatever the answer."""

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client

from ragsite.asgi import application
from tests.ragsite.callers import PROBLEM, by_key, set_small_limits
from tests.ragsite.routes import routes

pytestmark = pytest.mark.django_db(transaction=True)
STATIC = "/static/"


async def ask(method, path, **how):
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://docs.example.org") as client:
        return await client.request(method, path, **how)


@pytest.fixture
def administrator():
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return {"cookie": f"sessionid={client.cookies['sessionid'].value}"}


def policy(response):
    told = response.headers["content-security-policy"]
    return {part.split()[0]: part.split()[1:] for part in told.split(";") if part.strip()}


def check(response, path):
    headers, rules = response.headers, policy(response)
    scripts = rules.get("script-src", rules["default-src"])
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*", "https:", "data:"} & set(scripts), path
    assert rules["frame-ancestors"] == rules["base-uri"] == ["'none'"], path
    assert rules.get("object-src", rules["default-src"]) == ["'none'"], path
    assert headers["x-content-type-options"] == "nosniff", path
    assert headers["referrer-policy"] == "same-origin", path
    assert headers["cross-origin-opener-policy"] == "same-origin", path
    assert "camera=()" in headers["permissions-policy"], path
    assert headers["x-request-id"], path
    if not path.startswith(STATIC):
        assert "no-store" in headers["cache-control"], path
        assert "public" not in headers["cache-control"], path


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_every_address_is_safe_for_anybody(method):
    assert len(routes()) > 60
    for path in routes():
        check(await ask(method, path), path)


async def test_every_address_is_safe_for_an_administrator(administrator):
    codes = set()
    for path in routes():
        response = await ask("GET", path, headers=administrator)
        check(response, path)
        codes.add(response.status_code)
    assert 200 in codes


async def test_static_files_may_be_kept():
    response = await ask("GET", "/static/chat/chat.css")
    assert response.status_code == 200
    assert "max-age" in response.headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["/api/v1/conversations/", "/v1/chat/completions", "/mcp", "/mcp/", "/admin/login/"]
)
async def test_a_body_that_is_refused_is_answered_like_anything_else(settings, path):
    set_small_limits(settings)
    sent = {"content": b"x" * 2000, "headers": {"x-request-id": "mine-1"}}
    response = await ask("POST", path, **sent)
    check(response, "413")
    assert response.status_code == 413
    assert response.headers["x-request-id"] == response.json()["request_id"] == "mine-1"


async def test_https_is_told_for_a_year_and_cookies_stay_on_it(settings, corpus):
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.CSRF_COOKIE_SECURE = True
    from django.core.handlers.asgi import ASGIHandler

    from ragsite.visits import Visits

    transport = httpx.ASGITransport(Visits(ASGIHandler()))  # middleware reads settings once
    async with httpx.AsyncClient(transport=transport, base_url="http://docs.example.org") as client:
        response = await client.get("/", headers={"x-forwarded-proto": "https"})
    assert response.headers["strict-transport-security"].startswith("max-age=31536000")
    cookies = response.headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert all("Secure" in cookie for cookie in cookies)


# The id of a request


@pytest.mark.parametrize("offered", ["abc", "a.b_c-1", "x" * 64])
async def test_a_sane_id_of_the_client_is_kept(offered):
    response = await ask("GET", "/api/v1/nothing/", headers={"x-request-id": offered})
    assert response.headers["x-request-id"] == offered


@pytest.mark.parametrize("offered", ["", "x" * 65, "a b", "a\tb", "é", "a;b", "<script>"])
async def test_any_other_is_replaced(offered):
    headers = {"x-request-id": offered.encode("latin1")}
    response = await ask("GET", "/api/v1/nothing/", headers=headers)
    assert response.headers["x-request-id"] != offered
    assert len(response.headers["x-request-id"]) == 32


async def test_an_error_says_its_id():
    response = await ask("GET", "/api/v1/documents/7/")
    assert response.headers["content-type"] == PROBLEM
    assert response.json()["request_id"] == response.headers["x-request-id"]


# The log of requests


@pytest.fixture
def a_key(corpus):
    return by_key(may_ingest=False)


async def test_one_line_a_request_and_nothing_that_anybody_wrote(caplog, a_key):
    headers = {**a_key, "x-request-id": "seen-1", "x-forwarded-for": "10.1.2.3"}
    with caplog.at_level("INFO", logger="ragsite.access"):
        await ask("GET", "/api/v1/documents/canary-1?q=canary-2", headers=headers)
        await ask("GET", "/api/v1/documents/?corpus=canary-3", headers=headers)
        await ask("GET", "/canary-4/")
    lines = [r.getMessage() for r in caplog.records if r.name == "ragsite.access"]
    key = headers["authorization"].split()[1].split(".")[0]
    assert len(lines) == 3
    assert lines[1].startswith("GET api/v1/documents/ 200 ")
    assert lines[1].endswith(f"ms key:{key} 127.0.0.0/24")
    assert "canary" not in "".join(lines)
