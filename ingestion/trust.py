"""What a DOI or a title lets one expect of a document: a suggestion for a person, never a decision.

A prefix says who publishes, not that this one text was reviewed: editorials carry DOIs, too.
"""

import re
from dataclasses import dataclass

from documents.models import TrustTier

# Registered prefixes, as Crossref and DataCite name their owners; only such as are beyond doubt.
# To look one up: https://api.crossref.org/prefixes/10.1038
JOURNALS = {
    "10.1001": "the American Medical Association", "10.1002": "Wiley",
    "10.1007": "Springer", "10.1016": "Elsevier", "10.1017": "Cambridge University Press",
    "10.1021": "the American Chemical Society", "10.1037": "the American Psychological Association",
    "10.1038": "Nature Portfolio", "10.1039": "the Royal Society of Chemistry",
    "10.1056": "the Massachusetts Medical Society (NEJM)", "10.1063": "AIP Publishing",
    "10.1073": "the National Academy of Sciences (PNAS)", "10.1080": "Taylor & Francis",
    "10.1088": "IOP Publishing", "10.1093": "Oxford University Press",
    "10.1098": "the Royal Society", "10.1103": "the American Physical Society",
    "10.1109": "IEEE", "10.1111": "Wiley", "10.1126": "the AAAS (Science)", "10.1136": "BMJ",
    "10.1145": "the ACM", "10.1146": "Annual Reviews",
    "10.1152": "the American Physiological Society",
    "10.1155": "Hindawi", "10.1161": "the American Heart Association", "10.1177": "SAGE",
    "10.1186": "BioMed Central", "10.1371": "PLOS", "10.3389": "Frontiers", "10.3390": "MDPI",
    "10.7554": "eLife",
}  # fmt: skip
PREPRINTS = {
    "10.1101": "Cold Spring Harbor Laboratory (bioRxiv, medRxiv)", "10.48550": "arXiv",
    "10.31234": "PsyArXiv", "10.31235": "SocArXiv", "10.31219": "OSF Preprints",
    "10.2139": "SSRN", "10.20944": "Preprints.org", "10.21203": "Research Square",
    "10.26434": "ChemRxiv",
}  # fmt: skip
DEPOSITS = {"10.5281": "Zenodo", "10.6084": "figshare"}

PREFIX = re.compile(r"(?P<prefix>10\.\d{4,9})/(?P<suffix>.+)", re.DOTALL)
BOOK = re.compile(r"b?97[89][-\d]", re.IGNORECASE)  # an ISBN: a book or a chapter of one
# bioRxiv's and medRxiv's numbers; the laboratory's journals begin with letters (`gr.`, `gad.`).
PREPRINT_NUMBER = re.compile(r"\d")
RETRACTED = re.compile(r"\W*retracted(?:\W+(?:article|paper|chapter))?\s*[:\])—–-]", re.IGNORECASE)


@dataclass(frozen=True)
class Suggestion:
    tier: TrustTier
    reason: str

    def __str__(self) -> str:
        return f"{self.tier.value}: {self.reason}"


def suggested_tier(doi: str) -> Suggestion | None:
    match = PREFIX.fullmatch(doi)
    if match is None:
        return None
    prefix, suffix = match.groups()
    if prefix == "10.1101" and not PREPRINT_NUMBER.match(suffix):
        return _of(TrustTier.PEER_REVIEWED, prefix, "Cold Spring Harbor Laboratory Press")
    if prefix in PREPRINTS:
        return _of(TrustTier.PREPRINT, prefix, PREPRINTS[prefix])
    if prefix in DEPOSITS:
        owner = f"{DEPOSITS[prefix]}, where anybody may deposit"
        return _of(TrustTier.COMMUNITY, prefix, owner)
    if prefix in JOURNALS and not BOOK.match(suffix):
        return _of(TrustTier.PEER_REVIEWED, prefix, JOURNALS[prefix])
    return None


def suggested_by_title(title: str) -> Suggestion | None:
    """Publishers keep a retracted paper in its place, with the word before its title."""
    if RETRACTED.match(title):
        return Suggestion(TrustTier.RETRACTED, 'its title begins with "retracted"')
    return None


def _of(tier: TrustTier, prefix: str, owner: str) -> Suggestion:
    return Suggestion(tier, f"the DOI's prefix {prefix} belongs to {owner}")
