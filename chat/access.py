"""From what a caller asks for to what the caller may have."""

from collections.abc import Iterable, Mapping

from chat.auth.principal import Principal
from documents.models import Corpus
from documents.problems import Problem
from documents.scope import Scope


def corpus_of(principal: Principal, slug: str) -> Corpus:
    """The corpus, if this principal may read it; a foreign one looks like a missing one."""
    corpus = Corpus.objects.filter(slug=slug, pk__in=principal.corpora).first()
    if corpus is None:
        raise Problem(404, "unknown_corpus", f'There is no corpus "{slug}" that you may read.')
    return corpus


def scope_of(corpus: Corpus, filters: Mapping[str, Iterable[str]] | None) -> Scope:
    """The corpus comes from the caller's credentials; the filters can only narrow it."""
    narrowing = {name: frozenset(values) for name, values in (filters or {}).items()}
    return Scope(corpora=frozenset([corpus.pk]), **narrowing)
