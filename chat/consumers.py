"""The websocket: frames of protocol version 1 in, events out. docs/api.md shows every frame."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from django.http import parse_cookie
from rest_framework.exceptions import ValidationError

from chat.access import corpus_of, scope_of
from chat.auth import visitors
from chat.auth.addresses import client_address
from chat.auth.authentication import InvalidCredential, principal_for
from chat.auth.principal import Principal
from chat.auth.sessions import user_of
from chat.context import Surroundings
from chat.events import Error, Event, as_json
from chat.models import Conversation
from chat.pipeline import answer
from chat.serializers import QuestionSerializer
from chat.turns import Turn
from documents.models import Corpus
from documents.problems import Problem
from documents.threads import in_database_thread

logger = logging.getLogger(__name__)

VERSION = 1
MAX_FRAME = 64 * 1024  # characters
UNAUTHORIZED = 4401
ASKED = ("question", "filters", "page", "selection")  # of an "ask" frame, as in REST
NO_TEXT = re.compile("[\0\ud800-\udfff]")  # neither sent back nor stored


class ProtocolError(Exception):
    """A frame that cannot be acted on. The connection stays open."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class ChatConsumer(AsyncWebsocketConsumer):
    """One reader's socket; it answers one question at a time."""

    channel_layer_alias = None  # a socket without Redis is one that Redis cannot take away
    visitor: str = ""  # who a visitor without a token is, for as long as this socket lives
    turn: Turn | None = None
    answering: asyncio.Task[None] | None = None
    asked: str = ""  # the id that the client gave the running question
    number: int = 0  # of frames sent

    async def connect(self) -> None:
        await self.accept()
        self.visitor = visitors.new_id()
        async with self._told():
            await self._send({"type": "ready", "corpora": await self._greeting()})

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            frame = parse(text_data)
        except ProtocolError as error:
            await self._send_error(error.code, str(error))
            return
        async with self._told(frame["id"]):
            match frame["type"]:
                case "ask":
                    await self._ask(frame)
                case "stop":
                    self._stop(frame)
                case "ping":
                    await self._send({"type": "pong"}, frame["id"])

    async def disconnect(self, code: int) -> None:
        if self.answering and not self.answering.done():
            self.answering.cancel()
            with suppress(asyncio.CancelledError):
                await self.answering

    async def _ask(self, frame: dict[str, Any]) -> None:
        if self.answering and not self.answering.done():
            raise Problem(409, "busy", "A question is being answered; stop it or wait.")
        self.asked = frame["id"]
        self.turn = await self._open_turn(frame)
        # A task, so that this socket still hears "stop", "ping" and the hang-up meanwhile.
        self.answering = asyncio.create_task(self._answer(self.turn, frame["id"]))

    async def _answer(self, turn: Turn, to: str) -> None:
        try:
            async with self._told(to), aclosing(answer(turn)) as events:
                async for event in events:
                    await self._send_event(event, to)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not turn.stop_requested or task is None:
                raise
            task.uncancel()
            if turn.message_id is None:
                await self._send_error("cancelled", "Stopped before it began.", to=to)
            else:
                await self._send_event(turn.done(), to)

    @asynccontextmanager
    async def _told(self, to: str | None = None) -> AsyncIterator[None]:
        """Whatever goes wrong in here, the client is told, and the connection stays."""
        try:
            yield
        except InvalidCredential as error:
            await self._send_error("unauthorized", str(error.detail), status=401, to=to)
            await self.close(UNAUTHORIZED)
        except ProtocolError as error:
            await self._send_error(error.code, str(error), to=to)
        except Problem as error:
            await self._send_error(
                error.problem_code, str(error.detail), status=error.status_code, to=to
            )
        except DatabaseError as error:
            logger.error("The database failed on a socket: %s", type(error).__name__)
            await self._send_error(
                "database_unavailable", "The database is busy or away.", status=503, to=to
            )
        except OSError:
            logger.debug("A socket was gone before it could be told")
        except Exception:
            logger.exception("A socket met something that nobody expected")
            await self._send_error(
                "internal", "Something went wrong on our side.", status=500, to=to
            )

    def _stop(self, frame: dict[str, Any]) -> None:
        running = self.answering is not None and not self.answering.done()
        if not running or self.turn is None or self.answering is None or self.asked != frame["id"]:
            raise ProtocolError("nothing_to_stop", "No question with this id is being answered.")
        if not self.turn.stop_requested:
            self.turn.stop_requested = True
            self.answering.cancel()

    @in_database_thread
    def _greeting(self) -> list[dict[str, str]]:
        readable = Corpus.objects.filter(pk__in=self._authenticated().corpora)
        return [{"slug": c.slug, "name": c.name} for c in readable]

    def _authenticated(self) -> Principal:
        """Decided anew for each question: a key may have been revoked, a user signed out."""
        headers = {k.decode("latin1").lower(): v.decode("latin1") for k, v in self.scope["headers"]}
        cookies = headers.get("cookie", "")
        if token := parse_cookie(cookies).get(visitors.COOKIE):
            headers.setdefault(visitors.HEADER.lower(), token)
        meta = {
            "REMOTE_ADDR": (self.scope.get("client") or [""])[0],
            "HTTP_X_FORWARDED_FOR": headers.get("x-forwarded-for", ""),
        }
        principal = principal_for(
            headers=headers, user=user_of(cookies), address=client_address(meta)
        )
        return principal if principal.id else replace(principal, id=self.visitor)

    @in_database_thread
    def _open_turn(self, frame: dict[str, Any]) -> Turn:
        body = QuestionSerializer(data={name: frame[name] for name in ASKED if name in frame})
        try:
            body.is_valid(raise_exception=True)
        except ValidationError as error:
            raise Problem(400, "invalid", json.dumps(error.detail, default=str)) from error
        principal = self._authenticated()
        conversation = self._conversation(frame, principal)
        return Turn(
            conversation=conversation,
            principal=principal,
            question=body.validated_data["question"],
            scope=scope_of(conversation.corpus, body.validated_data.get("filters")),
            surroundings=Surroundings.of(body.validated_data),
        )

    def _conversation(self, frame: dict[str, Any], principal: Principal) -> Conversation:
        if wanted := frame.get("conversation"):
            mine = Conversation.objects.of(principal).select_related("corpus")
            pk = as_uuid(wanted)
            found = mine.filter(pk=pk).first() if pk else None
            if found is None:
                raise Problem(404, "not_found", "There is no such conversation of yours.")
            return found
        slug = frame.get("corpus")
        if not isinstance(slug, str):
            raise Problem(400, "invalid", 'An "ask" frame names a "corpus" or a "conversation".')
        corpus = corpus_of(principal, slug)
        # Saved together with its first question, once that is admitted.
        return Conversation(corpus=corpus, owner=principal.owner)

    async def _send_event(self, event: Event, to: str) -> None:
        await self._send(as_json(event), to)

    async def _send_error(
        self, code: str, detail: str, *, status: int = 400, to: str | None = None
    ) -> None:
        await self._send(as_json(Error(code, detail, status)), to)

    async def _send(self, frame: dict[str, Any], to: str | None = None) -> None:
        self.number += 1
        frame = {"v": VERSION, "seq": self.number, "id": to, **frame}
        await self.send(json.dumps(frame, ensure_ascii=False))


def parse(text: str | None) -> dict[str, Any]:
    """A client's frame; raises ProtocolError that says what is wrong with it."""
    if text is None:
        raise ProtocolError("not_text", "Frames are JSON text, not binary.")
    if len(text) > MAX_FRAME:
        raise ProtocolError("frame_too_long", f"A frame has at most {MAX_FRAME:,} characters.")
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolError("not_json", "This frame is not JSON.") from None
    if not isinstance(frame, dict):
        raise ProtocolError("not_an_object", "A frame is a JSON object.")
    if frame.get("v") != VERSION:
        raise ProtocolError("unknown_version", f'A frame says "v": {VERSION}.')
    if frame.get("type") not in ("ask", "stop", "ping"):
        raise ProtocolError("unknown_type", '"type" is one of ask, stop, ping.')
    if not isinstance(frame.get("id"), str) or not 1 <= len(frame["id"]) <= 100:
        raise ProtocolError("bad_id", '"id" is a string of 1 to 100 characters of your choice.')
    if any(NO_TEXT.search(str(frame.get(name, ""))) for name in ("id", "corpus", "conversation")):
        raise ProtocolError("not_text", "NUL and halves of surrogate pairs are no text.")
    return frame


def as_uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
