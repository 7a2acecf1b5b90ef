"""A second opinion on the ledger: one model call that reads every sentence with what it cites.

Off by default (CLAIM_JUDGE). It may find unsupported what the ledger found supported; the other
way round only what the ledger missed for want of common words. A wrong number, name or negation
stays wrong whatever a model says. If the call fails, the ledger's verdicts stand.
"""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from chat.claims import CheckedClaim, Verdict
from chat.llm.base import ChatModel, ChatModelError, Completion, Prompt, Restarted
from chat.prompting import build_judgement
from documents.passages import Passage

logger = logging.getLogger(__name__)

SECONDS = 20.0
MOST_SENTENCES = 40
MOST_CHARACTERS = 10_000  # of the reply; it needs about thirty for each sentence
NOT_BORNE_OUT = "a model does not find it borne out"


@dataclass(frozen=True)
class Opinion:
    """`supported` by position in the ledger; empty when `failed` says why."""

    supported: Mapping[int, bool]
    completion: Completion | None = None
    failed: str = ""

    def applied(self, claims: Sequence[CheckedClaim]) -> list[CheckedClaim]:
        return [
            self._applied(claim, self.supported.get(position))
            for position, claim in enumerate(claims)
        ]

    def _applied(self, claim: CheckedClaim, supported: bool | None) -> CheckedClaim:
        if supported is False and claim.verdict is Verdict.SUPPORTED:
            return replace(claim, verdict=Verdict.UNSUPPORTED, reason=NOT_BORNE_OUT)
        if supported is True and claim.only_far:
            return replace(claim, verdict=Verdict.SUPPORTED, reason="", only_far=False)
        return claim


async def second_opinion(
    model: ChatModel,
    prompt: Prompt,
    answer: str,
    claims: Sequence[CheckedClaim],
    cited: Mapping[int, Passage],
) -> Opinion:
    """One call at most; none if there is nothing to judge. Never raises for a model."""
    entries = [
        _entry(position, answer, claim, cited)
        for position, claim in enumerate(claims)
        if claim.citation in cited and (claim.verdict is Verdict.SUPPORTED or claim.only_far)
    ][:MOST_SENTENCES]
    if not entries:
        return Opinion({})
    asked = build_judgement(prompt, json.dumps(entries, ensure_ascii=False))
    reply, completion, failed = "", None, ""
    try:
        async with asyncio.timeout(SECONDS), aclosing(model.stream(asked)) as outputs:
            async for output in outputs:
                if isinstance(output, Completion):
                    completion = output
                elif isinstance(output, Restarted):
                    reply = ""
                elif len(reply) <= MOST_CHARACTERS:
                    reply += output.text
        supported = verdicts_in(reply, {entry["n"] for entry in entries})
    except (ChatModelError, TimeoutError, BadVerdicts) as error:
        failed = getattr(error, "code", "timeout")
        supported = {}
        logger.warning("The claims were not judged by a model (%s)", failed)
    return Opinion(supported, completion, failed)


def _entry(
    position: int, answer: str, claim: CheckedClaim, cited: Mapping[int, Passage]
) -> dict[str, Any]:
    passage = cited[claim.citation or 0]
    evidence = passage.text[claim.support_start : claim.support_end]
    return {
        "n": position, "sentence": answer[claim.start : claim.end],
        "evidence": f"{passage.breadcrumb}\n{evidence}",
    }  # fmt: skip


class BadVerdicts(ValueError):
    """A reply that is not exactly what was asked for."""

    code = "not_json"


def verdicts_in(reply: str, asked: set[int]) -> dict[int, bool]:
    """Strictly one object with one entry for each number; raises BadVerdicts for anything else."""
    if len(reply) > MOST_CHARACTERS:
        raise BadVerdicts("The reply is too long.")
    try:
        given = json.loads(reply.strip().removeprefix("```json").removesuffix("```"))
    except (ValueError, RecursionError) as error:
        raise BadVerdicts("The reply is not JSON.") from error
    rows = given.get("verdicts") if isinstance(given, dict) and len(given) == 1 else None
    if not isinstance(rows, list) or not all(map(_is_verdict, rows)):
        raise BadVerdicts("The reply is no list of verdicts.")
    found = {row["n"]: row["supported"] for row in rows}
    if len(found) != len(rows) or set(found) != asked:
        raise BadVerdicts("The reply judges other sentences than were asked about.")
    return found


def _is_verdict(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and set(row) == {"n", "supported"}
        and type(row["n"]) is int
        and type(row["supported"]) is bool
    )
