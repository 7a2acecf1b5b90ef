"""`manage.py ask`: ask from a terminal, one more transport."""

import asyncio
import json
from argparse import ArgumentParser
from contextlib import aclosing
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from chat.auth.principal import Principal
from chat.citation_styles import STYLES, Style
from chat.context import Surroundings
from chat.events import Delta, Done, Error, Event, Restart, as_json
from chat.models import Conversation, Message
from chat.pipeline import AnswerPipeline
from chat.questions import InvalidQuestion, clean_question, clean_selection
from chat.references import references
from chat.turns import Turn
from documents.models import Corpus


class Command(BaseCommand):
    help = "Ask a question; the answer streams, its citations follow."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("question")
        parser.add_argument("--corpus", help="needed when there is more than one")
        parser.add_argument("--page", default="", metavar="URL", help="the page you are reading")
        parser.add_argument("--selection", metavar="TEXT", help="answer from this text of it")
        parser.add_argument(
            "--boost", action="store_true", help="from other sections as well, if they are better"
        )
        shown = parser.add_mutually_exclusive_group()
        shown.add_argument("--json", action="store_true", help="one event a line, as JSON")
        shown.add_argument(
            "--citations", choices=sorted(STYLES), help="the citations in this style, at the end"
        )

    def handle(self, *, question: str, **options: Any) -> None:
        try:
            question = clean_question(question, max_chars=settings.QUESTION_MAX_CHARS)
            selection = clean_selection(options["selection"]) if options["selection"] else ""
        except InvalidQuestion as error:
            raise CommandError(str(error)) from error
        corpus = self._corpus(options["corpus"])
        principal = Principal("user", "terminal", frozenset([corpus.pk]))
        conversation = Conversation.objects.create(corpus=corpus, owner=principal.owner)
        around = Surroundings(options["page"], selection, selection_only=not options["boost"])
        turn = Turn(conversation, principal, question, principal.scope, surroundings=around)
        # Built here, outside of the event loop: loading a model takes a moment.
        pipeline = AnswerPipeline.from_settings()
        failure = asyncio.run(self._answer(pipeline, turn, as_lines=options["json"]))
        if failure:
            raise CommandError(f"{failure.detail} ({failure.code})")
        if options["citations"]:
            self._show_citations(turn, STYLES[options["citations"]])

    def _corpus(self, slug: str | None) -> Corpus:
        corpora = list(Corpus.objects.all() if slug is None else Corpus.objects.filter(slug=slug))
        if len(corpora) == 1:
            return corpora[0]
        known = ", ".join(Corpus.objects.values_list("slug", flat=True)) or "none yet"
        if slug is not None:
            raise CommandError(f'There is no corpus "{slug}". There are: {known}.')
        if not corpora:
            raise CommandError("There is no corpus yet. Run: manage.py ingest <folder>")
        raise CommandError(f"Say which corpus, with --corpus. There are: {known}.")

    def _show_citations(self, turn: Turn, style: Style) -> None:
        answer = Message.objects.get(conversation=turn.conversation, role=Message.Role.ASSISTANT)
        found = references(
            list(answer.citations.all()), turn.conversation.corpus_id,
            accessed=answer.created_at.date(), absolute=str,
        )  # fmt: skip
        self.stdout.write(f"\n{style.write(found).rstrip()}")

    async def _answer(
        self, pipeline: AnswerPipeline, turn: Turn, *, as_lines: bool
    ) -> Error | None:
        async with aclosing(pipeline.answer(turn)) as events:
            async for event in events:
                if as_lines:
                    self.stdout.write(json.dumps(as_json(event), ensure_ascii=False))
                else:
                    self._show(event)
                if isinstance(event, Error):
                    return event
        return None

    def _show(self, event: Event) -> None:
        if isinstance(event, Delta):
            self.stdout.write(event.text, ending="")
            self.stdout.flush()
        elif isinstance(event, Restart):
            self.stdout.write(self.style.NOTICE("\n\n(once more, in other words)\n"))
        elif isinstance(event, Done):
            self.stdout.write("\n")
            for citation in event.citations:
                path = " › ".join(citation["heading_path"]) or citation["title"]
                self.stdout.write(f"[{citation['number']}] {path}\n    {citation['url']}")
            if event.nearest:
                self.stdout.write("Nearest sections:")
            for place in event.nearest:
                self.stdout.write(f"  - {' › '.join(place['heading_path'])}\n    {place['url']}")
            how = ", ".join([event.outcome, event.model or "no model", *event.degraded])
            self.stdout.write(self.style.NOTICE(f"({how})"))
