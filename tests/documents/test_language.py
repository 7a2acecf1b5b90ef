"""In which language a question is asked: sure, or not at all."""

import pytest

from documents.index.language import language_of


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("What does the evidence gate do?", "en"),
        ("¿Cómo elimino una versión antigua de la documentación?", "es"),
        ("Wie lösche ich eine alte Version der Dokumentation?", "de"),
        ("Comment supprimer une ancienne version de la documentation ?", "fr"),
        ("Como é que removo uma versão antiga da documentação?", "pt"),
        ("Come si elimina una vecchia versione della documentazione?", "it"),
        ("Hoe verwijder ik een oude versie van de documentatie?", "nl"),
        ("Как удалить старую версию из документации?", "ru"),
        ("Jak usunąć starą wersję, która nie jest już potrzebna?", "pl"),
        ("Hur tar jag bort en gammal version från dokumentationen?", "sv"),
        ("Eski bir sürümü nasıl silerim ve neden silinmiyor?", "tr"),
        ("كيف يمكن حذف نسخة قديمة من الوثائق؟", "ar"),
        ("पुराने संस्करण को कैसे हटाया जाता है?", "hi"),
        ("ڈوکوسارس سائٹ کو دوسری مشینوں سے قابل رسائی کیسے بنایا جائے؟", "ur"),
        ("如何在 FastAPI 中返回自定义错误响应头？", "zh"),
        ("ローカルで本番ビルドを確認するには？", "ja"),
        ("문서의 이전 버전을 어떻게 삭제합니까?", "ko"),
    ],
)
def test_a_question_tells_its_language(question: str, language: str) -> None:
    assert language_of(question) == language


@pytest.mark.parametrize(
    "text",
    ["", "onBrokenLinks", "RERANK_DEADLINE_MS", "docker compose up", "3.11", "Was", "页", "?!"],
)
def test_keywords_and_names_tell_none(text: str) -> None:
    assert language_of(text) is None


def test_words_of_another_language_are_only_mentioned() -> None:
    assert language_of("What does the sign 页面 mean in the menu?") == "en"
    assert language_of("CORS में सभी origins को wildcard से allow करने पर क्या होता है?") == "hi"


def test_a_few_words_that_two_languages_share_tell_none() -> None:
    assert language_of("de kan var") is None
