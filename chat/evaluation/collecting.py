"""Admin: a bad answer becomes a test case. An action on messages and conversations, with a page
on which a curator says what the right answer would have rested on."""

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import BaseFormSet
from django.http import HttpRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from chat.evaluation.cases import UNANSWERABLE, BadCases, Case
from chat.evaluation.question_sets import (
    asked_in,
    draft,
    problem_with_place,
    set_named,
    store,
)
from chat.models import Message, QuestionSet
from documents.audit import Action, record
from documents.models import Corpus, Document

MOST = 50  # questions on one page
OFFERED = 500  # pages in the list that completes what is typed


Turn = tuple[Message, Message | None]  # a question and its answer


class WhereForm(forms.Form):
    question_set = forms.SlugField(
        label=_("Question set"), max_length=50, help_text=_("Of this corpus, or a new name.")
    )


class CaseForm(forms.Form):
    """One question and what a right answer rests on."""

    include = forms.BooleanField(label=_("Add"), required=False, initial=True)
    question = forms.CharField(
        label=_("Question"), widget=forms.Textarea({"rows": 2, "cols": 80}),
        help_text=_("Take out what tells who asked."),
    )  # fmt: skip
    not_in_content = forms.BooleanField(label=_("It is not in the content"), required=False)
    page = forms.CharField(
        label=_("Expected page"), required=False, max_length=500,
        widget=forms.TextInput({"list": "pages", "size": 60}),
    )  # fmt: skip
    heading = forms.CharField(
        label=_("Expected heading"), required=False, max_length=500,
        widget=forms.TextInput({"size": 60}),
    )  # fmt: skip
    key_facts = forms.CharField(
        label=_("Key facts"), required=False, widget=forms.Textarea({"rows": 2, "cols": 80}),
        help_text=_("Texts that a right answer must hold, one a line."),
    )  # fmt: skip

    def __init__(self, *args: Any, corpus: Corpus, turns: Sequence[Turn], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.corpus = corpus
        self.asked, self.said = turns[int(str(self.prefix).rpartition("-")[2])]
        self.draft = draft(self.asked, self.said)
        if not self.is_bound:
            self.initial = _initial(self.draft, self.said)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not data.get("include") or data.get("not_in_content"):
            return data
        if not data.get("page"):
            self.add_error(
                "page", _("Name the page that answers, or say it is not in the content.")
            )
        elif problem := problem_with_place(self.corpus, data["page"], data.get("heading") or ""):
            self.add_error("heading" if "heading" in problem else "page", problem)
        return data

    @property
    def case(self) -> Case:
        data = self.cleaned_data
        known = {"id": self.draft.id, "question": data["question"], "history": self.draft.history}
        if data["not_in_content"]:
            return Case(**known, type=UNANSWERABLE, near=data["page"])
        facts = tuple(line.strip() for line in data["key_facts"].splitlines() if line.strip())
        return Case(
            **known, type=self.draft.type, answer_page=data["page"],
            answer_heading=data["heading"], key_facts=facts,
        )  # fmt: skip


def collects(turns_of: Callable[[QuerySet[Any]], list[Message]]) -> Any:
    """The action, for an admin whose rows `turns_of` turns into messages."""

    @admin.action(description=_("Add to a question set"), permissions=["collect"])
    def add_to_question_set(
        modeladmin: admin.ModelAdmin, request: HttpRequest, queryset: QuerySet[Any]
    ) -> Any:
        turns = {asked.pk: (asked, said) for asked, said in map(asked_in, turns_of(queryset))}
        corpora = {asked.conversation.corpus for asked, _said in turns.values()}
        if len(corpora) != 1 or len(turns) > MOST:
            modeladmin.message_user(
                request,
                _("Choose questions of one corpus, and not more than %d.") % MOST,
                messages.ERROR,
            )
            return None
        for conversation in {asked.conversation for asked, _said in turns.values()}:
            record(Action.CONVERSATION_READ, target=f"conversation:{conversation.pk}",
                   corpus=conversation.corpus, owner=conversation.owner)  # fmt: skip
        return _page(modeladmin, request, queryset, list(turns.values()), corpora.pop())

    return add_to_question_set


class Collecting(admin.ModelAdmin):
    def has_collect_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(["chat.add_question", "chat.add_questionset"])


def _page(
    modeladmin: admin.ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet[Any],
    turns: list[Turn],
    corpus: Corpus,
) -> Any:
    formset = forms.formset_factory(CaseForm, extra=0, max_num=MOST)
    given = request.POST if "apply" in request.POST else None
    rows: BaseFormSet = formset(
        given,
        form_kwargs={"corpus": corpus, "turns": turns},
        initial=[{} for _turn in turns],  # as many forms
    )
    where = WhereForm(given)
    if given is not None and where.is_valid() and rows.is_valid():
        try:
            return _added(modeladmin, request, where.cleaned_data["question_set"], corpus, rows)
        except BadCases as error:
            where.add_error("question_set", str(error))
    context = {
        **modeladmin.admin_site.each_context(request),
        "title": _("Add to a question set"), "opts": modeladmin.model._meta, "corpus": corpus,
        "where": where, "rows": rows,
        "selected": [str(pk) for pk in queryset.values_list("pk", flat=True)],
        "sets": QuestionSet.objects.filter(corpus=corpus),
        "pages": Document.objects.filter(corpus=corpus).values_list("key", flat=True)[:OFFERED],
    }  # fmt: skip
    return TemplateResponse(request, "chat/add_to_question_set.html", context)


def _initial(case: Case, answer: Message | None) -> dict[str, Any]:
    abstained = answer is not None and answer.outcome == Message.Outcome.NOT_IN_CONTENT
    return {
        "include": True, "question": case.question, "page": case.answer_page,
        "heading": case.answer_heading, "not_in_content": abstained,
    }  # fmt: skip


def _added(
    modeladmin: admin.ModelAdmin, request: HttpRequest, slug: str, corpus: Corpus, rows: BaseFormSet
) -> HttpResponseRedirect:
    chosen = [form for form in rows.forms if form.cleaned_data["include"]]
    question_set = set_named(slug, corpus)
    store(question_set, [form.case for form in chosen])
    for form in chosen:
        question_set.questions.filter(key=form.draft.id).update(message=form.said or form.asked)
    said = ngettext(
        "%d question is in the set now.", "%d questions are in the set now.", len(chosen)
    )
    modeladmin.message_user(request, said % len(chosen), messages.SUCCESS)
    address = reverse("admin:chat_question_changelist")
    return HttpResponseRedirect(f"{address}?question_set__id__exact={question_set.pk}")


def of_messages(chosen: QuerySet[Any]) -> list[Message]:
    return list(chosen.select_related("conversation__corpus"))


def of_conversations(chosen: QuerySet[Any]) -> list[Message]:
    asked = Message.objects.filter(conversation__in=chosen, role=Message.Role.USER)
    return of_messages(asked)
