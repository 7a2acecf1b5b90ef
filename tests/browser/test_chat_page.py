"""The chat page, as a reader meets it."""

from dataclasses import replace

import pytest

from chat.llm.scripted import ScriptedModel
from chat.pipeline import AnswerPipeline

pytestmark = pytest.mark.browser

LAMP = "How often does the lamp turn?"
TIMING = "https://docs.example.org/guide/lamp#timing:~:text=The%20lamp%20turns%20once"
HOSTILE = (
    "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'> "
    "![x](/static/chat/chat.css?leak) [go](javascript:window.hit=1) [out](https://evil.example) "
    "<iframe src='/admin/'></iframe><style>body{display:none}</style> "
    "The lamp turns once in twelve seconds [{marker:1}] and [1] and `[1]`."
)


def ask(page, question: str) -> None:
    page.goto("/")
    page.wait_for_selector("#corpus option", state="attached")
    page.fill("#question", question)
    page.press("#question", "Enter")
    page.wait_for_selector("article .label")


def test_an_answer_shows_its_citations_as_links_to_the_section(corpus, page):
    ask(page, LAMP)

    link = page.locator("article a.cite").first
    assert link.inner_text() == "[1]"
    assert link.get_attribute("href").startswith(TIMING)
    assert "twelve seconds" in page.inner_text("article")
    assert "quotations, no model" in page.inner_text("article")
    assert page.inner_text("ol.citations li a") == "The lamp › Timing"


def test_a_retracted_source_is_flagged_where_it_is_cited_and_where_it_is_listed(corpus, page):
    corpus.documents.update(trust_tier="retracted")

    ask(page, LAMP)

    assert "retracted" in page.locator("article a.cite").first.get_attribute("title")
    assert page.locator("article a.cite.retracted").count() > 0
    assert page.inner_text("ol.citations li .label") == "retracted"
    assert "rests on was retracted" in page.inner_text("article")


def test_an_abstention_names_the_nearest_sections(corpus, page):
    ask(page, "What is the capital of Australia?")

    assert "does not hold an answer" in page.inner_text("article")
    assert "Nearest sections:" in page.inner_text("article")
    assert page.locator("article a.cite").count() == 0


def test_a_second_answer_takes_the_place_of_the_first(corpus, page, monkeypatch):
    copy = "The log is written to a second disk every night at three o'clock [{marker:1}]."
    own = "Every night at three, the log goes to a second disk [{marker:1}]."
    pipeline = replace(AnswerPipeline.from_settings(), model=ScriptedModel([copy], [own]))
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))

    ask(page, "When is the log written to a second disk?")

    assert (
        page.inner_text("article > div")
        == "Every night at three, the log goes to a second disk [1]."
    )


def test_a_hostile_answer_is_text_and_nothing_else(corpus, page, monkeypatch):
    pipeline = replace(AnswerPipeline.from_settings(), model=ScriptedModel([HOSTILE]))
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))
    asked_for: list[str] = []
    page.on("request", lambda request: asked_for.append(request.url))

    ask(page, LAMP)

    answer = page.locator("article > div").first
    assert page.evaluate("window.hit") is None
    assert answer.locator("img, script, iframe, style").count() == 0
    (href,) = {a.get_attribute("href") for a in answer.locator("a").all()}
    assert href.startswith(TIMING)
    assert not [url for url in asked_for if "leak" in url or "evil" in url]
    assert page.locator("body").is_visible()


def test_a_question_can_be_asked_with_the_keyboard_alone(corpus, page):
    page.goto("/")
    page.wait_for_selector("#corpus option", state="attached")

    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type(LAMP)
    page.keyboard.press("Enter")
    page.wait_for_selector("article .label")

    assert page.evaluate("document.activeElement.id") == "question"


def test_the_section_behind_a_citation_is_found_on_the_page(transactional_db, site, page):
    from django.core.management import call_command

    call_command("ingest", str(site), corpus="lighthouse", public=True, json=True)
    ask(page, LAMP)

    with page.context.expect_page() as opened:
        page.locator("article a.cite").first.click()
    section = opened.value
    section.wait_for_load_state()

    assert "/read/site/guide/lamp#timing:~:text=The%20lamp%20turns" in section.url
    assert section.inner_text(":target").startswith("The lamp turns once in twelve seconds.")


def test_a_visit_that_has_expired_is_told_once(corpus, page, network):
    page.goto(network.url)
    page.wait_for_selector("#corpus option", state="attached")
    page.context.add_cookies([{"name": "visitor", "value": "expired", "url": network.url}])
    sockets = []
    page.on("websocket", lambda socket: sockets.append(socket))

    network.cut_all()
    page.wait_for_selector('#status:has-text("expired")')
    page.wait_for_timeout(3000)

    assert page.inner_text("#status") == "Your visit has expired; reload the page."
    assert not page.is_visible("#away")
    assert len(sockets) == 1
    assert page.locator(".problem").count() == 0
