"""Whether a credential has the power that a view declares. The default of every view of DRF's."""

from collections.abc import Mapping
from typing import Any, Protocol, cast

from django.core.exceptions import ImproperlyConfigured
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from documents.powers import PERMISSIONS, READING, Power
from documents.problems import Problem


class Holder(Protocol):
    """Whoever authenticates a request hands over one of these: chat/auth/principal.py."""

    @property
    def scopes(self) -> frozenset[Power]: ...


def of_account(user: Any) -> frozenset[Power]:
    """What an account may: read, and what any of Django's permissions stands for."""
    granted = {
        power for power, names in PERMISSIONS.items() if any(user.has_perm(name) for name in names)
    }
    return READING | granted


def demand(holder: Holder, *any_of: Power) -> None:
    """Raises a 403 unless the credential has one of these powers."""
    if holder.scopes.isdisjoint(any_of):
        needed = " or ".join(power.value for power in any_of)
        raise Problem(403, "scope_missing", f"This needs a credential with the scope {needed}.")


class HasDeclaredPower(BasePermission):
    """Reads what a view needs off its attribute `needs`: one Power, several of which one is enough,
    or those for each method. A view that says nothing answers nobody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.method != "OPTIONS" and hasattr(view, str(request.method).lower()):
            demand(cast(Holder, request.auth), *needed(view, str(request.method)))
        return True


def needed(view: Any, method: str) -> tuple[Power, ...]:
    """Of one method that the view has."""
    declared = getattr(view, "needs", None)
    if isinstance(declared, Mapping):
        declared = declared.get("GET" if method == "HEAD" else method)
    if not declared:
        raise ImproperlyConfigured(f"{view} does not say what {method} needs.")
    return (declared,) if isinstance(declared, Power) else tuple(declared)
