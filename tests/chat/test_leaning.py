"""Which questions lean on what was said before them, and which do not."""

import pytest

from chat.leaning import leans

LEANING = {
    "en": """
        And in production? / Why? / What about the other one? / How so? / Which one is faster?
        Can you give me an example? / What is the default? / Is there a limit? / On Windows?
        For the embedded shape? / Can Docusaurus do that? / How do I turn it off?
        How do I change its port? / What does that mean? / Is it possible? / How long does it take?
        Does the same apply to images? / What if they are missing? / Tell me more
        Which of these should I use? / What else do I need? / Should I use the former?
        then how do I restart / What is the right way when there are many?
    """,
    "es": """
        ¿Y en producción? / ¿Por qué? / ¿Y el otro? / ¿Cuál es el valor por defecto?
        ¿Cómo lo desactivo? / ¿Qué significa eso? / ¿Con Docker? / ¿Hay un límite?
        ¿Puedo cambiar su puerto? / ¿Cómo puedo desactivarlo? / ¿Cuál es la diferencia?
    """,
    "de": """
        Und in Produktion? / Warum? / Was ist mit dem anderen? / Wie schalte ich das ab?
        Gibt es dafür ein Beispiel? / Was ist der Standard? / Mit Docker? / Wie mache ich das?
        Wie ändere ich dessen Port? / Welche davon ist schneller? / Wie starte ich sie neu?
    """,
    "fr": """
        Et en production ? / Pourquoi ? / Et l'autre ? / Comment désactiver ça ? / Avec Docker ?
        Quelle est la valeur par défaut ? / Où configurer celui-ci ? / Sont-ils obligatoires ?
        Y a-t-il un exemple ? / Laquelle est la meilleure ? / Comment changer leur port ?
    """,
}
STANDING_ALONE = {
    "en": """
        What is the capital of Australia? / What does DBSF do? / lamp colours / onBrokenLinks / CORS
        Is it safe to delete the var folder? / How long does it take to embed a page?
        What happens if the power goes out? / Where is the log written? / What is CORS?
        Can I delete a document so that it is no longer cited? / In which file are the settings?
        The server does not start and it logs nothing. What should I do?
        What is the name of the class that spools large uploads?
        How do I write that a page is hidden? / What is the default of RERANK_DEADLINE_MS?
        What is the difference between outcome and status?
    """,
    "es": """
        ¿Cómo restauro una copia de seguridad? / ¿En qué archivo están los ajustes?
        ¿Por qué se apaga la lámpara? / ¿Cuál es la diferencia entre estado y resultado?
        Si el servidor no arranca, ¿dónde están sus registros?
    """,
    "de": """
        Wie stelle ich eine Sicherung wieder her? / In welcher Datei stehen die Einstellungen?
        Gibt es einen Helm-Chart für Kubernetes? / Was passiert, wenn der Strom ausfällt?
        Wie sorge ich dafür, dass eine Seite verborgen bleibt?
    """,
    "fr": """
        Comment restaurer une sauvegarde ? / Dans quel fichier se trouvent les réglages ?
        Combien de couleurs la lampe a-t-elle ? / Que se passe-t-il si le courant est coupé ?
        Quelle est la différence entre statut et résultat ?
    """,
}


def questions(by_language: dict[str, str]) -> list[str]:
    lines = "\n".join(by_language.values()).replace(" / ", "\n").split("\n")
    return [line.strip() for line in lines if line.strip()]


@pytest.mark.parametrize("question", questions(LEANING))
def test_it_leans_on_what_was_said(question):
    assert leans(question)


@pytest.mark.parametrize("question", questions(STANDING_ALONE))
def test_it_stands_alone(question):
    assert not leans(question)


def test_without_a_word_of_its_language_the_corpus_decides():
    assert leans("Standard?", "de") and not leans("Standard?", "en")


def test_a_language_without_rules_never_leans():
    assert not leans("Чому?", "uk")


@pytest.mark.parametrize("question", ["Чому?", "क्यों?", "なぜ？", "?!"])
def test_a_script_without_rules_never_leans(question):
    assert not leans(question, "en")


def test_a_long_question_is_taken_as_it_is():
    assert not leans("And it " * 100)
