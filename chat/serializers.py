"""The shapes of the API: closed field lists, length limits, no free-form input."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from chat.events import DEGRADED
from chat.models import Citation, Claim, Conversation, Feedback, Message
from chat.questions import SELECTION_MAX_CHARS, InvalidQuestion, clean_question, clean_selection
from chat.standing import Standing
from documents.closed import Choice, Closed, Identifier, PageQuery, Query, Slug, Text, Truth, Whole
from documents.models import TrustTier
from documents.serializers import ProblemSerializer

__all__ = ["ProblemSerializer"]

MAX_NARROWING = 50  # values in one filter
PAGE_MAX_CHARS = 1000  # as long as the address of a document may be


class FiltersSerializer(Closed):
    """Narrow the search. Every list means "one of these"."""

    sources = serializers.ListField(child=Slug(), max_length=MAX_NARROWING, required=False)
    languages = serializers.ListField(
        child=Text(max_length=20), max_length=MAX_NARROWING, required=False
    )
    versions = serializers.ListField(
        child=Text(max_length=50), max_length=MAX_NARROWING, required=False
    )
    sections = serializers.ListField(
        child=Text(max_length=300), max_length=MAX_NARROWING, required=False
    )
    trust_tiers = serializers.ListField(
        child=Choice(TrustTier.choices), max_length=MAX_NARROWING, required=False
    )


def words(max_chars: int) -> dict[str, Any]:
    """As OpenAPI says it: with a word in it."""
    return {"type": "string", "minLength": 1, "maxLength": max_chars, "pattern": r"\w"}


@extend_schema_field(words(settings.QUESTION_MAX_CHARS))
class QuestionField(Text):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(error_messages={"blank": "The question has no words in it."}, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            return clean_question(text, max_chars=settings.QUESTION_MAX_CHARS)
        except InvalidQuestion as error:
            raise serializers.ValidationError(str(error), code=error.code) from error


class PageField(Text):
    """An address; one that no document has is ignored."""

    def __init__(self, **kwargs: Any) -> None:
        help_text = (
            "Address of the page that the reader is on; its sections weigh more. Fragment and "
            "query do not count. An address that is not in the content is ignored."
        )
        super().__init__(
            required=False,
            allow_blank=True,
            max_length=PAGE_MAX_CHARS,
            help_text=help_text,
            **kwargs,
        )


@extend_schema_field(words(SELECTION_MAX_CHARS))
class SelectedTextField(Text):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=SELECTION_MAX_CHARS,
            error_messages={"blank": "The selection has no words in it."},
            **kwargs,
        )

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            return clean_selection(text)
        except InvalidQuestion as error:
            raise serializers.ValidationError(str(error), code=error.code) from error


class SelectionSerializer(Closed):
    """A text that the reader selected. It must stand in the content: it is found there again,
    whatever its white space and markup, and the answer rests on what was found."""

    text = SelectedTextField()
    mode = Choice(
        [
            ("only", "nothing else may answer; `selection_not_found` if it is not in the content"),
            ("boost", "its sections join the candidates and weigh more; ignored if not found"),
        ]
    )


class AroundSerializer(Closed):
    """What a question is asked with. It is not kept: to ask anew, send it again."""

    filters = FiltersSerializer(required=False)
    page = PageField()
    selection = SelectionSerializer(required=False)
    store = Truth(
        default=True,
        help_text="false: nothing of the question and its answer is kept, so there is neither "
        "history nor feedback.",
    )


class QuestionSerializer(AroundSerializer):
    question = QuestionField(help_text="At most QUESTION_MAX_CHARS characters.")


class SearchSerializer(Closed):
    corpus = Slug()
    query = QuestionField()
    top_k = Whole(min_value=1, max_value=50, required=False)
    filters = FiltersSerializer(required=False)
    page = PageField()


class ConversationSerializer(serializers.ModelSerializer[Conversation]):
    corpus = serializers.SlugField(source="corpus.slug", read_only=True)

    class Meta:
        model = Conversation
        fields = ["id", "corpus", "title", "branched_from", "created_at", "updated_at"]
        read_only_fields = fields


class StartedSerializer(ConversationSerializer):
    visitor_token = serializers.CharField(
        required=False, help_text="For visitors without a credential, to come back."
    )

    class Meta(ConversationSerializer.Meta):
        fields = [*ConversationSerializer.Meta.fields, "visitor_token"]
        read_only_fields = fields


class NewConversationSerializer(Closed):
    corpus = Slug()


class TitleSerializer(Closed):
    title = Text(max_length=200, allow_blank=True, trim_whitespace=True)


class BranchSerializer(Closed):
    message = Identifier(help_text="A question; what was said before it is taken along.")


class DeletedSerializer(serializers.Serializer[dict[str, int]]):
    """How many rows were deleted. Nothing is left of them."""

    messages = serializers.IntegerField()
    citations = serializers.IntegerField()
    claims = serializers.IntegerField()
    feedback = serializers.IntegerField()


class ConversationQuery(PageQuery):
    q = Text(required=False, max_length=200, help_text="Stands in the title or in a message.")
    corpus = Slug(required=False, help_text="Its slug.")


class ExportQuery(Query):
    format = Choice(["json", "markdown"], required=False)


class FeedbackSerializer(Closed):
    rating = Choice(["up", "down"])
    comment = Text(max_length=2000, allow_blank=True, required=False)


class GivenSerializer(serializers.Serializer[Feedback]):
    """Feedback as it stands."""

    rating = serializers.ChoiceField(["up", "down"])
    comment = serializers.CharField()

    def to_representation(self, feedback: Feedback) -> dict[str, Any]:
        rating = "up" if feedback.rating == Feedback.Rating.UP else "down"
        return {"rating": rating, "comment": feedback.comment}


class CitationSerializer(serializers.ModelSerializer[Citation]):
    chunk_id = serializers.UUIDField()
    link = serializers.SerializerMethodField(help_text="The url, and the sentence to scroll to.")
    peer_reviewed = serializers.SerializerMethodField()

    class Meta:
        model = Citation
        fields = [
            "number", "chunk_id", "title", "heading_path", "url", "link", "quote", "quote_start",
            "quote_end", "trust_tier", "peer_reviewed",
        ]  # fmt: skip

    def get_link(self, citation: Citation) -> str:
        return citation.link or citation.url  # of before there were links

    def get_peer_reviewed(self, citation: Citation) -> bool:
        return citation.trust_tier == TrustTier.PEER_REVIEWED


class SavedCitationSerializer(CitationSerializer):
    """Read again: with what became of its source. Wants `standings` in the context."""

    standing = serializers.SerializerMethodField()
    moved_to = serializers.SerializerMethodField(help_text="Where the same text stands now.")

    class Meta(CitationSerializer.Meta):
        fields = [*CitationSerializer.Meta.fields, "standing", "moved_to"]

    @extend_schema_field(serializers.ChoiceField(["current", "moved", "changed", "gone"]))
    def get_standing(self, citation: Citation) -> str:
        return self._standing(citation).state

    def get_moved_to(self, citation: Citation) -> str:
        return self._standing(citation).moved_to

    def to_representation(self, citation: Citation) -> dict[str, Any]:
        shown = super().to_representation(citation)
        if self._standing(citation).withheld:
            shown |= {"title": "", "heading_path": [], "url": "", "link": "", "quote": ""}
        return shown

    def _standing(self, citation: Citation) -> Standing:
        standings: Mapping[int, Standing] = self.context["standings"]
        return standings[citation.pk]


class ClaimSerializer(serializers.ModelSerializer[Claim]):
    citation = serializers.IntegerField(source="citation_number", allow_null=True)

    class Meta:
        model = Claim
        fields = ["start", "end", "verdict", "citation", "support_start", "support_end", "reason"]


class MessageSerializer(serializers.ModelSerializer[Message]):
    citations = SavedCitationSerializer(many=True, read_only=True)
    claims = ClaimSerializer(many=True, read_only=True)
    feedback = GivenSerializer(allow_null=True, read_only=True)

    class Meta:
        model = Message
        fields = [
            "id", "role", "question", "superseded", "text", "status", "outcome", "model",
            "created_at", "finished_at", "citations", "claims", "feedback",
        ]  # fmt: skip


class ExportSerializer(ConversationSerializer):
    """A conversation with everything that was said in it, oldest first."""

    messages = MessageSerializer(many=True, read_only=True)

    class Meta(ConversationSerializer.Meta):
        fields = [*ConversationSerializer.Meta.fields, "messages"]
        read_only_fields = fields


class SourceSerializer(serializers.Serializer[dict[str, Any]]):
    """Where a passage stands."""

    chunk_id = serializers.UUIDField()
    title = serializers.CharField()
    heading_path = serializers.ListField(child=serializers.CharField())
    url = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    version = serializers.CharField()
    language = serializers.CharField()
    trust_tier = serializers.ChoiceField(TrustTier.choices)
    peer_reviewed = serializers.BooleanField()


class PassageSerializer(SourceSerializer):
    text = serializers.CharField()
    line_start = serializers.IntegerField()
    line_end = serializers.IntegerField()


class SearchResultSerializer(serializers.Serializer[dict[str, Any]]):
    query = serializers.CharField()
    degraded = serializers.ListField(child=serializers.ChoiceField(DEGRADED))
    passages = PassageSerializer(many=True)
    timings = serializers.DictField(child=serializers.FloatField())


class CopiedSerializer(serializers.Serializer[dict[str, Any]]):
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    words = serializers.IntegerField()


class AnswerSerializer(serializers.Serializer[dict[str, Any]]):
    """The `done` event: an answer as it was saved."""

    type = serializers.CharField()
    conversation_id = serializers.UUIDField()
    message_id = serializers.UUIDField()
    status = serializers.ChoiceField(Message.Status.choices)
    outcome = serializers.ChoiceField(Message.Outcome.choices)
    text = serializers.CharField()
    citations = CitationSerializer(many=True)
    claims = ClaimSerializer(many=True)
    copied = CopiedSerializer(many=True)
    nearest = SourceSerializer(many=True)
    degraded = serializers.ListField(child=serializers.ChoiceField(DEGRADED))
    model = serializers.CharField()
    extractive = serializers.BooleanField()
    cached = serializers.BooleanField()
    usage = serializers.DictField()
    timings = serializers.DictField(child=serializers.FloatField())


class EventsSerializer(serializers.Serializer[dict[str, Any]]):
    """What was told after an event: each with its number as `id`; see docs/api.md."""

    events = serializers.ListField(child=serializers.DictField())
    complete = serializers.BooleanField(help_text="The last of them ends the answer.")
