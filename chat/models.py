"""Conversations, what was said in them, and what each answer rests on."""

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.credentials import Account as Account
from chat.credentials import ApiKey as ApiKey
from documents.models import Chunk, Corpus, TrustTier

if TYPE_CHECKING:
    from chat.auth.principal import Principal
    from chat.events import Cited


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def of(self, principal: "Principal") -> "ConversationQuerySet":
        """What this principal started, in corpora it may still read."""
        if not principal.id:
            return self.none()  # a visitor without a token: not "all visitors without one"
        return self.filter(owner=principal.owner, corpus_id__in=principal.corpora)

    def about(self, text: str) -> "ConversationQuerySet":
        """With this text in the title or in a message; of one owner's, which an index finds."""
        said = Message.objects.filter(conversation=models.OuterRef("pk"), text__icontains=text)
        return self.filter(Q(title__icontains=text) | models.Exists(said))


class Conversation(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    corpus = models.ForeignKey(Corpus, on_delete=models.CASCADE, related_name="conversations")
    owner = models.CharField(
        max_length=100, help_text=_('Who started it: "user:…", "key:…" or "visitor:…".')
    )
    title = models.CharField(max_length=200, blank=True)
    branched_from = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="branches",
        help_text=_("Its first turns are copies of turns there."),
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        permissions = [("read_conversations", "Can read what people asked and were answered")]
        indexes = [models.Index(fields=["owner", "-created_at"], name="conversation_owner_newest")]

    def __str__(self) -> str:
        return f"conversation {self.pk}"  # not its title: it is shown and kept in many places


class MessageQuerySet(models.QuerySet["Message"]):
    def said(self) -> "MessageQuerySet":
        """What a conversation consists of: of several answers to a question, one."""
        return self.filter(superseded=False).exclude(text="")

    def of(self, principal: "Principal") -> "MessageQuerySet":
        return self.filter(conversation__in=Conversation.objects.of(principal))

    def open_turn(
        self,
        conversation: Conversation,
        question: str,
        *,
        answer_id: uuid.UUID | None = None,
        process: str = "",
        again: uuid.UUID | None = None,
    ) -> tuple["Message", "Message"]:
        """Save a question, and the row its answer will be written to; a new conversation too.

        `again`: the question that is there already. The new answer takes the place of the one it
        has when it is complete, and not before: an attempt that fails changes nothing.
        """
        with transaction.atomic():
            if conversation._state.adding:
                conversation.save()
            if again is None:
                asked = self.create(
                    conversation=conversation, role=Message.Role.USER, text=question
                )
            else:
                asked = self.get(pk=again, conversation=conversation)
            answer = self.create(
                id=answer_id or uuid.uuid4(),
                process=process,
                conversation=conversation,
                role=Message.Role.ASSISTANT,
                status=Message.Status.STREAMING,
                question=asked,
                superseded=again is not None,
            )
            Conversation.objects.filter(pk=conversation.pk).update(
                updated_at=timezone.now(), title=conversation.title or question.strip()[:200]
            )
        return asked, answer

    @transaction.atomic
    def close_turn(
        self,
        answer_id: uuid.UUID,
        fields: dict[str, object],
        citations: "Sequence[Citation]",
        claims: "Sequence[Claim]",
    ) -> bool:
        """Save an answer with what it rests on; all of it or nothing, and once.

        Whether it was saved now: it may have been already, by us or by another process.
        """
        unfinished = self.filter(pk=answer_id, finished_at=None)
        if not unfinished.update(**fields, finished_at=timezone.now()):
            # The conversation was deleted meanwhile: there is nothing to keep it in. Or it is saved
            # already, and the database could not say so. Or this process was taken for dead.
            return False
        if fields["status"] == Message.Status.COMPLETE:
            self.take_place(answer_id)
        Citation.objects.bulk_create(citations)
        Claim.objects.bulk_create(claims)
        return True

    def take_place(self, answer_id: uuid.UUID) -> None:
        """Of the answer that its question has, if it is another one. Within a transaction."""
        question = self.filter(pk=answer_id, superseded=True).values_list("question", flat=True)
        asked = self.select_for_update().filter(pk__in=list(question)).first()
        if asked is not None:  # locked: another new answer to it may be complete at this moment
            asked.answers.update(superseded=True)
            self.filter(pk=answer_id).update(superseded=False)


class Message(models.Model):
    class Role(models.TextChoices):
        USER = "user", _("user")
        ASSISTANT = "assistant", _("assistant")

    class Status(models.TextChoices):
        STREAMING = "streaming", _("streaming")
        COMPLETE = "complete", _("complete")
        INTERRUPTED = "interrupted", _("interrupted")
        CANCELLED = "cancelled", _("cancelled")
        FAILED = "failed", _("failed")

    class Outcome(models.TextChoices):
        NONE = "", _("none")
        ANSWERED = "answered", _("answered")
        PARTIAL = "partial", _("partial")
        NOT_IN_CONTENT = "not_in_content", _("not in the content")
        REFUSED = "refused", _("refused")
        DEGRADED = "degraded", _("degraded")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages"
    )
    role = models.CharField(max_length=20, choices=Role)
    question = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="answers",
        help_text=_("Of an answer: what it answers. Empty in those of older versions."),
    )  # fmt: skip
    superseded = models.BooleanField(
        default=False, help_text=_("Another answer to the same question stands in its place.")
    )
    text = models.TextField(blank=True)
    status = models.CharField(max_length=20, choices=Status, default=Status.COMPLETE)
    outcome = models.CharField(max_length=20, choices=Outcome, default=Outcome.NONE, blank=True)
    model = models.CharField(max_length=200, blank=True)
    process = models.CharField(
        max_length=32, blank=True, help_text=_("Who writes it: see chat/processes.py.")
    )
    timings = models.JSONField(default=dict, blank=True)
    usage = models.JSONField(default=dict, blank=True)
    trace = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        # A question and its answer are saved together; the role keeps their order.
        ordering = ["created_at", "-role"]
        indexes = [
            models.Index(fields=["conversation", "created_at"], name="message_in_conversation"),
            models.Index(fields=["created_at"], name="message_created_at"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    status__in=["streaming", "complete", "interrupted", "cancelled", "failed"]
                ),
                name="message_status_known",
            ),
            models.CheckConstraint(
                condition=Q(role="assistant") | Q(outcome=""), name="only_answers_have_outcomes"
            ),
            models.UniqueConstraint(
                fields=["question"],
                condition=Q(superseded=False),
                name="one_answer_stands_for_a_question",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role}, message {self.pk}"


class Citation(models.Model):
    """A verified link from an answer to a chunk, with what stood there when it was cited."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="citations")
    number = models.PositiveSmallIntegerField(help_text=_("The n of [n] in the text."))
    # No database constraint: the chunk may go, and may come back with the same id.
    chunk = models.ForeignKey(
        Chunk, on_delete=models.DO_NOTHING, db_constraint=False, related_name="citations"
    )
    title = models.CharField(max_length=500)
    heading_path = models.JSONField(default=list)
    url = models.CharField(max_length=1400)
    link = models.TextField(
        blank=True, help_text=_("The url and a text fragment: a browser scrolls to the sentence.")
    )
    quote = models.TextField(help_text=_("Verbatim, as it stood in the source."))
    quote_start = models.PositiveIntegerField(help_text=_("Character in the chunk's text."))
    quote_end = models.PositiveIntegerField()
    text_hash = models.CharField(max_length=64)
    trust_tier = models.CharField(max_length=20, choices=TrustTier, default=TrustTier.UNKNOWN)

    class Meta:
        ordering = ["message", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["message", "number"], name="citation_number_once_per_message"
            ),
            models.CheckConstraint(
                condition=Q(quote_end__gte=F("quote_start")), name="quote_span_runs_forward"
            ),
        ]

    def __str__(self) -> str:
        return f"[{self.number}] {self.title}"

    @classmethod
    def of(cls, cited: "Cited", message_id: uuid.UUID, text_hash: str) -> "Citation":
        """The row that keeps what a reader was shown."""
        return cls(
            message_id=message_id, number=cited.number, chunk_id=uuid.UUID(cited.chunk_id),
            title=cited.title[:500], heading_path=cited.heading_path, url=cited.url,
            link=cited.link, quote=cited.quote, quote_start=cited.quote_start,
            quote_end=cited.quote_end, text_hash=text_hash, trust_tier=cited.trust_tier,
        )  # fmt: skip


class Claim(models.Model):
    """What was found about one sentence of an answer."""

    class Verdict(models.TextChoices):
        SUPPORTED = "supported", _("supported")
        UNSUPPORTED = "unsupported", _("unsupported")
        NO_CLAIM = "no_claim", _("no claim")

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="claims")
    position = models.PositiveSmallIntegerField()
    start = models.PositiveIntegerField(help_text=_("Characters of the answer's text."))
    end = models.PositiveIntegerField()
    verdict = models.CharField(max_length=20, choices=Verdict)
    citation_number = models.PositiveSmallIntegerField(null=True, blank=True)
    support_start = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("Characters of the cited chunk's text.")
    )
    support_end = models.PositiveIntegerField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["message", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["message", "position"], name="claim_position_once_per_message"
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["supported", "unsupported", "no_claim"]),
                name="claim_verdict_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.start}–{self.end}: {self.verdict}"


class Feedback(models.Model):
    class Rating(models.IntegerChoices):
        DOWN = -1, _("not helpful")
        UP = 1, _("helpful")

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="feedback")
    rating = models.SmallIntegerField(choices=Rating)
    comment = models.CharField(max_length=2000, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.get_rating_display()


class QuestionSet(models.Model):
    """Questions with what a right answer holds, to be asked again by `manage.py evaluate`."""

    slug = models.SlugField(unique=True)
    corpus = models.ForeignKey(Corpus, on_delete=models.CASCADE, related_name="question_sets")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug


class Question(models.Model):
    """One line of a question set; see chat/evaluation/cases.py for what its fields mean."""

    question_set = models.ForeignKey(
        QuestionSet, on_delete=models.CASCADE, related_name="questions", verbose_name=_("set")
    )
    key = models.SlugField(
        _("id"), max_length=100, allow_unicode=True, help_text=_("Stays the same between runs.")
    )
    question = models.TextField()
    type = models.CharField(
        max_length=50, default="question",
        help_text=_('Results are told by type; "unanswerable": it is not in the content.'),
    )  # fmt: skip
    answer_page = models.CharField(
        max_length=500, blank=True, help_text=_("Key of the document that answers.")
    )
    answer_heading = models.CharField(
        max_length=500, blank=True, help_text=_("The section that answers.")
    )
    key_facts = models.JSONField(
        default=list, blank=True, help_text=_('Texts that an answer must hold: ["20 percent"].')
    )
    details = models.JSONField(
        default=dict, blank=True,
        help_text=_("The other fields of its line: history, also, lang, why, near, …"),
    )  # fmt: skip
    message = models.ForeignKey(
        Message, on_delete=models.SET_NULL, null=True, blank=True, related_name="+",
        help_text=_("The answer that it was made from."),
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["question_set", "created_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["question_set", "key"], name="question_key_once_per_set"
            ),
            models.CheckConstraint(
                condition=(Q(type="unanswerable") & Q(answer_page=""))
                | (~Q(type="unanswerable") & ~Q(answer_page="")),
                name="answerable_questions_have_a_page",
                violation_error_message=_(
                    "Name the page that answers; with the type unanswerable, leave it empty."
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.question[:60]


class AnswerModelQuerySet(models.QuerySet["AnswerModel"]):
    def chosen(self) -> dict[str, list[str]]:
        """Names of the enabled models in their order, by provider."""
        found: dict[str, list[str]] = {}
        for provider, name in self.filter(enabled=True).values_list("provider", "name"):
            found.setdefault(provider, []).append(name)
        return found


class AnswerModel(models.Model):
    """A model that may write answers. Where a provider has any, they count instead of those that
    the settings name for it."""

    class Provider(models.TextChoices):
        OPENROUTER = "openrouter", "OpenRouter"
        OPENAI = "openai", _("OpenAI-compatible server")

    provider = models.CharField(max_length=20, choices=Provider, default=Provider.OPENROUTER)
    name = models.CharField(
        max_length=200,
        validators=[RegexValidator(r"^[\w.:/@~+-]+\Z", _("A model's name has no spaces."))],
        help_text=_('As the provider calls it, for example "vendor/model" or "vendor/model:free".'),
    )
    position = models.PositiveSmallIntegerField(
        default=1, help_text=_("The lowest is asked first; OpenRouter's before the other server's.")
    )
    enabled = models.BooleanField(default=True)

    objects = AnswerModelQuerySet.as_manager()

    class Meta:
        ordering = ["-provider", "position", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "name"], name="answer_model_once_per_provider"
            )
        ]

    def __str__(self) -> str:
        return self.name
