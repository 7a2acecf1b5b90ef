"""The chat page, when its connection is lost or it is loaded anew: nothing of an answer is."""

import pytest

from chat.models import Message
from tests.clients.models import Gate, says

pytestmark = pytest.mark.browser

LAMP = "How often does the lamp turn?"
WHOLE = "Once in twelve seconds [1]."


@pytest.fixture
def gate(corpus, monkeypatch) -> Gate:
    """In the middle of each answer, until it is opened."""
    gate = Gate()
    says(monkeypatch, ["Once in ", gate, "twelve seconds [{marker:1}]."])
    return gate


def begin(page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("#corpus option", state="attached")
    page.fill("#question", LAMP)
    page.press("#question", "Enter")
    page.wait_for_selector('article:has-text("Once in")')


def end(page) -> None:
    page.wait_for_selector("article .label")


def answers(page) -> list[str]:
    return page.locator("article > div").all_inner_texts()


def test_a_reload_in_mid_answer_shows_the_whole_of_it_once(page, server, gate):
    begin(page, server)

    page.reload()
    page.wait_for_selector('article:has-text("Once in")')
    assert page.is_visible("#stop")
    gate.open()
    end(page)

    assert answers(page) == [WHOLE]
    assert page.locator(".question").all_inner_texts() == [LAMP]
    assert page.locator("article a.cite").count() == 1
    assert page.locator("#send").is_enabled()
    assert Message.objects.filter(role="assistant").count() == 1


def test_a_reload_shows_the_conversation_and_goes_on_with_it(page, server, gate):
    begin(page, server)
    gate.open()
    end(page)

    page.reload()
    page.wait_for_selector("article .label")
    page.fill("#question", LAMP)
    page.press("#question", "Enter")
    page.wait_for_selector("article >> nth=1 >> .label >> nth=0")

    assert answers(page) == [WHOLE, WHOLE]
    assert Message.objects.values("conversation").distinct().count() == 1

    page.click("#again")
    page.reload()
    page.wait_for_selector("#corpus option", state="attached")

    assert page.locator("article").count() == 0


def test_an_answer_goes_on_when_its_socket_was_killed(page, network, gate):
    begin(page, network.url)
    sockets = []
    page.on("websocket", lambda socket: sockets.append(socket))

    network.cut_all()
    page.wait_for_selector('#away:has-text("connection was lost")')
    page.wait_for_selector("#away", state="hidden")
    gate.open()
    end(page)

    assert answers(page) == [WHOLE]
    assert len(sockets) == 1
    assert page.locator(".problem").count() == 0
    assert Message.objects.filter(role="assistant").count() == 1


def test_what_ended_while_nobody_was_connected_is_shown_in_the_end(page, network, gate):
    begin(page, network.url)

    network.stop_listening()
    network.cut_all()
    gate.open()
    page.wait_for_selector("#away")
    network.listen_again()
    end(page)

    assert answers(page) == [WHOLE]


def test_a_browser_that_is_offline_says_so_and_goes_on_once_it_is_back(page, server, gate):
    begin(page, server)

    page.context.set_offline(True)
    page.wait_for_selector('#away:has-text("You are offline")')
    gate.open()
    page.context.set_offline(False)
    page.wait_for_selector("#away", state="hidden")
    end(page)

    assert answers(page) == [WHOLE]
    assert page.get_attribute("#away", "role") == "status"


def test_an_answer_is_stopped_by_its_button_and_what_was_shown_stays(page, server, gate):
    begin(page, server)

    page.click("#stop")
    end(page)

    assert answers(page) == ["Once in"]
    assert page.inner_text("article .label") == "cancelled"
    assert not page.is_visible("#stop")
    assert Message.objects.get(role="assistant").status == "cancelled"


def test_a_question_that_was_refused_is_back_in_its_box(corpus, page, server, settings):
    settings.ANONYMOUS_QUESTIONS_PER_MINUTE = 0
    page.goto(server)
    page.wait_for_selector("#corpus option", state="attached")
    page.fill("#question", LAMP)

    page.press("#question", "Enter")
    page.wait_for_selector(".problem")

    assert page.input_value("#question") == LAMP
