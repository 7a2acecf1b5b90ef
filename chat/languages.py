"""Which language a question is in, by its function words: for our own rules and sentences only.

Search asks more of a guess (documents/index/language.py), because a wrong one costs it hits. This
is for what we say, and for what a question leans on: one word suffices for that.
"""

import re

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+")
TOKEN = re.compile(r"[\w./'’-]+")  # file names, options and the like are one

# They name nothing: pronouns, articles, prepositions, auxiliaries, and what questions are made of.
FUNCTION_WORDS = {
    "en": frozenset(
        """
        a about actually after again all also am an and another any are as at be because
        been before being big both but by can could did difference do does done during each
        either else every exactly explain far fast few for from get give good had happen
        happens has have he help her here hers him his how i if in instead into is isn't it
        its itself just less like long make many may me mean might mine more most much must
        my need no not now of off often ok okay old on once only or other our out over own
        per please possible really same she should show so some soon still such tell than
        thanks that the their them then there these they this those through to too under
        until up us use very want was way we were what what's when where which while who
        whom whose why will with without work works would yes you your
        """.split()
    ),
    "es": frozenset(
        """
        a al algo alguna algún ante antes así aunque cada como con contra cuando cuál cuáles
        cuándo cuánta cuántas cuánto cuántos cómo dame de debo del desde donde dónde e el
        ella ellas ello ellos en entonces entre era es esa esas ese eso esos esta estas este
        esto estos está están explica fue fueron ha hace hacer hago hay la las le les lo los
        me mi mis muy más nada ni no nos o otra otras otro otros para pasa pero por porque
        puede pueden puedo pues que quién quiénes qué se según ser si significa sin sirve
        sobre son su sus sí también tan te tiene tienen tu u un una unas uno unos usa usar y
        ya yo
        """.split()
    ),
    "de": frozenset(
        """
        aber alle als also am an auch auf aus bedeutet bei beim bis da dabei dadurch dafür
        dagegen damit danach daran darauf daraus darin darüber das dass davon davor dazu
        dein dem den denn der deren des dessen die dies diese diesem diesen dieser dieses
        doch dort du durch ein eine einem einen einer eines er erkläre es etwa etwas für
        gibt habe haben hat hier ich ihm ihn ihnen ihr ihre ihrem ihren im in ins ist ja
        jede jeder jedes jene jener kann kannst kein keine können könnte mache machen macht
        man mehr mein meine mit muss müssen nach nicht noch nun nur ob oder ohne passiert
        sein seine seinem seinen seiner sich sie sind so soll sollte sonst und uns unter vom
        von vor wann war warum was welche welchem welchen welcher welches wenn wer werden
        weshalb wie wieso wieviel wird wo wofür wurde zu zum zur über
        """.split()
    ),
    "fr": frozenset(
        """
        a ai alors après as au aucun aussi autre autres aux avant avec avoir c'est car ce
        cela celle celles celui ces cet cette ceux chaque combien comme comment d'un d'une
        dans de depuis des deux dois doit donc dont du elle elles en entre est est-ce et eu
        expliquez faire fait faut il ils j'ai je jusqu l'autre la laquelle le lequel les
        lesquels leur leurs lui là ma mais me mes moi mon même n'est ne ni nos notre nous on
        ont ou où par parce pas passe peut peut-on peux plus pour pourquoi qu'est qu'il
        quand que quel quelle quelles quels qui quoi sa sans se selon ses si signifie sinon
        soit son sont sous sur t ta te tes toi ton tous tout toute toutes très tu un une
        vers veut vos votre vous à ça était être
        """.split()
    ),
}


def words(text: str) -> list[str]:
    """Lower case, with one kind of apostrophe."""
    return WORD.findall(text.lower().replace("’", "'"))


def language_of(text: str, default: str) -> str:
    """One of en, es, de, fr if its function words are the most; else the primary default."""
    said = words(text)
    hits = {code: sum(word in known for word in said) for code, known in FUNCTION_WORDS.items()}
    most = max(hits.values())
    best = [code for code, count in hits.items() if count == most]
    return best[0] if most and len(best) == 1 else default.lower().partition("-")[0]


def naming(text: str, default: str) -> str:
    """The text without its function words and punctuation, names as they are written."""
    known = FUNCTION_WORDS.get(language_of(text, default), frozenset())
    said = (token.strip("./'’-") for token in TOKEN.findall(text))
    return " ".join(one for one in said if one and one.lower().replace("’", "'") not in known)
