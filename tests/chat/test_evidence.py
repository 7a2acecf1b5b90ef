"""When there is enough to answer from."""

from dataclasses import replace
from functools import partial

import pytest

from chat import evidence
from chat.evidence import Calibration, Signals
from tests.chat.passages import passage

LAMP = passage("The lamp turns once in twelve seconds.", similarity=0.62)
REST = [
    passage(f"Backups of kind {number} are written every night.", similarity=0.1 + number / 100)
    for number in range(10)
]
ALL = [LAMP, *REST]
NOTHING_MISSING = Signals(0, 0, 0, 0, 0.6, 3.0)


def signals(question: str, best=(LAMP,), candidates=ALL, language: str = "en") -> Signals:
    return evidence.look(question, list(best), list(candidates), language)[0]


def test_nothing_found_is_not_enough():
    assert not evidence.weigh("How often does the lamp turn?", [], []).enough


def test_a_passage_close_in_meaning_and_words_is_enough():
    assert evidence.weigh("How often does the lamp turn?", [LAMP], ALL).enough


def test_a_passage_that_is_neither_close_nor_shares_words_is_not_enough():
    assert not evidence.weigh("What is the capital of Australia?", REST[:3], ALL).enough


def test_without_vectors_the_words_decide():
    by_words = replace(LAMP, similarity=None)

    assert evidence.weigh("How often does the lamp turn?", [by_words], [by_words]).enough
    assert not evidence.weigh("Which seals live near Helgoland?", [by_words], [by_words]).enough


def test_a_name_that_the_passages_do_not_hold_is_not_enough():
    near = passage("Deploy the lamp with a script.", similarity=0.6)

    assert evidence.weigh("How do I deploy the lamp?", [near], [near, *REST]).enough
    judged = evidence.weigh("How do I deploy the lamp on AWS Lambda?", [near], [near, *REST])
    assert not judged.enough
    assert judged.missing == ("AWS", "Lambda")


def test_words_are_looked_for_in_the_best_passages_alone():
    best = [passage("Deploy the lamp with a script.", similarity=0.6) for _ in range(3)]
    elsewhere = passage("Somebody wrote about Lambda.", similarity=0.2)

    assert signals("Deploy the lamp on Lambda", best, [*best, elsewhere]).names == 1


def test_a_slip_of_the_pen_still_counts_as_the_word():
    assert signals("restroe a bakcup", [passage("Restore a backup.")]).words == 0


def test_who_asks_for_a_number_must_find_one():
    priced = passage("A lamp costs 12 pounds.", similarity=0.5)
    unpriced = passage("A lamp costs a lot.", similarity=0.5)

    spelled = passage("A lamp costs eleven pounds.", similarity=0.5)

    assert signals("How much does a lamp cost?", [priced]).number == 0
    assert signals("How much does a lamp cost?", [spelled]).number == 0
    assert signals("How much does a lamp cost?", [unpriced]).number == 1


def test_how_far_the_best_stands_out_does_not_depend_on_the_scale():
    halved = [replace(one, similarity=one.similarity / 2) for one in ALL]

    plain = signals("How often does the lamp turn?")
    small = signals("How often does the lamp turn?", halved[:1], halved)

    assert small.stands_out == pytest.approx(plain.stands_out, abs=0.01)
    assert small.nearness == pytest.approx(plain.nearness / 2)


def test_words_of_another_language_are_not_held_against_a_question():
    assert signals("Wie oft dreht sich die Lampe eigentlich?").words == evidence.NOTHING_KNOWN


def test_without_vectors_nothing_speaks_for_words_of_another_language():
    by_words = replace(LAMP, similarity=None)

    assert not evidence.weigh("Wo leben Seehunde im Winter?", [by_words], [by_words]).enough


def test_words_are_compared_in_the_language_of_question_and_passage():
    german = passage("Die Lampe dreht sich in zwölf Sekunden.", language="de", similarity=0.4)

    judged = signals("Wie oft dreht sich die Lampe in der Nacht?", [german], [german, *REST])

    assert judged.words == 0.5  # "oft" and "Nacht" are missing, of four words


def test_candidates_of_one_likeness_stand_out_in_no_way():
    same = [replace(one, similarity=0.4) for one in ALL]

    assert signals("How often does the lamp turn?", same[:1], same).stands_out == 0


@pytest.mark.parametrize(
    ("signal", "worse"),
    [("names", 2.0), ("words", 1.0), ("number", 1.0), ("nearness", 0.1), ("stands_out", 0.0)],
)
def test_every_signal_moves_the_chance_in_its_direction(signal, worse):
    calibration = evidence.calibrated("bundled/all-MiniLM-L6-v2-int8/384")

    weaker = replace(NOTHING_MISSING, **{signal: worse})

    assert calibration.chance(weaker) < calibration.chance(NOTHING_MISSING)


def test_a_space_that_was_never_calibrated_is_judged_without_its_scale():
    calibration = evidence.calibrated("cohere/embed-v4.0/1024")

    scaled = replace(NOTHING_MISSING, nearness=0.1)

    assert calibration.chance(scaled) == calibration.chance(NOTHING_MISSING)


def test_a_calibration_that_sees_nothing_bad_answers_and_that_sees_all_does_not():
    calibration = Calibration(0.0, {"names": -2.0}, enough=0.4)

    assert calibration.chance(NOTHING_MISSING) == 0.5
    assert calibration.chance(replace(NOTHING_MISSING, names=2.0)) < 0.02


def test_an_operator_may_ask_for_more_or_less():
    judge = partial(evidence.weigh, "How often does the lamp turn?", [LAMP], ALL)

    assert not judge(threshold=0.9999).enough
    assert judge(threshold=0.0001).enough
    assert judge(threshold=0.0) == judge()


def test_a_question_made_of_gibberish_costs_little():
    """Looking for look-alikes of each word would take a second of everybody's event loop."""
    question = " ".join(f"zq{n:04d}x" for n in range(500))
    many = [passage(" ".join(f"word{n}{m}" for m in range(150))) for n in range(50)]

    looked_for = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(evidence, "get_close_matches", lambda *a: looked_for.append(a) or [])
        evidence.weigh(question, many[:6], many)

    assert len(looked_for) <= evidence.MOST_SLIPS
