"""Accounts, keys and models that go on record by themselves, and who signs in."""

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver

from chat.models import AnswerModel, ApiKey
from documents.audit import Action, record
from documents.audited import watch

User = get_user_model()
UNTOLD = ("id", "prefix", "hashed_key", "created", "last_used_at")  # of a key

facts = [field.name for field in ApiKey._meta.concrete_fields if field.name not in UNTOLD]
watch(
    ApiKey, "key", facts,
    name=lambda row: row.prefix, many=["corpora"], named={("revoked", True): Action.KEY_REVOKED},
)  # fmt: skip
watch(
    AnswerModel, "answer_model", ["provider", "name", "position", "enabled"],
    name=lambda row: f"{row.provider}/{row.name}",
)  # fmt: skip
watch(
    User, "user", ["username", "email", "password", "is_active", "is_staff", "is_superuser"],
    name=lambda row: row.pk, many=["groups", "user_permissions"],
    named={
        ("is_active", False): Action.USER_SUSPENDED,
        ("is_active", True): Action.USER_REACTIVATED,
    },
)  # fmt: skip
watch(Group, "group", ["name"], name=lambda row: row.pk, many=["permissions"])


@receiver(user_logged_in)
def signed_in(user: Any, **kwargs: Any) -> None:
    record(Action.SIGNED_IN, by=f"user:{user.pk}", target=f"user:{user.pk}")


@receiver(user_logged_out)
def signed_out(user: Any, **kwargs: Any) -> None:
    if user is not None:
        record(Action.SIGNED_OUT, by=f"user:{user.pk}", target=f"user:{user.pk}")


@receiver(user_login_failed)
def sign_in_failed(credentials: dict[str, Any], request: Any = None, **kwargs: Any) -> None:
    """What is refused while it is locked is not an attempt: nobody may fill the log with it."""
    if getattr(request, "axes_locked_out", False) and not _counted(request):
        return
    record(Action.SIGN_IN_FAILED, by="anonymous", target=account(credentials.get("username")))


@receiver(user_locked_out)
def somebody_locked_out(request: Any, username: str | None, **kwargs: Any) -> None:
    if _counted(request):
        record(Action.LOCKED_OUT, by="anonymous", target=account(username))


def _counted(request: Any) -> bool:
    return bool(getattr(request, "axes_failures_since_start", 0))


def account(username: object) -> str:
    """Its id. What was typed in the place of a name is kept nowhere: it may be a password."""
    known = User._default_manager.filter(**{User.USERNAME_FIELD: str(username or "")}).first()
    return f"user:{known.pk}" if known else "user:unknown"
