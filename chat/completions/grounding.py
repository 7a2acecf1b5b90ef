"""What an answer rests on, for clients whose protocol has no place for it: the side object."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from chat.events import Done

Absolute = Callable[[str], str]  # makes an address of this server one that works elsewhere


def grounding_of(done: Done, absolute: Absolute) -> dict[str, Any]:
    verdicts = Counter(claim["verdict"] for claim in done.claims)
    return {
        "conversation_id": done.conversation_id,
        "message_id": done.message_id,
        "status": done.status,
        "outcome": done.outcome,
        "citations": citations_of(done, absolute),
        "claims": {name: verdicts[name] for name in ("supported", "unsupported", "no_claim")},
        "nearest": [{**place, "url": absolute(place["url"])} for place in done.nearest],
        "degraded": done.degraded,
        "model": done.model,
        "extractive": done.extractive,
        "cached": done.cached,
    }


def citations_of(done: Done, absolute: Absolute) -> list[dict[str, Any]]:
    return [
        {**cited, "url": absolute(cited["url"]), "link": absolute(cited["link"])}
        for cited in done.citations
    ]
