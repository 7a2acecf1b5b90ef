"""Accounts in the admin: what is stored about a person is handed over as a file, or removed."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, JsonResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from chat.people import deleted, exported

User = get_user_model()
admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Whoever deletes an account deletes what its person asked, whichever way is taken."""

    actions = ["hand_over_person", "remove_person"]

    def has_read_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(["auth.view_user", "chat.read_conversations"])

    @admin.action(description=_("Hand over all that is stored about them"), permissions=["read"])
    def hand_over_person(self, request: HttpRequest, users: QuerySet[Any]) -> JsonResponse:
        chosen = list(users.order_by("pk"))
        told = [exported(f"user:{user.pk}") for user in chosen]
        headers = {
            "Content-Disposition": 'attachment; filename="person.json"',
            "Cache-Control": "private, no-store",
        }
        return JsonResponse(told[0] if len(told) == 1 else told, safe=False, headers=headers)

    @admin.action(description=_("Remove all that is stored about them"), permissions=["delete"])
    def remove_person(self, request: HttpRequest, users: QuerySet[Any]) -> Any:
        if request.POST.get("post") == "yes":
            self.delete_queryset(request, users)
            return None
        about = {
            **self.admin_site.each_context(request),
            "title": _("Are you sure?"), "opts": self.opts, "users": users,
        }  # fmt: skip
        return TemplateResponse(request, "chat/remove_person.html", about)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_queryset(request, User._default_manager.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for pk in list(queryset.values_list("pk", flat=True)):
            receipt = deleted(f"user:{pk}")
            text = _("user:%(pk)s is removed: %(count)d conversations, %(messages)d messages.")
            told = {"pk": pk, "count": receipt.conversations, "messages": receipt.messages}
            level = messages.WARNING if receipt.left else messages.SUCCESS
            messages.add_message(request, level, text % told)
