"""Text to sparse weights: words, identifiers, and scripts that are not Latin."""

import threading

import pytest

from documents.index.sparse import analysed, encode_document, encode_query, tokens
from documents.index.stop_words import STOP_WORDS


def found(query: str, text: str, language: str = "en") -> bool:
    document, asked = encode_document(text, language), encode_query(query, language)
    return bool(asked.indices) and set(asked.indices) <= set(document.indices)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("installing", "It was installed."),
        ("Broken links?", "set onBrokenLinks to throw"),
        ("onBrokenLinks", "the option onBrokenLinks"),
        ("onbrokenlinks", "the option onBrokenLinks"),
        ("max age", "max_age=600"),
        ("max_age", "pass max_age=600"),
        ("config", "edit docusaurus.config.js first"),
        ("docusaurus.config.js", "edit docusaurus.config.js first."),
        ("api", "FastAPI is"),
        ("3.11", "Python 3.11 or later"),
        ("__init__", "def __init__(self):"),
        ("Café", "the CAFÉ is open"),
        ("ﬁle", "a file with a ligature"),
    ],
)
def test_a_word_is_found_in_each_of_its_shapes(query: str, text: str) -> None:
    assert found(query, text)


@pytest.mark.parametrize(
    ("query", "text", "language"),
    [
        ("程序", "学习使用的程序很有用", "zh"),
        ("React", "使用React组件", "zh"),
        ("使い方", "この機能の使い方です", "ja"),
        ("โปรแกรม", "การติดตั้งโปรแกรม", "th"),
        ("हिन्दी", "मानक हिन्दी भाषा", "hi"),
        ("installation", "install: ინსტალაცია", "ka"),
        ("Häuser", "das Haus, viele Häuser", "de"),
        ("versiones", "cada versión tiene su página", "es"),
        ("installing", "установка: installed", "ru"),
    ],
)
def test_other_languages_and_scripts(query: str, text: str, language: str) -> None:
    assert found(query, text, language)


def test_marks_belong_to_their_word() -> None:
    assert len(analysed("हिन्दी", "xx")) == 1


@pytest.mark.parametrize(
    ("sentence", "language"),
    [
        ("what is the", "en-GB"),
        ("Was ist die", "de"),
        ("¿Cuál es la", "es"),
        ("Qu'est que l'", "fr"),
        ("Qual è il", "it"),
        ("O que é", "pt-BR"),
        ("Wat is de", "nl"),
        ("Что это", "ru"),
        ("Vad är det", "sv"),
        ("Hvad er det", "da"),
        ("Hva er det", "nb"),
        ("Co to jest", "pl"),
        ("Bu ne", "tr"),
        ("ما هي", "ar"),
        ("क्या है", "hi"),
        ("کیا ہے", "ur"),
    ],
)
def test_function_words_are_left_out_each_in_its_own_language(sentence: str, language: str) -> None:
    assert analysed(sentence, language) == []
    assert analysed(sentence, "xx") != []


@pytest.mark.parametrize(
    ("word", "language"), [("estado", "es"), ("stato", "it"), ("or", "fr"), ("Jahr", "de")]
)
def test_words_somebody_may_ask_about_are_kept(word: str, language: str) -> None:
    assert len(analysed(word, language)) == 1


def test_the_words_of_one_language_are_kept_in_another() -> None:
    assert analysed("die", "en") == ["die"]
    assert found("war", "the war of 1812", "en")


def test_lists_are_in_the_form_that_tokens_have() -> None:
    for code, words in STOP_WORDS.items():
        for word in words:
            assert (tokens(word), word.lower()) == ([word], word), code


def test_weights_follow_the_formula() -> None:
    vector = encode_document("alpha alpha beta", "en")
    damping = 1.2 * (0.25 + 0.75 * 3 / 96)
    assert sorted(vector.values) == pytest.approx([2.2 / (1 + damping), 4.4 / (2 + damping)])


def test_a_longer_text_weighs_each_word_less() -> None:
    short, long = encode_document("alpha beta", "en"), encode_document("alpha beta " * 200, "en")
    once = encode_document("alpha " + "gamma " * 200, "en")
    index = encode_query("alpha", "en").indices[0]
    weight = dict(zip(short.indices, short.values, strict=True))[index]
    assert dict(zip(once.indices, once.values, strict=True))[index] < weight
    assert max(long.values) < 2.2  # k1 + 1: however often it occurs


def test_ids_rise_fit_32_bits_and_a_query_counts_each_term_once() -> None:
    query = encode_query("sidebar Sidebar links pages versions", "en")
    assert list(query.indices) == sorted(set(query.indices))
    assert all(0 <= index < 2**32 for index in query.indices)
    assert set(query.values) == {1.0}


def test_a_question_in_another_language_brings_up_what_both_share() -> None:
    text = encode_document("No hay a me en la: Python 3.11", "en")
    asked = encode_query("¿Me dice cómo se usa Python 3.11 en la máquina?", "es", "en")
    assert set(asked.indices) & set(text.indices) == set(encode_query("Python 3.11", "en").indices)


def test_a_question_is_looked_for_as_each_language_stems_it() -> None:
    asked = encode_query("versiones installing", "es", "en")
    assert set(encode_document("installed", "en").indices) <= set(asked.indices)
    assert set(encode_document("versión", "es").indices) <= set(asked.indices)


def test_a_text_without_words_is_empty() -> None:
    assert encode_document(" … !", "en").indices == ()
    assert encode_query("", "en").values == ()


def test_hashes_and_data_are_no_words() -> None:
    assert analysed("f" * 41, "en") == []


def test_threads_do_not_disturb_each_other() -> None:
    texts = [f"running houses number{n} connections {n}" * 5 for n in range(200)]
    expected = [analysed(text, "en") for text in texts]
    wrong: list[str] = []

    def work() -> None:
        wrong.extend(
            text
            for text, terms in zip(texts, expected, strict=True)
            if analysed(text, "en") != terms
        )

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
