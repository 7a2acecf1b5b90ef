"""The websocket: frames of protocol version 1 in, events out. docs/api.md shows every frame."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError
from django.http import parse_cookie
from rest_framework.exceptions import ValidationError

from chat.access import corpus_of
from chat.auth import visitors
from chat.auth.addresses import client_address
from chat.auth.authentication import (
    CREDENTIALS,
    ForeignOrigin,
    InvalidCredential,
    headers_of,
    principal_for,
)
from chat.auth.principal import Principal
from chat.auth.sessions import user_of
from chat.events import Done, Error, as_json
from chat.frames import (
    FIELDS,
    QUESTION,
    VERSION,
    ProtocolError,
    credential_in,
    key_in,
    number_in,
    parse,
)
from chat.journal.entries import Entry
from chat.models import Conversation, Message
from chat.retelling import entries_of
from chat.running import is_told, running
from chat.serializers import QuestionSerializer
from chat.sockets import Socket, TooManySockets, sockets
from chat.turns import Turn
from documents import request_id
from documents.idempotency import claimed
from documents.models import Corpus
from documents.permissions import demand
from documents.powers import Power
from documents.problems import DATABASE_AWAY, RETRY_AFTER, Problem
from documents.threads import in_database_thread

logger = logging.getLogger(__name__)

UNAUTHORIZED, FOREIGN_ORIGIN, TOO_MANY = 4401, 4403, 4429
RESTARTING, TRY_LATER = 1012, 1013


Entries = AsyncGenerator[Entry, None]
HEADERS = {"authorization": "authorization", "visitor_token": visitors.HEADER.lower()}


class SlowReader(OSError):
    """It takes nothing any more; what was sent waits in buffers."""


class ChatConsumer(AsyncWebsocketConsumer):
    """One reader's socket; it follows one answer at a time. The answer outlives it."""

    channel_layer_alias = None  # a socket without Redis is one that Redis cannot take away
    token: str = ""  # for a visitor who came without one
    visitor: str = ""  # who that is
    following: asyncio.Task[None] | None = None
    followed: UUID | None = None  # the answer
    asked: str = ""  # the id that the client gave the frame which began it
    number: int = 0  # of frames sent
    shown: dict[str, str] = {}  # the credential of an "authenticate" frame, by header
    socket: Socket | None = None  # as it is registered
    is_closed: bool = False  # by us: frames that were on their way are not heard any more

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:  # however it ended: Channels does not always say so
            if self.socket is not None:
                sockets().leave(self.socket)
            await self._stop_following()

    async def connect(self) -> None:
        await self.accept()
        self.token = visitors.new_token()
        self.visitor = visitors.visitor_id(self.token) or ""
        async with self._told():
            await self._enter()
        if self.socket is None and not self.is_closed:
            await self.close(TRY_LATER)  # nobody would look after it

    async def _enter(self, to: str | None = None) -> None:
        """As whoever the credential says; greet with what that lets one ask."""
        principal, corpora = await self._who()
        socket = Socket(principal, self._expires, self._no_longer)
        if self.socket is not None:
            sockets().leave(self.socket)
        sockets().enter(socket)
        self.socket = socket
        ready = {
            "type": "ready",
            "corpora": corpora,
            "expires_at": principal.expires_at and principal.expires_at.isoformat(),
            "visitor_token": self.token if principal.id == self.visitor else None,
            "request_id": request_id.current(),
        }
        await self._send(ready, to)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.is_closed:
            return
        try:
            frame = parse(text_data)
        except ProtocolError as error:
            await self._refuse(error, None)
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

    async def _stop_following(self) -> None:
        if self.following and not self.following.done():
            self.following.cancel()
            with suppress(asyncio.CancelledError):
                await self.following

    async def _ask(self, frame: dict[str, Any]) -> None:
        self._must_be_free()
        turn = await self._open_turn(frame)
        if isinstance(turn, Turn):
            running().start(turn)
            self._follow(turn.id, running().follow(turn.id), frame["id"])
        else:
            self._follow(turn, await self._begun_before(turn), frame["id"])

    async def _resume(self, frame: dict[str, Any]) -> None:
        self._must_be_free()
        message, after = as_uuid(frame.get("message")), number_in(frame, "after")
        if message is None or (entries := await self._entries_of_mine(message, after)) is None:
            raise Problem(404, "not_found", "There is no such answer of yours.")
        self._follow(message, entries, frame["id"])

    def _must_be_free(self) -> None:
        if self.following and not self.following.done():
            raise Problem(409, "busy", "A question is being answered; stop it or wait.")

    def _follow(self, message: UUID, entries: Entries, to: str) -> None:
        self.followed, self.asked = message, to
        # A task, so that this socket still hears "stop", "ping" and the hang-up meanwhile.
        self.following = asyncio.create_task(self._tell(entries, to))

    async def _tell(self, entries: Entries, to: str) -> None:
        async with self._told(to), aclosing(entries):
            number = None
            async for number, event in entries:
                await self._send({**as_json(event), "event_id": number}, to)
                if isinstance(event, (Done, Error)):
                    return
            if running().ends:  # and another process answers
                await self.close(RESTARTING)
            elif number is None:
                raise Problem(410, "ended", "The answer ended before: there is nothing to tell.")

    async def _stop(self, frame: dict[str, Any]) -> None:
        busy = self.following is not None and not self.following.done()
        if not busy or self.followed is None or self.asked != frame["id"]:
            raise ProtocolError("nothing_to_stop", "No question with this id is being answered.")
        await running().stop(self.followed)

    async def _authenticate(self, frame: dict[str, Any]) -> None:
        """From now on; whoever the socket was before, it is not any more. While an answer is told
        it can only be renewed: by the same one."""
        name, credential = credential_in(frame)
        before, self.shown = self.shown, {HEADERS[name]: credential}
        if self.following and not self.following.done() and self.socket is not None:
            principal, _corpora = await self._who()
            if principal.owner != self.socket.principal.owner:
                self.shown = before
                self._must_be_free()
        await self._enter(frame["id"])

    async def _expires(self, at: datetime) -> None:
        async with self._told():
            await self._send({"type": "expires", "expires_at": at.isoformat()})

    async def _no_longer(self, detail: str) -> None:
        """The credential: what is being told is not told to its end, and nothing else is."""
        async with self._told():
            await self._stop_following()
            raise InvalidCredential(detail)

    @asynccontextmanager
    async def _told(self, to: str | None = None) -> AsyncIterator[None]:
        """Whatever goes wrong in here, the client is told, and the connection stays unless it has
        to end. Never raises."""
        try:
            yield
        except Exception as error:
            await self._refuse(error, to)

    async def _refuse(self, error: Exception, to: str | None) -> None:
        try:
            if not isinstance(error, OSError):
                refusal, code = _refusal(error)
                await self._send(as_json(refusal), to)
                if code is not None:
                    await self.close(code)
                return
        except OSError as gone:  # while it was told
            error = gone
        if isinstance(error, SlowReader):
            await self._hang_up()
        else:
            logger.debug("A socket was gone before it could be told")

    @in_database_thread
    def _who(self) -> tuple[Principal, list[dict[str, str]]]:
        """And the corpora that this lets one ask."""
        principal = self._authenticated()
        readable = Corpus.objects.filter(pk__in=principal.corpora)
        return principal, [{"slug": c.slug, "name": c.name} for c in readable]

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

    async def _begun_before(self, answer: UUID) -> Entries:
        """By the same question; it may be so new that it has no row."""
        return await self._entries_of_mine(answer) or running().follow(answer)

    @in_database_thread
    def _entries_of_mine(self, answer: UUID, after: int = 0) -> Entries | None:
        answers = Message.objects.of(self._authenticated()).filter(role=Message.Role.ASSISTANT)
        found = answers.select_related("conversation").filter(pk=answer).first()
        return None if found is None else entries_of(found, after)

    @in_database_thread
    def _open_turn(self, frame: dict[str, Any]) -> Turn | UUID:
        """A new one; or the answer that the same question began, when it is sent again."""
        key = key_in(frame)
        body = QuestionSerializer(data={name: frame[name] for name in QUESTION if name in frame})
        try:
            body.is_valid(raise_exception=True)
        except ValidationError as error:
            raise Problem(400, "invalid", json.dumps(error.detail, default=str)) from error
        principal = self._authenticated()
        conversation = self._conversation(frame, principal)
        turn = Turn.of(body.validated_data, conversation, principal)
        if key is None:
            return turn
        said = {name: frame[name] for name in FIELDS["ask"] if name in frame}
        kept, is_new = claimed([principal.owner, "ask", self.scope["path"], key], said, _has_begun)
        if not is_new:
            return kept.target
        turn.kept, turn.id = kept, kept.target
        return turn

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

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        if not self.is_closed:
            self.is_closed = True
            await super().close(code, reason)

    async def _hang_up(self) -> None:
        """The frame that says so may have to wait as well."""
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(1):
                await self.close(TRY_LATER)

    async def _send(self, frame: dict[str, Any], to: str | None = None) -> None:
        if self.is_closed:
            return
        self.number += 1
        frame = {"v": VERSION, "seq": self.number, "id": to, **frame}
        try:
            async with asyncio.timeout(settings.SLOW_READER_SECONDS):
                await self.send(json.dumps(frame, ensure_ascii=False))
        except RuntimeError as error:
            # The server has closed it meanwhile, for a frame that is no text or too long.
            self.is_closed = True
            raise ConnectionError("The socket is closed.") from error
        except TimeoutError:
            logger.info("A socket took nothing for a while: it is closed.")
            raise SlowReader from None


def _refusal(error: Exception) -> tuple[Error, int | None]:
    """What the client is told, and the code with which the socket is closed, if it is."""
    match error:
        case ForeignOrigin():
            return Error(error.default_code, str(error.detail), 403), FOREIGN_ORIGIN
        case InvalidCredential():
            return Error("unauthorized", str(error.detail), 401), UNAUTHORIZED
        case ProtocolError():
            return Error(error.code, str(error), 400), None
        case TooManySockets():
            refusal = Error("too_many_sockets", str(error), 429)
            return refusal, TOO_MANY if error.mine else TRY_LATER
        case Problem():
            detail = str(error.detail)
            return Error(error.problem_code, detail, error.status_code, error.wait), None
        case DatabaseError():
            logger.error("The database failed on a socket: %s", type(error).__name__)
            return Error("database_unavailable", DATABASE_AWAY, 503, RETRY_AFTER), None
    logger.error("A socket met something that nobody expected", exc_info=error)
    return Error("internal", "Something went wrong on our side.", 500), None


def _has_begun(answer: UUID) -> bool:
    return is_told(answer) or Message.objects.filter(pk=answer).exists()


def as_uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
