"""Admin of question sets: edited here, brought in and taken out as JSON lines."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from chat.evaluation.cases import UNANSWERABLE, BadCases, Case, case_of, read_cases
from chat.evaluation.question_sets import as_lines, problem_with_place, store
from chat.models import Question, QuestionSet

LARGEST = 5_000_000  # bytes of a file that is brought in


class QuestionSetForm(forms.ModelForm):
    lines = forms.FileField(
        label=_("Add from a file"), required=False,
        help_text=_("JSON lines; a question takes the place of the one with the same id."),
    )  # fmt: skip

    class Meta:
        model = QuestionSet
        fields = ["slug", "corpus"]

    def clean_lines(self) -> list[Case]:
        file = self.cleaned_data["lines"]
        if file is None:
            return []
        if file.size > LARGEST:
            raise forms.ValidationError(_("It is too large: 5 megabytes at most."))
        try:
            return read_cases(file.read().decode("utf-8-sig").splitlines(), file.name)
        except UnicodeDecodeError as error:
            raise forms.ValidationError(_("It is not UTF-8. Save it as UTF-8.")) from error
        except BadCases as error:
            raise forms.ValidationError(str(error)) from error


@admin.register(QuestionSet)
class QuestionSetAdmin(admin.ModelAdmin):
    form = QuestionSetForm
    list_display = ["slug", "corpus", "questions", "created_at"]
    list_filter = ["corpus"]
    list_select_related = ["corpus"]
    search_fields = ["slug"]
    actions = ["export"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[QuestionSet]:
        return super().get_queryset(request).annotate(question_count=Count("questions"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["corpus"] if obj else []  # its questions name pages of it

    @admin.display(description=_("questions"), ordering="question_count")
    def questions(self, question_set: Any) -> int:
        return question_set.question_count

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        cases = form.cleaned_data.get("lines")
        if not cases:
            return
        try:
            new, changed = store(obj, cases)
        except BadCases as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        said = ngettext(
            "%(count)d question was read.", "%(count)d questions were read.", new + changed
        )
        self.message_user(request, said % {"count": new + changed})

    @admin.action(description=_("Export as JSON lines"), permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[QuestionSet]) -> HttpResponse:
        chosen = list(queryset)
        name = chosen[0].slug if len(chosen) == 1 else "questions"
        return as_file(Question.objects.filter(question_set__in=chosen), name)


class QuestionForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        details = data.get("details")
        row = {"id": data.get("key"), **data, **(details if isinstance(details, dict) else {})}
        try:
            case_of({name: value for name, value in row.items() if name != "message"})
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        place = (data.get("answer_page", ""), data.get("answer_heading", ""))
        question_set = data.get("question_set")
        if question_set is None or data.get("type") == UNANSWERABLE:
            return data
        if problem := problem_with_place(question_set.corpus, *place):
            self.add_error("answer_page", problem)
        return data


@admin.register(Question)
class QuestionAdmin(admin.ModelAdmin):
    form = QuestionForm
    list_display = ["__str__", "question_set", "type", "answer_page", "answer_heading"]
    list_filter = ["question_set", "type"]
    list_select_related = ["question_set"]
    search_fields = ["question", "key", "answer_page"]
    autocomplete_fields = ["question_set"]
    raw_id_fields = ["message"]
    actions = ["export"]

    @admin.action(description=_("Export as JSON lines"), permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[Question]) -> HttpResponse:
        return as_file(queryset, "questions")


def as_file(questions: QuerySet[Question], name: str) -> HttpResponse:
    response = HttpResponse(as_lines(questions), content_type="application/x-ndjson")
    response["Content-Disposition"] = f'attachment; filename="{name}.jsonl"'
    return response
