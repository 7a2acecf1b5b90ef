"""API keys in the admin: made, shown once, narrowed, suspended, revoked. Accounts elsewhere."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework_api_key.admin import APIKeyModelAdmin
from rest_framework_api_key.models import APIKey

from chat.auth.plans import STANDARD, plan_named, plan_names
from chat.models import Account, ApiKey
from documents.powers import GIVEN, Power

admin.site.unregister(APIKey)  # the library's own, which knows no corpora


def _plan_choices() -> list[tuple[str, str]]:
    shown = _("%(name)s: %(questions)d questions a minute, %(turns)d at once")
    plans = [plan_named(name) for name in plan_names()]
    return [
        (
            "" if plan.name == STANDARD else plan.name,
            shown % {"name": plan.name, "questions": plan.questions_a_minute,
                     "turns": plan.turns_at_once},
        )
        for plan in plans
    ]  # fmt: skip


class ApiKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=[(power.value, power.label) for power in Power if power in GIVEN],
        widget=forms.CheckboxSelectMultiple,
        help_text=ApiKey._meta.get_field("scopes").help_text,
    )
    plan = forms.ChoiceField(choices=_plan_choices, required=False, label=_("Rate plan"))


@admin.register(ApiKey)
class ApiKeyAdmin(APIKeyModelAdmin):
    form = ApiKeyForm
    list_display = (  # type: ignore[assignment]
        "prefix", "name", "kind", "may", "plan", "created", "expiry_date", "last_used_at",
        "suspended", "revoked",
    )  # fmt: skip
    list_filter = (  # type: ignore[assignment]
        "kind",
        "suspended",
        "revoked",
        "corpora",
        "created",
    )
    filter_horizontal = ("corpora",)
    fields = (
        "name", "kind", "scopes", "corpora", "origins", "plan", "questions_a_day", "expiry_date",
        "suspended", "revoked", "prefix", "last_used_at",
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fields = (*super().get_readonly_fields(request, obj), "last_used_at")
        # What it is cannot change: somebody may have published it, or relies on its being secret.
        return fields if obj is None else (*fields, "kind")

    @admin.display(description=_("scopes"))
    def may(self, key: ApiKey) -> str:
        return ", ".join(sorted(key.granted))


@admin.register(Account)
class AccountAdmin(admin.ModelAdmin):
    """Who came from the sign-in server. To suspend somebody, or to give rights: open the user."""

    list_display = ("__str__", "issuer", "subject", "user", "is_active", "created_at")
    list_filter = ("issuer", "user__is_active")
    list_select_related = ("user",)
    search_fields = ("email", "subject", "user__username")

    @admin.display(description=_("active"), boolean=True, ordering="user__is_active")
    def is_active(self, account: Account) -> bool:
        return account.user.is_active

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # it would come back as another user; delete or suspend that
