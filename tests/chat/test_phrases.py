"""What we say ourselves is said in the language of the question."""

from dataclasses import replace

import pytest

from chat import phrases
from chat.context import Surroundings
from chat.languages import language_of
from chat.llm.extractive import ExtractiveModel
from chat.llm.scripted import ScriptedModel
from chat.pipeline import AnswerPipeline
from tests.chat.samples import answer_of, passage, prompt
from tests.chat.turns import events_of, new_turn


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("What is the capital of Australia?", "en"),
        ("¿Cuál es la capital de Australia?", "es"),
        ("Was ist die Hauptstadt von Australien?", "de"),
        ("Quelle est la capitale de l’Australie ?", "fr"),
    ],
)
async def test_an_abstention_is_in_the_language_of_the_question(corpus, question, language):
    done = (await events_of(await new_turn(corpus, question)))[-1]

    assert done.text == phrases.NOT_IN_CONTENT[language]


@pytest.mark.parametrize(
    ("question", "corpus_language", "language"),
    [("DBSF", "de", "de"), ("DBSF", "de-AT", "de"), ("DBSF", "uk", "uk"), ("the DBSF", "de", "en")],
)
def test_where_a_question_does_not_show_its_language_it_is_that_of_the_corpus(
    question, corpus_language, language
):
    assert language_of(question, corpus_language) == language


def test_a_language_that_we_do_not_speak_is_answered_in_english():
    assert phrases.phrase(phrases.REFUSED, "DBSF", "uk") == phrases.REFUSED["en"]


@pytest.mark.parametrize("said", ["RETRACTED_ALONE", "FROM", "FROM_RETRACTED"])
def test_what_announces_something_ends_with_a_colon(said):
    assert all(text.endswith(":") for text in getattr(phrases, said).values())


def test_each_sentence_is_there_in_every_language():
    said = [value for name, value in vars(phrases).items() if name.isupper()]

    assert len({frozenset(texts) for texts in said}) == 1


async def test_quotations_are_introduced_in_the_language_of_the_question():
    asked = prompt("¿Cada cuánto gira la lámpara?", passage("The lamp turns.", title="Lamp"))

    text, _completion = await answer_of(ExtractiveModel(), asked)

    assert text.startswith("De «Lamp»:")


async def test_the_rule_and_the_question_as_it_was_asked_reach_the_model(corpus):
    model = ScriptedModel(["La lámpara gira [{marker:1}]."])
    turn = await new_turn(corpus, "¿Cada cuánto gira la lámpara?")
    turn.surroundings = Surroundings(selection="The lamp turns once", selection_only=True)

    await events_of(turn, replace(AnswerPipeline.from_settings(), model=model))

    first, *_rest, last = model.prompts[0].messages
    assert "Answer in the language of the question" in first.content
    assert last.content == turn.question
