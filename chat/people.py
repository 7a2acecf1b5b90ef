"""All that is stored about one person: to hand it over, or to remove it.

A person is whoever owns conversations: an account ("user:5"), a visitor, or the end users that a
backend asks for with its key. Of an account that is also the account with what hangs on it. API
keys belong to backends: they stay, and so do entries of the audit log, which hold ids.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import models
from django.db.models import Q
from django.forms.models import model_to_dict

from chat.forgetting import forget_conversations
from chat.models import Conversation, Message
from documents import audit

AT_ONCE = 20  # conversations in one transaction
SECRET = {"password", "user_permissions", "groups"}
User = get_user_model()


class NobodyKnown(Exception):
    """The message says why."""


@dataclass(frozen=True)
class Receipt:
    """What was removed, and what is left of it: nothing, when it is complete."""

    owner: str
    conversations: int
    messages: int
    sessions: int
    account: bool
    left: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def owner_named(name: str) -> str:
    """An owner as conversations have it, from one, from a user name or from an e-mail address."""
    kind, colon, rest = name.partition(":")
    if colon and kind in ("user", "key", "visitor") and rest:
        return name
    found = list(User._default_manager.filter(Q(username=name) | Q(email__iexact=name))[:2])
    if len(found) != 1:
        many = "Several accounts are" if found else "No account is"
        raise NobodyKnown(f"{many} known by this; give user:ID, key:PREFIX or visitor:ID.")
    return f"user:{found[0].pk}"


def exported(owner: str) -> dict[str, Any]:
    """Everything, as values that JSON can hold."""
    account = _account(owner)
    told = {
        "owner": owner,
        "account": _values(account) if account else None,
        "belongings": [_values(row) for row in _belongings(account)] if account else [],
        "conversations": [_conversation(row) for row in Conversation.objects.filter(owner=owner)],
    }
    audit.record(audit.Action.PERSON_EXPORTED, target=owner)
    return told


def deleted(owner: str, *, keep_account: bool = False) -> Receipt:
    """Gone from the rows, and from what Redis still had of their answers."""
    account = _account(owner)
    conversations = Conversation.objects.filter(owner=owner)
    count = messages = 0
    while some := list(conversations.values_list("pk", flat=True)[:AT_ONCE]):
        messages += forget_conversations(some).get(Message._meta.label, 0)
        count += len(some)
    sessions = _end_sessions(account) if account else 0
    if account and not keep_account:
        account.delete()
    left = conversations.count() + Message.objects.filter(conversation__owner=owner).count()
    receipt = Receipt(owner, count, messages, sessions, bool(account) and not keep_account, left)
    audit.record(
        audit.Action.PERSON_DELETED, target=owner, conversations=count, messages=messages,
        account=receipt.account,
    )  # fmt: skip
    return receipt


def _account(owner: str) -> Any:
    kind, _colon, pk = owner.partition(":")
    if kind != "user" or not pk.isdecimal():
        return None
    return User._default_manager.filter(pk=pk).first()


def _belongings(account: models.Model) -> Iterator[models.Model]:
    """Rows that go with the account: an identity elsewhere, entries of the admin's own log."""
    for relation in account._meta.related_objects:
        if relation.on_delete is models.CASCADE and relation.field.concrete:
            rows: Any = relation.related_model
            yield from rows._base_manager.filter(**{relation.field.name: account})


def _end_sessions(account: Any) -> int:
    """Sessions say whose they are only when they are read."""
    own = [
        session.pk
        for session in Session.objects.iterator(chunk_size=500)
        if session.get_decoded().get("_auth_user_id") == str(account.pk)
    ]
    return Session.objects.filter(pk__in=own).delete()[0]


def _conversation(row: Conversation) -> dict[str, Any]:
    messages = row.messages.prefetch_related("citations", "claims").select_related("feedback")
    return {
        **_values(row), "corpus": row.corpus.slug,
        "messages": [
            {
                **_values(message),
                "citations": [_values(citation) for citation in message.citations.all()],
                "claims": [_values(claim) for claim in message.claims.all()],
                "feedback": _values(message.feedback) if hasattr(message, "feedback") else None,
            }
            for message in messages
        ],
    }  # fmt: skip


def _values(row: models.Model) -> dict[str, Any]:
    """Also those that no form may change. Not what opens doors."""
    told = {"type": row._meta.label, **model_to_dict(row)}
    told |= {f.name: f.value_from_object(row) for f in row._meta.concrete_fields}
    return {name: value for name, value in told.items() if name not in SECRET}
