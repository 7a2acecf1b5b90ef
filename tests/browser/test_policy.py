"""In normal use nothing on our pages meets the content security policy. The browser would log it as
an error, and an error fails the test (conftest.py)."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def signed_in(page, server):
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="x"))
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": server}
    page.context.add_cookies([cookie])
    return page


def test_the_page_of_the_api_opens_a_request(page):
    page.goto("/api/v1/schema/swagger/")
    first = page.locator(".opblock").first
    first.wait_for(timeout=20_000)
    first.locator(".opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").first.click()
    assert page.locator(".execute").count() >= 1


def test_the_admin_lists_shows_and_saves(corpus, signed_in):
    signed_in.route("**/favicon.ico", lambda route: route.fulfill(status=204))  # it has none
    signed_in.goto("/admin/")
    for model in (
        "documents/corpus", "documents/source", "documents/document", "documents/auditentry",
        "documents/providerusage", "chat/apikey", "chat/conversation", "chat/answermodel",
        "ingestion/ingestionrun",
    ):  # fmt: skip
        signed_in.goto(f"/admin/{model}/")
        link = signed_in.locator("#result_list tbody th a").first
        if link.count():
            link.click()
            signed_in.wait_for_load_state()
    signed_in.goto("/admin/documents/corpus/add/")
    signed_in.locator("#id_name").press_sequentially("Second corpus")  # a script makes the slug
    signed_in.click("[name=_save]")
    assert "second-corpus" in signed_in.locator("#result_list").inner_text()


def test_a_planted_inline_script_does_not_run(page, server):
    """The policy is there: without it this would set the title."""
    watched = page.context.browser.new_page()  # whose errors are wanted
    watched.goto(server)
    refused = watched.evaluate(
        """() => new Promise(done => {
            document.addEventListener("securitypolicyviolation",
                                      event => done(event.violatedDirective));
            const script = document.createElement("script");
            script.textContent = "document.title = 'pwned'";
            document.body.append(script);
            setTimeout(() => done("none"), 2000);
        })"""
    )
    assert refused.startswith(("script-src", "default-src"))
    assert watched.title() != "pwned"
