"""The few sentences that are ours and no model's, in the language of the question.

Of the languages whose function words we know; in English otherwise. Those that stand before an
answer end with a colon: they announce, they claim nothing.
"""

from chat.languages import language_of

NOT_IN_CONTENT = {
    "en": "The content does not hold an answer to this question.",
    "es": "El contenido no tiene respuesta a esta pregunta.",
    "de": "Der Inhalt hat auf diese Frage keine Antwort.",
    "fr": "Le contenu ne répond pas à cette question.",
}
REFUSED = {
    "en": "The model declined to answer this question.",
    "es": "El modelo se ha negado a responder a esta pregunta.",
    "de": "Das Modell hat es abgelehnt, diese Frage zu beantworten.",
    "fr": "Le modèle a refusé de répondre à cette question.",
}
RETRACTED_ALONE = {
    "en": "All that this answer rests on was retracted by its publisher:",
    "es": "Todo aquello en lo que se basa esta respuesta fue retractado por su editor:",
    "de": "Alles, worauf diese Antwort beruht, wurde von seinem Verlag zurückgezogen:",
    "fr": "Tout ce sur quoi repose cette réponse a été rétracté par son éditeur :",
}
FROM = {
    "en": "From “{title}”:",
    "es": "De «{title}»:",
    "de": "Aus „{title}“:",
    "fr": "D’après « {title} » :",
}
FROM_RETRACTED = {
    "en": "From the retracted “{title}”:",
    "es": "De «{title}», ya retractado:",
    "de": "Aus „{title}“, inzwischen zurückgezogen:",
    "fr": "D’après « {title} », rétracté depuis :",
}


def phrase(phrases: dict[str, str], question: str, language: str) -> str:
    """`language`: of the content, where the question does not show its own."""
    return phrases.get(language_of(question, language), phrases["en"])
