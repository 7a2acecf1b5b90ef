"""Who calls, as the door has found out; every handler asks it of the request that it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chat.auth.principal import Principal
from documents.models import Corpus
from documents.problems import Problem

IN_SCOPE = "ragsite.caller"  # of ASGI
MOST_NAMED = 100  # corpora


@dataclass(frozen=True)
class Caller:
    principal: Principal
    absolute: Callable[[str], str]  # makes an address of this server one that works elsewhere

    def corpora(self) -> list[str]:
        readable = Corpus.objects.filter(pk__in=self.principal.corpora).order_by("slug")
        return list(readable.values_list("slug", flat=True)[:MOST_NAMED])

    def corpus(self, named: object) -> str:
        """The one that is named, or the only one there is. Whether it may be read is for others."""
        if isinstance(named, str) and named:
            return named
        corpora = self.corpora()
        if len(corpora) != 1:
            known = ", ".join(corpora) or "none"
            raise Problem(400, "corpus_needed", f"Say which corpus. You may read: {known}.")
        return corpora[0]


def caller_in(context: Any) -> Caller:
    """Of the SDK's request context."""
    caller = context.request.scope[IN_SCOPE]
    assert isinstance(caller, Caller)  # noqa: S101 - nothing gets here but through the door
    return caller
