"""The order of what is shown: pages with more to say, and not one place alone."""

from chat.ordering import mixed, weigh_by_page
from tests.chat.passages import passage


def at(page: int, heading: str, score: float, text: str = ""):
    return passage(
        text or f"{page} {heading} {score}", heading=heading, document_id=page, score=score
    )


def names(passages) -> list[tuple[int, str]]:
    return [(found.document_id, found.heading_path[-1]) for found in passages]


def test_a_page_with_several_near_answers_goes_before_an_accidental_hit():
    alone, first, second = at(1, "a", 1.0), at(2, "b", 0.99), at(2, "c", 0.9)

    assert names(weigh_by_page([alone, first, second])) == [(2, "b"), (1, "a"), (2, "c")]


def test_a_clear_hit_stays_first_whatever_the_others_pages():
    crowd = [at(2, heading, 0.6) for heading in "bcdefgh"]

    assert names(weigh_by_page([at(1, "a", 1.0), *crowd]))[0] == (1, "a")


def test_a_long_page_gains_no_more_than_one_with_three_passages():
    long = [at(1, heading, 0.5) for heading in "abcdefgh"]
    short = [at(2, heading, 0.5) for heading in "ijk"]

    assert {found.score for found in weigh_by_page([*long, *short])} == {0.6}


def test_of_near_equals_another_section_and_another_page_go_first():
    same, section, page = at(1, "a", 0.99, "more"), at(1, "b", 0.985), at(2, "c", 0.98)
    ranked = [at(1, "a", 1.0), same, section, page, at(3, "z", 0.5)]

    assert names(mixed(ranked, 4)) == [(1, "a"), (2, "c"), (1, "b"), (1, "a")]


def test_what_is_clearly_better_is_shown_from_one_page_alone():
    ranked = [at(1, heading, score) for heading, score in (("a", 1.0), ("b", 0.9), ("a", 0.8))]

    assert names(mixed([*ranked, at(2, "c", 0.5), at(3, "d", 0.0)], 3)) == names(ranked)


def test_scores_fall_in_the_order_that_is_shown():
    ranked = [at(n % 3, "abcd"[n % 4], 1 - n / 100) for n in range(30)]
    scores = [found.score for found in mixed(ranked, 30)]
    assert len(scores) == 30 and scores == sorted(scores, reverse=True)


def test_nothing_found_is_nothing_shown():
    assert mixed([], 6) == weigh_by_page([]) == []
