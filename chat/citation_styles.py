"""References to cited pages and papers in the styles that people hand in: plain text and data.

APA: the Publication Manual, 7th edition, chapters 9 and 10 (10.16 for web pages). IEEE: the
Reference Guide, on web sites and on DOIs. BibTeX: `@misc`, which every processor knows. CSL-JSON:
the data schema of the Citation Style Language 1.0.2. Why no CSL processor: docs/decisions/0019.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from chat.authors import Name, name_of

MONTHS = ("January February March April May June July August September October November "
          "December").split()  # fmt: skip
SHORT_MONTHS = "Jan. Feb. Mar. Apr. May June July Aug. Sept. Oct. Nov. Dec.".split()
APA_AUTHORS, IEEE_AUTHORS = 20, 6  # more than these are not all named
ENDS = (".", "!", "?", "。", "！", "？")
CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


@dataclass(frozen=True)
class Reference:
    """What is known of one cited place; empty and None where nothing is."""

    numbers: tuple[int, ...]  # of [n] in the answer
    title: str
    url: str
    accessed: date
    authors: tuple[str, ...] = ()
    year: int | None = None
    doi: str = ""
    site: str = ""
    version: str = ""
    language: str = ""
    trust_tier: str = "unknown"

    @property
    def names(self) -> list[Name]:
        return [name_of(_line(author)) for author in self.authors if author.strip()]

    @property
    def shown_title(self) -> str:
        """A retracted paper is never cited without saying so."""
        return _line(self.title) + (" [Retracted]" if self.trust_tier == "retracted" else "")

    @property
    def key(self) -> str:
        """The same in every list, and no other's: readable first, then made from the address."""
        who = self.names[0].family if self.names else _line(self.title)
        readable = re.sub(r"[^a-z0-9]", "", _ascii(who).lower())[:20] or "ref"
        return f"{readable}{self.year or 'nd'}-{uuid5(NAMESPACE_URL, self.doi or self.url).hex[:6]}"


def _line(text: str) -> str:
    return " ".join(CONTROL.sub(" ", text).split())


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _stopped(text: str) -> str:
    return text if text.endswith(ENDS) else f"{text}."


# --- For people -------------------------------------------------------------------------------


def apa(reference: Reference) -> str:
    who, when = _apa_authors(reference.names), f"({reference.year or 'n.d.'})."
    version = f" (Version {_line(reference.version)})" if reference.version else ""
    title = f"{reference.shown_title}{version}"
    site = _line(reference.site)
    parts = [_stopped(who), when, _stopped(title)] if who else [_stopped(title), when]
    if reference.doi:
        return " ".join([*parts, f"https://doi.org/{reference.doi}"])
    if site and site != who:
        parts.append(_stopped(site))
    # A page that does not say when it was written may be another one tomorrow.
    day = reference.accessed
    retrieved = f"Retrieved {MONTHS[day.month - 1]} {day.day}, {day.year}, from "
    return " ".join([*parts, f"{'' if reference.year else retrieved}{reference.url}"])


def _apa_authors(names: Sequence[Name]) -> str:
    said = [name.family if name.is_whole else f"{name.family}, {name.initials}" for name in names]
    if len(said) > APA_AUTHORS:
        return f"{', '.join(said[: APA_AUTHORS - 1])}, … {said[-1]}"
    return f"{', '.join(said[:-1])}, & {said[-1]}" if len(said) > 1 else "".join(said)


def ieee(reference: Reference) -> str:
    said = [name.family if name.is_whole else f"{name.initials} {name.family}"
            for name in reference.names]  # fmt: skip
    if len(said) > IEEE_AUTHORS:
        said = [f"{said[0]} et al."]
    comma = "," if len(said) > 2 else ""
    who = f"{', '.join(said[:-1])}{comma} and {said[-1]}" if len(said) > 1 else "".join(said)
    version = f"ver. {_line(reference.version)}" if reference.version else ""
    place = "" if reference.doi else _line(reference.site)
    facts = [fact for fact in (place, version, str(reference.year or "")) if fact]
    title = f"“{reference.shown_title}{',' if facts or reference.doi else '.'}”"
    opening = f"{'[' + '], ['.join(map(str, reference.numbers)) + ']'} {who + ', ' if who else ''}"
    if reference.doi:
        return f"{opening}{title} {', '.join([*facts, f'doi: {reference.doi}'])}."
    day = reference.accessed
    accessed = f"Accessed: {SHORT_MONTHS[day.month - 1]} {day.day}, {day.year}."
    told = f"{title} {', '.join(facts)}." if facts else title
    return f"{opening}{told} {accessed} [Online]. Available: {reference.url}"


# --- For programs -----------------------------------------------------------------------------

# In braces that stay balanced: BibTeX counts even those that are escaped.
BIBTEX = str.maketrans({
    "\\": r"\textbackslash{}", "{": r"\textbraceleft{}", "}": r"\textbraceright{}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{special: f"\\{special}" for special in "&%$#_"},
})  # fmt: skip


def bibtex(reference: Reference) -> str:
    names = [
        f"{{{name.family.translate(BIBTEX)}}}" if name.is_whole
        else f"{name.family.translate(BIBTEX)}, {name.given.translate(BIBTEX)}"
        for name in reference.names
    ]  # fmt: skip
    fields = {
        "author": " and ".join(names),
        "title": f"{{{_line(reference.title).translate(BIBTEX)}}}",
        "year": str(reference.year or ""),
        "howpublished": _line(reference.site).translate(BIBTEX),
        "version": _line(reference.version).translate(BIBTEX),
        "doi": _verbatim(reference.doi),
        "url": _verbatim(reference.url),
        "urldate": reference.accessed.isoformat(),
        "note": "Retracted" if reference.trust_tier == "retracted" else "",
    }
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@misc{{{reference.key},\n" + ",\n".join(lines) + "\n}"


def _verbatim(address: str) -> str:
    """For \\url, which takes every character but those that would end the field."""
    return quote(address, safe="!#$%&'()*+,-./:;=?@[]_~")


def csl_json(reference: Reference) -> dict[str, Any]:
    day = reference.accessed
    item: dict[str, Any] = {
        "id": reference.key,
        "type": _csl_type(reference),
        "title": _line(reference.title),
        "author": [{"literal": name.family} if name.is_whole
                   else {"family": name.family, "given": name.given} for name in reference.names],
        "issued": {"date-parts": [[reference.year]]} if reference.year else None,
        "accessed": {"date-parts": [[day.year, day.month, day.day]]},
        "container-title": _line(reference.site),
        "version": _line(reference.version),
        "language": reference.language,
        "DOI": reference.doi,
        "URL": reference.url,
        "note": "Retracted" if reference.trust_tier == "retracted" else "",
    }  # fmt: skip
    return {name: value for name, value in item.items() if value}


def _csl_type(reference: Reference) -> str:
    if not reference.doi:
        return "webpage"
    return (
        "article-journal" if reference.trust_tier in ("peer-reviewed", "retracted") else "article"
    )


# --- Whole lists ------------------------------------------------------------------------------


def _lines(one: Callable[[Reference], str], between: str) -> Callable[[Sequence[Reference]], str]:
    return lambda references: "".join(f"{one(reference)}{between}" for reference in references)


def _csl_list(references: Sequence[Reference]) -> str:
    return json.dumps(
        [csl_json(reference) for reference in references], ensure_ascii=False, indent=1
    )


def _apa_list(references: Sequence[Reference]) -> str:
    """In the order of the alphabet, as the manual has it."""
    return "".join(sorted((f"{apa(one)}\n" for one in references), key=str.casefold))


@dataclass(frozen=True)
class Style:
    write: Callable[[Sequence[Reference]], str]
    media_type: str


STYLES = {
    "apa": Style(_apa_list, "text/plain"),
    "ieee": Style(_lines(ieee, "\n"), "text/plain"),
    "bibtex": Style(_lines(bibtex, "\n\n"), "application/x-bibtex"),
    "csl-json": Style(_csl_list, "application/vnd.citationstyles.csl+json"),
}
