"""When there is enough to answer from."""

import pytest

from chat import evidence
from tests.chat.passages import passage

LAMP = passage("The lamp turns once in twelve seconds.", similarity=0.62)


def test_nothing_found_is_not_enough():
    assert not evidence.weigh("How often does the lamp turn?", [], []).enough


def test_a_passage_close_in_meaning_and_words_is_enough():
    assert evidence.weigh("How often does the lamp turn?", [LAMP], [LAMP]).enough


def test_a_passage_that_is_neither_close_nor_shares_words_is_not_enough():
    far = passage("Backups are written every night.", similarity=0.12)

    assert not evidence.weigh("What is the capital of Australia?", [far], [far]).enough


def test_without_vectors_the_words_decide():
    by_words = passage("The lamp turns once in twelve seconds.", similarity=None)

    assert evidence.weigh("How often does the lamp turn?", [by_words], [by_words]).enough
    assert not evidence.weigh("Which seals live here?", [by_words], [by_words]).enough


def test_a_slip_of_the_pen_still_counts_as_the_word():
    judged = evidence.weigh("restroe a bakcup", [passage("Restore a backup.")], [])

    assert judged.word_share == 1


def test_words_that_stand_nowhere_are_counted():
    judged = evidence.weigh("Does the lamp support Kubernetes?", [LAMP], [LAMP])

    assert 0 < judged.absent_share < 1


def test_a_question_made_of_gibberish_costs_little():
    """Looking for look-alikes of each word would take a second of everybody's event loop."""
    question = " ".join(f"zq{n:04d}x" for n in range(500))
    many = [passage(" ".join(f"word{n}{m}" for m in range(150))) for n in range(50)]

    looked_for = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(evidence, "get_close_matches", lambda *a: looked_for.append(a) or [])
        evidence.weigh(question, many[:6], many)

    assert len(looked_for) <= 2 * evidence.MOST_SLIPS
