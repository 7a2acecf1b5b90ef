"""After an answer is written: it is checked, put into other words if it copies, judged."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import perf_counter

from django.conf import settings

from chat.claims import Verdict, check_claims
from chat.copying import copied_runs
from chat.events import NO_MODEL, NO_VECTORS, Claims, Event, Restart, Stage
from chat.judging import second_opinion
from chat.llm.base import ChatModel
from chat.models import Message
from chat.rephrasing import Answer, second_answer
from chat.turns import Turn, claim_json
from documents.providers import get_local_embedder


async def review(turn: Turn, model: ChatModel) -> AsyncGenerator[Event, None]:
    """Decides the outcome. The last event is the ledger; no database is touched."""
    await asyncio.to_thread(_check, turn)
    async with aclosing(_rephrase(turn, model)) as rephrased:
        async for event in rephrased:
            yield event
    if _asks_a_judge(turn):
        yield Stage("checking")
        await _judge(turn, model)
    yield _claims(turn)


async def _rephrase(turn: Turn, model: ChatModel) -> AsyncGenerator[Event, None]:
    """An answer that copies gets one more call, and gives way to what is better."""
    asks = settings.REWRITE_COPIES and not turn.extractive
    if not (asks and turn.copied and turn.prompt and turn.calls_left > 0):
        return
    yield Stage("rewriting")
    began = perf_counter()
    first = Answer(turn.text, turn.cited, turn.claims, turn.copied)
    second = await second_answer(model, turn.prompt, first, notice=turn.retraction_notice)
    turn.calls_left -= 1
    turn.add_usage(second.completion)
    answer = second.answer
    await asyncio.to_thread(_examine, answer, turn)
    better = not second.failed and answer.is_better_than(first)
    turn.took("rewriting", began)
    turn.trace["rewriting"] = {
        "kept": "second" if better else "first", "failed": second.failed,
        "copied_words": [first.copied_words, answer.copied_words],
    }  # fmt: skip
    if not better:
        return
    # Whoever leaves from here on leaves as much of the second answer as was shown.
    turn.forget()
    turn.trace |= second.counts
    yield Restart("copied")
    for part in second.parts:
        yield turn.show(part)
    turn.claims, turn.copied = answer.claims, answer.copied
    _decide(turn)


def _asks_a_judge(turn: Turn) -> bool:
    asks = settings.CLAIM_JUDGE and not turn.extractive
    return bool(asks and turn.prompt and turn.calls_left > 0)


async def _judge(turn: Turn, model: ChatModel) -> None:
    """A model's second opinion on the ledger; without it, the ledger's verdicts stand."""
    assert turn.prompt is not None  # noqa: S101 - asked before
    began = perf_counter()
    cited = {c.number: turn.passages[c.chunk_id] for c in turn.cited}
    opinion = await second_opinion(model, turn.prompt, turn.text, turn.claims, cited)
    turn.add_usage(opinion.completion)
    before, turn.claims = turn.claims, opinion.applied(turn.claims)
    turn.took("judging", began)
    turn.trace["judge"] = {
        "sentences": len(opinion.supported), "failed": opinion.failed,
        "changed": sum(one != other for one, other in zip(before, turn.claims, strict=True)),
    }  # fmt: skip
    _decide(turn)


def _check(turn: Turn) -> None:
    """Claim ledger and copy check; they decide the outcome."""
    answer = Answer(turn.text, turn.cited)
    _examine(answer, turn)
    turn.claims, turn.copied = answer.claims, answer.copied
    _decide(turn)


def _examine(answer: Answer, turn: Turn) -> None:
    passages = [*turn.passages.values()]
    places = {chunk_id: place for place, chunk_id in enumerate(turn.passages)}
    answer.claims = check_claims(
        answer.text,
        {c.number: turn.passages[c.chunk_id] for c in answer.cited},
        retrieved=passages,
        vectors=get_local_embedder(),
    )
    answer.copied = copied_runs(
        answer.text,
        [passage.text for passage in passages],
        limit=settings.COPY_LIMIT_WORDS,
        cited={c.number: places[c.chunk_id] for c in answer.cited},
    )


def _decide(turn: Turn) -> None:
    verdicts = {claim.verdict for claim in turn.claims}
    if Verdict.UNSUPPORTED in verdicts or Verdict.SUPPORTED not in verdicts:
        turn.outcome = Message.Outcome.PARTIAL
    elif {NO_VECTORS, NO_MODEL} & set(turn.degraded):
        turn.outcome = Message.Outcome.DEGRADED
    elif turn.usage.get("finish_reason") == "length":
        turn.outcome = Message.Outcome.PARTIAL
    else:
        turn.outcome = Message.Outcome.ANSWERED


def _claims(turn: Turn) -> Claims:
    return Claims([claim_json(claim) for claim in turn.claims], turn.copied_json)
