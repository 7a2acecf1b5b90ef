"""Hears of what may take somebody's access away, and says that something has changed."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db.models.signals import m2m_changed, post_delete, post_save

from chat.auth.revocation import bump
from chat.auth.sessions import names_somebody
from chat.models import ApiKey
from documents.models import Corpus

UNIMPORTANT = {"last_login"}  # every sign-in writes it


def changed(sender: Any, **event: Any) -> None:
    fields = event.get("update_fields")
    if event.get("action", "post").startswith("post") and not (
        fields and set(fields) <= UNIMPORTANT
    ):
        bump()


def session_gone(sender: Any, instance: Session, **event: Any) -> None:
    """Signed out; not one of those that were nobody's, which a sign-in replaces."""
    if names_somebody(instance.get_decoded()):
        bump()


def listen() -> None:
    User = get_user_model()
    for sender in (User, ApiKey, Corpus):
        post_save.connect(changed, sender=sender)
        post_delete.connect(changed, sender=sender)
    post_delete.connect(session_gone, sender=Session)
    post_delete.connect(changed, sender=Group)  # who leaves it thereby is not announced
    for through in (
        ApiKey.corpora.through, User.groups.through, User.user_permissions.through,
        Group.permissions.through,
    ):  # fmt: skip
        m2m_changed.connect(changed, sender=through)
