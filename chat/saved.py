"""An answer as its rows have it: for whoever comes when its events are gone from the journal."""

from uuid import UUID

from chat.claims import CheckedClaim, Verdict
from chat.events import Cited, Done, Error
from chat.llm.extractive import ExtractiveModel
from chat.models import Citation, Claim, Message
from chat.standing import standings
from chat.turns import citation_json, claim_json, passage_json
from documents.index.base import IndexHit
from documents.models import Chunk, TrustTier
from documents.scope import Scope
from documents.threads import in_database_thread


def cited_of(row: Citation, *, withheld: bool = False) -> Cited:
    """`withheld`: a curator took back what was cited; readers are not shown it any longer."""
    return Cited(
        number=row.number, chunk_id=str(row.chunk_id),
        title="" if withheld else row.title,
        heading_path=[] if withheld else row.heading_path,
        url="" if withheld else row.url,
        link="" if withheld else row.link,
        quote="" if withheld else row.quote,
        quote_start=row.quote_start, quote_end=row.quote_end, trust_tier=row.trust_tier,
        peer_reviewed=row.trust_tier == TrustTier.PEER_REVIEWED,
    )  # fmt: skip


def checked_of(row: Claim) -> CheckedClaim:
    return CheckedClaim(
        start=row.start, end=row.end, verdict=Verdict(row.verdict), citation=row.citation_number,
        support_start=row.support_start, support_end=row.support_end, reason=row.reason,
    )  # fmt: skip


def end_of(message: Message) -> Done | Error | None:
    """The last event of its turn; None while it is still being written. Asks the database."""
    if message.status == Message.Status.STREAMING:
        return None
    if message.status == Message.Status.FAILED:
        detail = "This question could not be answered; ask it again."
        return Error("failed", detail, 502, message_id=str(message.pk))
    corpus, cited, trace = message.conversation.corpus_id, message.citations.all(), message.trace
    standing = standings(cited, corpus)
    nearest = [IndexHit(UUID(pk), 0.0) for pk in trace.get("nearest", ())]
    live = Chunk.objects.live(Scope(corpora=frozenset([corpus]))).passages(nearest)
    return Done(
        conversation_id=str(message.conversation_id), message_id=str(message.pk),
        status=message.status, outcome=message.outcome, text=message.text,
        citations=[
            citation_json(cited_of(row, withheld=standing[row.pk].withheld)) for row in cited
        ],
        claims=[claim_json(checked_of(row)) for row in message.claims.all()],
        copied=trace.get("copied", []), nearest=[passage_json(passage) for passage in live],
        degraded=trace.get("degraded", []), model=message.model,
        extractive=message.model == ExtractiveModel.name, cached="answer_cache" in trace,
        usage=message.usage, timings=message.timings,
    )  # fmt: skip


@in_database_thread
def end_by_id(message: UUID) -> Done | Error | None:
    """The same; an answer that has no row, because it never began, ended with an error."""
    rows = Message.objects.select_related("conversation").filter(pk=message)
    if (found := rows.first()) is None:
        return Error("not_begun", "This question was never asked, or it was deleted.", 404)
    return end_of(found)
