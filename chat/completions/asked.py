"""What a client asks for, out of the body of its request; whatever would change what an answer is
made of is refused, and what would not is ignored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chat.completions.refusals import Refusal
from chat.llm.base import PromptMessage
from chat.prompting import HISTORY_CHARS, HISTORY_MESSAGES

FOOTNOTES = "footnotes"
MAX_MESSAGES = 1000
SPEAKERS = ("user", "assistant")
# Of an extension of ours, as they are in REST: chat.serializers checks them.
OURS = ("filters", "page", "selection", "store")
# Messages that nobody has to have asked: their text goes nowhere (docs/decisions/0035).
ASIDE = ("system", "developer", "tool", "function")
# What would be ignored without being noticed: an answer that lacks what was counted on.
UNSUPPORTED = {
    "tools": "Tools are not called; answers rest on the content of the corpus alone.",
    "functions": "Functions are not called; answers rest on the content of the corpus alone.",
    "logprobs": "There are no log probabilities of an answer.",
    "top_logprobs": "There are no log probabilities of an answer.",
    "audio": "Answers are text.",
    "web_search_options": "Nothing is searched but the corpus.",
}


@dataclass(frozen=True)
class Asked:
    """One request, checked as far as that needs neither rows nor settings."""

    model: str  # the slug of a corpus
    question: str
    earlier: tuple[PromptMessage, ...]  # what was said before, as the client tells it
    stream: bool = False
    with_usage: bool = False  # a chunk of its own at the end of the stream
    suffixed: bool = False  # footnotes were asked for by the model's name
    footnotes: bool = False
    conversation_id: UUID | None = None
    extensions: Mapping[str, Any] = field(default_factory=dict)  # filters, page, selection, store

    @property
    def named(self) -> str:
        """As the client has named the model."""
        return f"{self.model}:{FOOTNOTES}" if self.suffixed else self.model

    @classmethod
    def of(cls, body: object) -> "Asked":
        """Raises Refusal."""
        if not isinstance(body, Mapping):
            raise Refusal(400, "invalid_json", "The body is not a JSON object.")
        refuse_what_is_unsupported(body)
        slug, suffixed = _model(body)
        stream = _flag(body, "stream")
        options = body.get("stream_options") or {}
        if not isinstance(options, Mapping):
            raise _invalid("stream_options", "`stream_options` is an object.")
        question, earlier = said(body.get("messages"))
        return cls(
            slug, question, earlier,
            stream=stream,
            with_usage=stream and _flag(options, "include_usage"),
            suffixed=suffixed,
            footnotes=_wants_footnotes(body) or suffixed,
            conversation_id=_conversation(body),
            extensions={name: body[name] for name in OURS if body.get(name) is not None},
        )  # fmt: skip


def split_model(name: str) -> tuple[str, bool]:
    """A corpus' slug, and whether footnotes are wanted: no slug has a colon."""
    slug, _, suffix = name.partition(":")
    return (slug, True) if suffix == FOOTNOTES else (name, False)


def refuse_what_is_unsupported(body: Mapping[str, Any]) -> None:
    """Empty is as good as absent: clients send fields that nobody has filled in."""
    if body.get("n") not in (None, 1):
        raise _unsupported("n", "There is one answer to a question; `n` can only be 1.")
    for name, why in UNSUPPORTED.items():
        if body.get(name):
            raise _unsupported(name, why)
    modalities = body.get("modalities")
    if modalities and modalities != ["text"]:
        raise _unsupported("modalities", "Answers are text.")
    form = body.get("response_format")
    if form and not (isinstance(form, Mapping) and form.get("type") == "text"):
        raise _unsupported("response_format", "Answers are text with citations, never JSON.")


def said(messages: object) -> tuple[str, tuple[PromptMessage, ...]]:
    """The question, and the last things that were said before it."""
    if not isinstance(messages, list) or not messages:
        raise _invalid("messages", "`messages` is a list with at least one message.")
    if len(messages) > MAX_MESSAGES:
        raise _invalid("messages", f"`messages` has at most {MAX_MESSAGES:,} messages.")
    spoken: list[tuple[str, str]] = []
    asked_at = max((at for at, one in enumerate(messages) if _role(one, at) in SPEAKERS), default=0)
    for at, message in enumerate(messages):
        if (role := _role(message, at)) in SPEAKERS:
            spoken.append((role, _text(message.get("content"), at, strictly=at == asked_at)))
    if not spoken or spoken[-1][0] != "user" or _role(messages[-1], 0) in ("tool", "function"):
        raise _invalid("messages", 'The last message asks the question; its role is "user".')
    return spoken[-1][1], bounded(spoken[:-1])


def bounded(spoken: Sequence[tuple[str, str]]) -> tuple[PromptMessage, ...]:
    told = [(role, text.strip()) for role, text in spoken if text.strip()]
    return tuple(
        PromptMessage(role, text[:HISTORY_CHARS])  # type: ignore[arg-type]
        for role, text in told[-HISTORY_MESSAGES:]
    )


def _role(message: object, at: int) -> str:
    role = message.get("role") if isinstance(message, Mapping) else None
    if role not in (*SPEAKERS, *ASIDE):
        known = ", ".join((*SPEAKERS, *ASIDE))
        raise _invalid(f"messages[{at}].role", f"The role of a message is one of {known}.")
    return str(role)


def _text(content: object, at: int, *, strictly: bool) -> str:
    """Of a message, whose content may come in parts. Pictures are refused where they are part of
    the question; in what was said before it, they are left out."""
    where = f"messages[{at}].content"
    if isinstance(content, str):
        return content
    if content is None and not strictly:
        return ""  # an assistant that called a tool
    if not isinstance(content, list):
        raise _invalid(where, "The content of a message is text, or a list of parts of type text.")
    texts: list[str] = []
    for number, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif strictly:
            raise _unsupported(f"{where}[{number}]", "A question is text: no pictures, no files.")
    return "\n".join(texts)


def _model(body: Mapping[str, Any]) -> tuple[str, bool]:
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise _invalid("model", "`model` names a corpus; GET /v1/models lists them.")
    return split_model(name)


def _wants_footnotes(body: Mapping[str, Any]) -> bool:
    wanted = body.get("citations")
    if wanted not in (None, "none", FOOTNOTES):
        raise _invalid("citations", f'`citations` is "{FOOTNOTES}" or "none".')
    return wanted == FOOTNOTES


def _conversation(body: Mapping[str, Any]) -> UUID | None:
    """`conversation_id`, or in `metadata`, which some clients can set and nothing else."""
    metadata = body.get("metadata")
    named = body.get("conversation_id")
    if not named and isinstance(metadata, Mapping):
        named = metadata.get("conversation_id")
    if not named:
        return None
    try:
        return UUID(named) if isinstance(named, str) else UUID(int=-1)
    except ValueError:
        raise _invalid("conversation_id", "`conversation_id` is a UUID.") from None


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value not in (None, True, False):
        raise _invalid(name, f"`{name}` is true or false.")
    return bool(value)


def _invalid(param: str, message: str) -> Refusal:
    return Refusal(400, "invalid", message, param=param)


def _unsupported(param: str, message: str) -> Refusal:
    return Refusal(400, "unsupported_parameter", message, param=param)
