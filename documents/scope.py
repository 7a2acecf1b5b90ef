"""Scope: which corpora a caller may read, and what the caller narrowed the search to."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scope:
    """Corpora come from the caller's credentials; the rest can only narrow. Empty means "any"."""

    corpora: frozenset[int]
    sources: frozenset[str] = frozenset()  # source slugs
    languages: frozenset[str] = frozenset()  # "en", "pt-br"
    versions: frozenset[str] = frozenset()
    trust_tiers: frozenset[str] = frozenset()
    sections: frozenset[str] = frozenset()  # a heading anywhere in the heading path, exactly

    def within(self, corpora: frozenset[int]) -> "Scope":
        """The same narrowing, with no corpus that is not in `corpora`."""
        return replace(self, corpora=self.corpora & corpora)
