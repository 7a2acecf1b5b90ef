"""What a reader thinks of an answer."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chat.models import Feedback, Message
from chat.serializers import FeedbackSerializer, GivenSerializer
from chat.views.requests import principal_of
from documents.closed import Strict
from documents.idempotency import idempotent
from documents.kept_requests import KeptRequest
from documents.powers import Power

RATINGS = {"up": Feedback.Rating.UP, "down": Feedback.Rating.DOWN}


class MessageFeedback(Strict, APIView):
    """Feedback on one answer."""

    needs = Power.CHAT

    def answer(self) -> Message:
        answers = Message.objects.of(principal_of(self.request)).filter(role=Message.Role.ASSISTANT)
        return get_object_or_404(answers, pk=self.kwargs["message_id"])

    @extend_schema(responses={200: GivenSerializer})
    def get(self, request: Request, message_id: UUID) -> Response:
        """The feedback that was given on an answer."""
        given = get_object_or_404(Feedback.objects.filter(message=self.answer()))
        return Response(GivenSerializer(given).data)

    @extend_schema(request=FeedbackSerializer, responses={200: GivenSerializer})
    def put(self, request: Request, message_id: UUID) -> Response:
        """Say what an answer is worth. It takes the place of what was said before."""
        body = FeedbackSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given, _is_new = Feedback.objects.update_or_create(
            message=self.answer(),
            defaults={
                "rating": RATINGS[body.validated_data["rating"]],
                "comment": body.validated_data.get("comment", ""),
            },
        )
        return Response(GivenSerializer(given).data)

    @extend_schema(request=FeedbackSerializer, responses={200: GivenSerializer})
    @idempotent
    def post(self, request: Request, message_id: UUID) -> Response:
        """The same as PUT."""
        given = self.put(request, message_id)
        if kept := request.kept:  # type: ignore[attr-defined]
            kept.target = message_id  # deleted with it
        return given

    @extend_schema(responses={204: None})
    def delete(self, request: Request, message_id: UUID) -> Response:
        """Take feedback back."""
        answer = self.answer()
        Feedback.objects.filter(message=answer).delete()
        # What it was answered holds the comment. The request that asked has no status.
        KeptRequest.objects.filter(target=answer.pk).exclude(status=None).delete()
        return Response(status=204)
