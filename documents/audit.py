"""Who did what, for whoever has to find out: keys, content, settings, accounts, and what people
asked being read by others. Ids only: it outlives what it tells of. See documents/trail.py."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.utils import timezone

from documents import request_id, trail
from documents.trail import AuditEntry

# Ends of lines, ANSI sequences, NUL, and what turns the direction of a text around.
CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)
LONGEST = 300  # characters of one value
MOST = 100  # values of one list


class Action(StrEnum):
    """All there are. An action keeps its meaning, and its name, for ever."""

    KEY_CREATED = "key.created"
    KEY_CHANGED = "key.changed"
    KEY_REVOKED = "key.revoked"
    KEY_DELETED = "key.deleted"

    CORPUS_CREATED = "corpus.created"
    CORPUS_CHANGED = "corpus.changed"
    CORPUS_DELETED = "corpus.deleted"
    SOURCE_CREATED = "source.created"
    SOURCE_CHANGED = "source.changed"
    SOURCE_DELETED = "source.deleted"
    SOURCE_SYNCED = "source.synced"
    DOCUMENTS_UPLOADED = "documents.uploaded"
    DOCUMENTS_PUBLISHED = "documents.published"
    DOCUMENTS_WITHDRAWN = "documents.withdrawn"
    DOCUMENTS_TRUSTED = "documents.trusted"
    DOCUMENTS_DELETED = "documents.deleted"
    DOCUMENT_CHANGED = "document.changed"
    TOMBSTONES_DELETED = "tombstones.deleted"  # these documents may come back
    ANSWER_MODEL_CREATED = "answer_model.created"
    ANSWER_MODEL_CHANGED = "answer_model.changed"
    ANSWER_MODEL_DELETED = "answer_model.deleted"

    USER_CREATED = "user.created"
    USER_CHANGED = "user.changed"
    USER_SUSPENDED = "user.suspended"
    USER_REACTIVATED = "user.reactivated"
    USER_DELETED = "user.deleted"
    GROUP_CREATED = "group.created"
    GROUP_CHANGED = "group.changed"
    GROUP_DELETED = "group.deleted"
    SIGNED_IN = "user.signed_in"
    SIGNED_OUT = "user.signed_out"
    SIGN_IN_FAILED = "user.sign_in_failed"
    LOCKED_OUT = "user.locked_out"

    # By somebody other than the one who asked.
    CONVERSATIONS_LISTED = "conversations.listed"
    CONVERSATION_READ = "conversation.read"
    CONVERSATION_EXPORTED = "conversation.exported"
    CONVERSATION_DELETED = "conversation.deleted"
    CONVERSATIONS_PURGED = "conversations.purged"
    PERSON_EXPORTED = "person.exported"
    PERSON_DELETED = "person.deleted"

    ADMIN_CHANGED = "admin.changed"  # whatever has no action of its own
    AUDIT_EXPORTED = "audit.exported"
    AUDIT_PRUNED = trail.PRUNED


def record(
    action: str, *, target: str, by: str = "", corpus: object = None, **details: Any
) -> AuditEntry:
    """Put on record that this was done, in the caller's transaction if there is one: what is rolled
    back was not done. `by`: whoever is behind the request, unless the caller knows better."""
    known = request_id.present()
    return AuditEntry.objects.append(
        at=timezone.now(), action=Action(action).value,
        by=_harmless(by or request_id.actor())[:120], target=_harmless(target),
        corpus=_harmless(corpus or "")[:50], address=known.address if known else "",
        request_id=known.id if known else "", details=_of_json(details),
    )  # fmt: skip


def prune() -> int:
    """Drop entries older than AUDIT_RETENTION_DAYS, which the log then tells itself."""
    oldest = timezone.now() - timedelta(days=settings.AUDIT_RETENTION_DAYS)
    return AuditEntry.objects.drop_older_than(oldest, at=timezone.now(), by=request_id.actor())


def _harmless(value: object) -> str:
    """Characters that a terminal or a viewer of logs would obey are spelled out."""
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", str(value))[:LONGEST]


def _of_json(value: Any) -> Any:
    """What every database gives back as it was."""
    match value:
        case None | bool() | int():
            return value
        case dict():
            return {_harmless(name): _of_json(held) for name, held in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_of_json(held) for held in list(value)[:MOST]]
    return _harmless(value)
