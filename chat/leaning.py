"""Does a question lean on what was said before it? Rules, for English, Spanish, German and French.

A question leans if it opens as a continuation ("And in production?"), points at something that it
does not name itself ("Which of them is faster?"), or names nothing at all ("Why?", "What is the
default?"). A pronoun with something to stand for in an earlier clause of the same question does not
lean: "What may a run remove before it is stopped?".
"""

import re
from dataclasses import dataclass

from chat.languages import FUNCTION_WORDS, language_of, words


@dataclass(frozen=True)
class Leaning:
    """How a language leans. `openings` match at the start, `pointers` anywhere."""

    openings: re.Pattern[str]
    pointers: re.Pattern[str]  # group "own": a possessive, which may point inside its clause
    breaks: re.Pattern[str]  # where another clause begins
    prepositions: frozenset[str]
    general: frozenset[str]  # nouns and the like that name nothing without a complement


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.VERBOSE)


AFTER_PUNCTUATION = r"(?<=\S)[,;:.!?—–]\s"
ENGLISH = Leaning(
    openings=_pattern(
        r"(?:and|or|but|so|then|also|otherwise|(?:what|how)\ about|what\ if|in\ (?:that|this)\ case"
        r"|(?:the\ )?same\ (?:for|with)|any(?:thing)?\ (?:other|else)|why\ not|how\ (?:come|so))\b"
    ),
    # "that" also joins clauses ("the class that spools"): only where it stands alone, or after
    # what an object follows. "It" also points ahead ("is it safe to …"): see AHEAD.
    pointers=_pattern(
        r"\b(?:(?:it|they|them|he|she|him|this|these|those(?!\ (?:who|that|which)))"
        r"|(?P<own>its|their|his|her)"
        r"|(?<!\bso\ )that(?=\s*(?:[?.!,]|$)|\ (?:off|on|out|up|down|in|for|to|with|from|at|as|by"
        r"|too|again|instead|work|mean|happen)\b)"
        r"|(?:is|was|does|did|do|can|will|would|should|of|for|to|in|on|with|by|at|from|like|after"
        r"|before|about)\ that(?!\ (?:the|a|an|i|you|we|they|it)\b)"
        r"|(?:which|other|another|this|that|same|first|second|last|right|better|best|new|old)"
        r"\ ones?(?=\s*(?:[?.!,]|$)"
        r"|\ (?:is|are|was|were|do|does|should|would|can|has|have|to|for|in|on|with)\b)"
        r"|instead(?!\ of)|(?:what|who|where|how|anything|something)\ else"
        r"|the\ (?:former|latter|other|others|same)"
        r"(?=\s*(?:[?.!,]|$)|\ (?:apply|work|hold|goes|thing)\b))\b"
    ),
    breaks=_pattern(
        rf"\b(?:after|although|and|as|because|before|but|by|if|once|or|since|so|than|that|then|though"
        rf"|unless|until|when|where|whether|which|while|who|without)\b|{AFTER_PUNCTUATION}"
    ),
    prepositions=frozenset(
        "at by during for from in inside of on to under via with without".split()
    ),
    general=frozenset(
        """
        advantage advantages allowed alternative alternatives answer best better case cases
        cause cheaper choice choices command default defaults detail details disadvantage
        disadvantages downside drawback drawbacks easier example examples exception
        exceptions faster first further last limit limitation limitations limits needed
        option options order part parts problem reason reasons recommended required result
        results right rule rules safer second simpler slower step steps supported thing
        things type types value values worse wrong
        """.split()
    ),
)
SPANISH = Leaning(
    openings=_pattern(
        r"(?:y|e|o|u|pero|entonces|también|además(?!\ de)|si\ no|en\ (?:ese|este)\ caso"
        r"|qué\ (?:tal|pasa\ con|hay\ de)|lo\ mismo|por\ qué\ no)\b"
    ),
    pointers=_pattern(
        r"\b(?:es[oe]s?|esas?|estos?|estas?|ell[oa]s?|(?:el|la|los|las)\ otr[oa]s?|lo\ mismo"
        r"|lo(?!\ (?:que|más|mejor|peor))|\w{2,}[aei]rl[oa]s?|(?P<own>sus?))\b"
    ),
    breaks=_pattern(
        rf"\b(?:antes|aunque|cuando|después|donde|mientras|o|para|pero|porque|que|si|sin|y)\b"
        rf"|{AFTER_PUNCTUATION}"
    ),
    prepositions=frozenset("a ante con de desde en para por sin sobre".split()),
    general=frozenset(
        """
        alternativa alternativas caso casos defecto detalle detalles diferencia diferencias
        ejemplo ejemplos límite límites mejor motivo opciones opción orden paso pasos peor
        predeterminado primera primero problema razón resultado tipos valor ventaja ventajas
        última último
        """.split()
    ),
)
GERMAN = Leaning(
    openings=_pattern(
        r"(?:und|oder|aber|dann|also|sonst|auch|außerdem|was\ ist\ mit|wie\ (?:sieht|ist)\ es"
        r"|in\ dem\ fall|gilt\ (?:das|dies)|warum\ nicht|wieso\ nicht)\b"
    ),
    # Not "das", "es" and "Sie": an article, "es gibt", a polite address. "Dazu, dass" points ahead.
    pointers=_pattern(
        r"\b(?:dies(?:e[mnrs]?)?|jene[mnrs]?|(?:dabei|dadurch|dafür|dagegen|damit|danach|daran"
        r"|darauf|daraus|darin|darüber|davon|davor|dazu)(?!,)|ihn|ihm|er|(?-i:sie)"
        r"|das(?=\s*(?:[?.!,]|$)|\ (?:ab|an|auch|aus|ein|für|genau|immer|mit|nicht"
        r"|noch|so|um|unter)\b)"
        r"|(?:der|die|das|den|dem)\ (?:andere|anderen|gleiche|selbe)|dasselbe"
        r"|(?P<own>dessen|deren|sein(?:e[mnrs]?)?))\b"
    ),
    breaks=_pattern(
        rf"\b(?:aber|als|bevor|bis|dass|der|die|das|nachdem|ob|obwohl|oder|ohne|um|und|weil|wenn"
        rf"|während)\b|{AFTER_PUNCTUATION}"
    ),
    prepositions=frozenset("auf aus bei durch für im in mit nach ohne unter von zu".split()),
    general=frozenset(
        """
        alternative alternativen ausnahme ausnahmen beispiel beispiele besser beste fall
        gilt grenze grenzen grund gründe langsamer möglichkeiten nachteil nachteile option
        optionen problem regel regeln reihenfolge richtig schneller schritt schritte
        standard typen unterschied voreinstellung vorteil vorteile wert werte
        """.split()
    ),
)
FRENCH = Leaning(
    openings=_pattern(
        r"(?:et|ou|mais|alors|donc|sinon|aussi|du\ coup|dans\ ce\ cas|qu'en\ est-il|pourquoi\ pas"
        r"|pareil\ pour)\b"
    ),
    pointers=_pattern(
        r"\b(?:ça|cela|ceci|celui|celle|ceux|celles|(?<!-)(?:ils|elles?)|l'autre|les\ autres"
        r"|(?:le|la|les)\ mêmes?(?=\s*(?:[?.!,]|$))|(?P<own>leurs?|(?<=-)(?:ils|elles?)))\b"
    ),
    breaks=_pattern(
        rf"\b(?:afin|après|avant|car|et|lorsque|mais|ou|où|parce|pour|quand|que|qui|sans|si)\b"
        rf"|{AFTER_PUNCTUATION}"
    ),
    prepositions=frozenset("avec chez dans de depuis en par pour sans sous sur à".split()),
    general=frozenset(
        """
        alternative alternatives avantage avantages cas choix dernier dernière différence
        différences défaut détail détails exception exceptions exemple exemples inconvénient
        inconvénients limite limites meilleur meilleure mieux option options ordre premier
        première problème raison raisons règle règles résultat valeur valeurs étape étapes
        """.split()
    ),
)
RULES = {"en": ENGLISH, "es": SPANISH, "de": GERMAN, "fr": FRENCH}
# English "it" that stands for what follows: "is it safe to …", "how long does it take to …".
AHEAD = re.compile(
    r"\bit\ called\b"
    r"|\b(?:(?:is|was|be|isn't)\ it|it(?:\ is|'s|\ was))\ (?:\w+\ ){1,2}(?:to|that|for)\b"
    r"|\bit\ (?:takes?|costs?|makes?)\b.*\ to\b",
    re.IGNORECASE,
)
# What a fragment does not have: it asks nothing by itself.
ASKING = re.compile(
    r"\b(?:what|which|who|whom|whose|when|where|why|how|qué|cuál(?:es)?|quién(?:es)?|cuándo|cuánt[oa]s?"
    r"|cómo|dónde|was|wer|wem|wen|wie|wo|wann|warum|welche[mnrs]?|quel(?:le)?s?|qui|quoi|combien"
    r"|comment|où|is|are|do|does|can)\b",
    re.IGNORECASE,
)
LATIN = re.compile(r"[a-zà-ÿ]", re.IGNORECASE)
CAPITALISED = re.compile(r"(?<=\S\s)[A-ZÁÉÍÓÚÀÈÇÑ]\w")
CONDITION = re.compile(r"\b(?:if|when|while|si|cuando|wenn|falls|quand|lorsque)\b", re.IGNORECASE)
LONG = 400  # characters; who writes more has said what it is about
FRAGMENT_WORDS = 5  # "For the embedded shape?"
POSSESSES = 2  # names before a possessive that it may belong to


def leans(question: str, language: str = "en") -> bool:
    """Whether it can only be understood with what was said; `language` where it does not show."""
    code = language_of(question, language)
    rules = RULES.get(code)
    if rules is None or len(question) > LONG:
        return False
    said = question.strip(" \t\n¿¡\"'“”«»()").replace("’", "'")
    names = _Names(FUNCTION_WORDS[code], rules.general)
    return bool(
        rules.openings.match(said)
        or _is_fragment(said, rules)
        or _names_nothing(said, names)
        or _points_back(said, rules, names)
    )


@dataclass(frozen=True)
class _Names:
    """Tells words that name something from those that do not."""

    function: frozenset[str]
    general: frozenset[str]

    def in_(self, text: str) -> list[str]:
        known = self.function | self.general
        return [word for word in words(text) if len(word) > 1 and word not in known]

    def generals_in(self, text: str) -> bool:
        return any(word in self.general for word in words(text))


def _is_fragment(said: str, rules: Leaning) -> bool:
    """ "In production?": a preposition with its noun, and nothing that is asked of it."""
    found = words(said)
    short = 1 < len(found) <= FRAGMENT_WORDS and found[0] in rules.prepositions
    return short and said.endswith("?") and not ASKING.search(said)


def _names_nothing(said: str, names: _Names) -> bool:
    if not LATIN.search(said):
        return False  # symbols, or a script whose words are not known here
    main = CONDITION.split(said, maxsplit=1)[0]
    return not names.in_(said) or (names.generals_in(main) and not names.in_(main))


def _points_back(said: str, rules: Leaning, names: _Names) -> bool:
    ahead = {found.start() for found in re.finditer(r"\bit\b", said) if AHEAD.search(said)}
    return any(
        pointer.start() not in ahead and not _has_antecedent(said, pointer, rules, names)
        for pointer in rules.pointers.finditer(said)
    )


def _has_antecedent(said: str, pointer: re.Match[str], rules: Leaning, names: _Names) -> bool:
    """Something is named in a clause before the pointer's; for a possessive, in its own, too."""
    before = said[: pointer.start()]
    if pointer["own"]:
        return len(names.in_(before)) >= POSSESSES or bool(CAPITALISED.search(before))
    clauses = [found.start() for found in rules.breaks.finditer(said, 0, pointer.start())]
    return bool(clauses) and bool(names.in_(before[: clauses[-1]]))
