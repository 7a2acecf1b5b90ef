"""What a question is about: its names, its other words, and how rare they are."""

import pytest

from chat.asked import asked_words, asks_for_a_number


def names(question: str, language: str = "en") -> set[str]:
    return {word.surface for word in asked_words(question, language) if word.is_name}


def surfaces(question: str) -> list[str]:
    return [word.surface for word in asked_words(question, "en")]


def test_words_that_only_ask_are_left_out():
    assert surfaces("How can I make the lamp work?") == ["lamp"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How do I deploy it on AWS Lambda?", {"AWS", "Lambda"}),
        ("Does storage.namespace isolate the sites?", {"storage.namespace"}),
        ("Is there an option maxAge, or max_age?", {"maxAge", "max_age"}),
        ("Lamps turn. Which do not?", set()),  # a sentence begins with a capital letter anyway
        ("How Do I Change The Lamp?", set()),  # like a title
        ("HOW DO I CHANGE THE LAMP NOW", set()),
        ("How do I use FastAPI on AWS with Mangum?", {"FastAPI", "AWS", "Mangum"}),
        ("¿Cómo cambio la Lampara?", {"Lampara"}),
    ],
)
def test_a_name_is_told_by_how_it_is_written(question, expected):
    assert names(question) == expected


def test_a_german_noun_is_no_name():
    assert names("Wie deploye ich die Lampe mit AWS?", "de") == {"AWS"}


def test_a_rare_word_weighs_more_than_a_frequent_one():
    page, kerosene = asked_words("page kerosene", "en")

    assert 0 <= page.rareness < 0.5 < kerosene.rareness <= 1


def test_a_slip_of_the_pen_stands_where_the_word_stands_that_was_meant():
    (slipped,), (meant,) = asked_words("exmaple", "en"), asked_words("example", "en")

    assert slipped.stands_in({meant.stem})
    assert slipped.rareness == meant.rareness


def test_a_slip_in_a_function_word_is_never_missed():
    (slipped,) = asked_words("wehre", "en")

    assert slipped.stands_in(set())


def test_a_word_that_only_looks_like_a_slip_stands_where_it_stands_itself():
    (admin,) = asked_words("admin", "en")

    assert admin.stands_in({"admin"})


def test_a_name_is_no_slip():
    (name,) = asked_words("About Exmaple?", "en")

    assert not name.stands_in({"exampl"})


def test_each_word_counts_once():
    assert len(asked_words("lamp lamps Lamp lamp", "en")) == 1


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many lamps are there?", True),
        ("What does it cost per month?", True),
        ("What is the maximum length?", True),
        ("How do I change the lamp?", False),
    ],
)
def test_who_asks_for_a_number_is_known(question, expected):
    assert asks_for_a_number(question) is expected


def test_a_name_of_two_words_must_stand_together():
    _deploy, _aws, function = asked_words("Deploy on AWS Lambda", "en")

    assert function.stands_together(["Use AWS-Lambda for it."])
    assert not function.stands_together(["AWS has many services. Lambda is one of them."])


def test_words_beside_a_name_need_not_stand_together():
    assert all(word.stands_together([]) for word in asked_words("Deploy on AWS, Lambda", "en"))
    assert all(word.stands_together([]) for word in asked_words("toName fromName", "en"))
