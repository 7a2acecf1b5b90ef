"""The websocket: frames of protocol version 1 in, events out. docs/api.md shows every frame."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError
from django.http import parse_cookie
from rest_framework.exceptions import ValidationError

from chat.access import corpus_of, scope_of
from chat.auth import visitors
from chat.auth.addresses import client_address
from chat.auth.authentication import (
    CREDENTIALS,
    InvalidCredential,
    headers_of,
    principal_for,
)
from chat.auth.principal import Principal
from chat.auth.sessions import user_of
from chat.context import Surroundings
from chat.events import Error, as_json
from chat.models import Conversation, Message
from chat.running import running
from chat.serializers import QuestionSerializer
from chat.turns import Turn
from documents.models import Corpus
from documents.permissions import demand
from documents.powers import Power
from documents.problems import Problem
from documents.threads import in_database_thread

logger = logging.getLogger(__name__)

VERSION = 1
MAX_FRAME = 64 * 1024  # characters
UNAUTHORIZED, TRY_LATER = 4401, 1013
TYPES = ("ask", "resume", "stop", "authenticate", "ping")
ASKED = ("question", "filters", "page", "selection")  # of an "ask" frame, as in REST
NO_TEXT = re.compile("[\0\ud800-\udfff]")  # neither sent back nor stored


class ProtocolError(Exception):
    """A frame that cannot be acted on. The connection stays open."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class SlowReader(OSError):
    """It takes nothing any more; what was sent waits in buffers."""


class ChatConsumer(AsyncWebsocketConsumer):
    """One reader's socket; it follows one answer at a time. The answer outlives it."""

    channel_layer_alias = None  # a socket without Redis is one that Redis cannot take away
    visitor: str = ""  # who a visitor without a token is, for as long as this socket lives
    following: asyncio.Task[None] | None = None
    followed: UUID | None = None  # the answer
    asked: str = ""  # the id that the client gave the frame which began it
    number: int = 0  # of frames sent
    shown: Mapping[str, str] = {}  # credentials of an "authenticate" frame, by header

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
                case "resume":
                    await self._resume(frame)
                case "stop":
                    await self._stop(frame)
                case "authenticate":
                    await self._authenticate(frame)
                case "ping":
                    await self._send({"type": "pong"}, frame["id"])

    async def disconnect(self, code: int) -> None:
        if self.following and not self.following.done():
            self.following.cancel()
            with suppress(asyncio.CancelledError):
                await self.following

    async def _ask(self, frame: dict[str, Any]) -> None:
        self._must_be_free()
        turn = await self._open_turn(frame)
        running().start(turn)
        self._follow(turn.id, 0, frame["id"])

    async def _resume(self, frame: dict[str, Any]) -> None:
        self._must_be_free()
        message, after = as_uuid(frame.get("message")), frame.get("after", 0)
        if not isinstance(after, int) or isinstance(after, bool) or not 0 <= after < 10**9:
            raise Problem(400, "bad_event_number", '"after" is a whole number, 0 or more.')
        if message is None or not await self._is_mine(message):
            raise Problem(404, "not_found", "There is no such answer of yours.")
        self._follow(message, after, frame["id"])

    def _must_be_free(self) -> None:
        if self.following and not self.following.done():
            raise Problem(409, "busy", "A question is being answered; stop it or wait.")

    def _follow(self, message: UUID, after: int, to: str) -> None:
        self.followed, self.asked = message, to
        # A task, so that this socket still hears "stop", "ping" and the hang-up meanwhile.
        self.following = asyncio.create_task(self._tell(message, after, to))

    async def _tell(self, message: UUID, after: int, to: str) -> None:
        async with self._told(to), aclosing(running().follow(message, after)) as entries:
            async for number, event in entries:
                await self._send({**as_json(event), "event_id": number}, to)

    async def _stop(self, frame: dict[str, Any]) -> None:
        busy = self.following is not None and not self.following.done()
        if not busy or self.followed is None or self.asked != frame["id"]:
            raise ProtocolError("nothing_to_stop", "No question with this id is being answered.")
        await running().stop(self.followed)

    async def _authenticate(self, frame: dict[str, Any]) -> None:
        """From now on; whoever the socket was before, it is not any more."""
        self._must_be_free()
        shown = {
            header: frame[name]
            for name, header in (
                ("authorization", "authorization"),
                ("visitor_token", visitors.HEADER.lower()),
            )
            if name in frame
        }
        if len(shown) != 1 or not all(isinstance(value, str) for value in shown.values()):
            raise ProtocolError(
                "invalid", 'An "authenticate" frame has "authorization" or "visitor_token".'
            )
        self.shown = shown
        await self._send({"type": "ready", "corpora": await self._greeting()}, frame["id"])

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
        except SlowReader:
            await self._hang_up()
        except OSError:
            logger.debug("A socket was gone before it could be told")
        except Exception:
            logger.exception("A socket met something that nobody expected")
            await self._send_error(
                "internal", "Something went wrong on our side.", status=500, to=to
            )

    @in_database_thread
    def _greeting(self) -> list[dict[str, str]]:
        readable = Corpus.objects.filter(pk__in=self._authenticated().corpora)
        return [{"slug": c.slug, "name": c.name} for c in readable]

    def _authenticated(self) -> Principal:
        """Decided anew for each question: a key may have been revoked, a user signed out."""
        headers = headers_of(self.scope["headers"])
        if self.shown:  # instead of all that the connection began with
            headers = {k: v for k, v in headers.items() if k not in CREDENTIALS} | {**self.shown}
        cookies = headers.get("cookie", "")
        if "authorization" not in headers and (token := parse_cookie(cookies).get(visitors.COOKIE)):
            headers.setdefault(visitors.HEADER.lower(), token)
        meta = {
            "REMOTE_ADDR": (self.scope.get("client") or [""])[0],
            "HTTP_X_FORWARDED_FOR": headers.get("x-forwarded-for", ""),
        }
        principal = principal_for(
            headers=headers, user=user_of(cookies), address=client_address(meta)
        )
        demand(principal, Power.CHAT)
        return principal if principal.id else replace(principal, id=self.visitor)

    @in_database_thread
    def _is_mine(self, message: UUID) -> bool:
        mine = Conversation.objects.of(self._authenticated())
        return Message.objects.filter(pk=message, conversation__in=mine).exists()

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

    async def _hang_up(self) -> None:
        """The frame that says so may have to wait as well."""
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(1):
                await self.close(TRY_LATER)

    async def _send_error(
        self, code: str, detail: str, *, status: int = 400, to: str | None = None
    ) -> None:
        await self._send(as_json(Error(code, detail, status)), to)

    async def _send(self, frame: dict[str, Any], to: str | None = None) -> None:
        self.number += 1
        frame = {"v": VERSION, "seq": self.number, "id": to, **frame}
        try:
            async with asyncio.timeout(settings.SLOW_READER_SECONDS):
                await self.send(json.dumps(frame, ensure_ascii=False))
        except TimeoutError:
            logger.info("A socket took nothing for a while: it is closed.")
            raise SlowReader from None


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
    if frame.get("type") not in TYPES:
        raise ProtocolError("unknown_type", '"type" is one of {}.'.format(", ".join(TYPES)))
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
