"""The chat page, while a model does whatever a document says: the browser asks nobody else."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command

from chat.pipeline import AnswerPipeline
from tests.browser.test_chat_page import LAMP, ask
from tests.chat.obedient import ObedientModel
from tests.hostile.injections import PAYLOADS
from tests.hostile.injections import page as page_with

pytestmark = pytest.mark.browser


def test_every_payload_at_once_makes_no_request_to_anybody(
    transactional_db, write_pages, page, server, monkeypatch
):
    folder = write_pages({f"page{n}.md": page_with(p) for n, p in enumerate(PAYLOADS.values())})
    call_command("ingest", str(folder), corpus="public", public=True, json=True)
    retriever = replace(AnswerPipeline.from_settings().retriever, fetch_k=200, top_k=len(PAYLOADS))
    model = ObedientModel(size=40)
    pipeline = replace(AnswerPipeline.from_settings(), retriever=retriever, model=model)
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))
    foreign: list[str] = []
    own = urlsplit(server).netloc

    def listen(request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc != own:
            foreign.append(request.url)

    page.context.on("request", listen)
    ask(page, LAMP)
    page.wait_for_timeout(500)

    assert model.obeyed >= 40
    assert foreign == []
    answer = page.locator("article > div").first
    assert answer.locator("img, script, iframe, style, svg, form, meta, base, input").count() == 0
    links = {a.get_attribute("href") for a in answer.locator("a").all()}
    assert all(href.startswith(f"{server}/read/site/page") for href in links)
    assert page.url == f"{server}/"
    # The listener does hear what a page without any wall asks for.
    elsewhere = page.context.browser.new_context()
    elsewhere.on("request", listen)
    elsewhere.new_page().set_content("<img src='http://evil.invalid/pixel.png'>")
    assert foreign == ["http://evil.invalid/pixel.png"]
