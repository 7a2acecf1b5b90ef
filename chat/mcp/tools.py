"""`search` and `ask`: the same paths, scopes and budgets as over REST."""

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any
from uuid import UUID

from django.conf import settings
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from chat.access import corpus_of
from chat.calls import failure_of, heard, turn_of
from chat.completions.grounding import grounding_of
from chat.events import Done, Error, Stage
from chat.limits import admit
from chat.mcp import schemas
from chat.mcp.callers import Caller, caller_in
from chat.mcp.texts import answer_text, found_text
from chat.serializers import SearchSerializer
from chat.turns import Turn
from chat.views.search import found_json, search
from documents.models import Corpus
from documents.permissions import demand
from documents.powers import Power
from documents.problems import Problem
from documents.threads import in_database_thread

Context = ServerRequestContext[Any, Any]
Arguments = Mapping[str, Any]
TAKEN = {
    "search": {"query", "corpus", "top_k", "filters"},
    "ask": {"question", "corpus", "filters", "conversation_id"},
}


async def list_tools(context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
    """Those that the caller's credential is for."""
    caller, longest = caller_in(context), settings.QUESTION_MAX_CHARS
    corpora = await in_database_thread(caller.corpora)()
    search = Tool(
        name="search", title="Search the documentation", description=schemas.SEARCH_SAYS,
        input_schema=schemas.search_takes(corpora, longest), output_schema=schemas.SEARCH_RETURNS,
        annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
    )  # fmt: skip
    ask = Tool(
        name="ask", title="Ask the documentation", description=schemas.ASK_SAYS,
        input_schema=schemas.ask_takes(corpora, longest), output_schema=schemas.ASK_RETURNS,
        # It keeps what was asked and answered.
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, open_world_hint=False
        ),
    )  # fmt: skip
    needed = {Power.SEARCH: search, Power.CHAT: ask}
    may = caller.principal.may
    return ListToolsResult(tools=[tool for power, tool in needed.items() if may(power)])


async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
    """What goes wrong is told as a result, so that the model can read it and do better."""
    tools = {"search": searched, "ask": asked}
    if params.name not in tools:
        raise MCPError(INVALID_PARAMS, "There are the tools search and ask.")
    arguments = params.arguments or {}
    try:
        if unknown := arguments.keys() - TAKEN[params.name]:
            raise Problem(400, "invalid", f"{min(unknown)}: This tool takes no such argument.")
        return await tools[params.name](context, arguments)
    except Exception as error:
        return failed(failure_of(error))


async def searched(context: Context, arguments: Arguments) -> CallToolResult:
    caller = caller_in(context)
    demand(caller.principal, Power.SEARCH)
    told, corpus = await _checked(caller, arguments)
    await admit(caller.principal, "questions")
    found = found_json(await search(told, corpus))
    passages = [{**p, "url": caller.absolute(p["url"])} for p in found["passages"]]
    return CallToolResult(
        content=[TextContent(text=found_text(passages))],
        structured_content={
            "query": found["query"], "degraded": found["degraded"], "passages": passages
        },
    )  # fmt: skip


async def asked(context: Context, arguments: Arguments) -> CallToolResult:
    caller = caller_in(context)
    turn, last, stages = await _opened(caller, arguments), None, 0
    async with aclosing(heard(turn)) as entries:
        async for entry in entries:
            last = entry.event
            if isinstance(last, Stage):
                stages += 1
                await context.session.report_progress(stages, message=last.stage)
    if isinstance(last, Error):
        return failed(last)
    assert isinstance(last, Done)  # noqa: S101 - the pipeline's promise
    answer = {"text": last.text, **grounding_of(last, caller.absolute)}
    return CallToolResult(
        content=[TextContent(text=answer_text(answer))], structured_content=answer
    )


def failed(error: Error) -> CallToolResult:
    about = {"code": error.code, "status": error.status, "retry_after": error.retry_after}
    return CallToolResult(
        content=[TextContent(text=f"{error.code}: {error.detail}")],
        is_error=True,
        _meta={"error": about},
    )


@in_database_thread
def _checked(caller: Caller, arguments: Arguments) -> tuple[dict[str, Any], Corpus]:
    slug = caller.corpus(arguments.get("corpus"))
    serializer = SearchSerializer(data={**arguments, "corpus": slug})
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data, corpus_of(caller.principal, slug)


@in_database_thread
def _opened(caller: Caller, arguments: Arguments) -> Turn:
    named = arguments.get("conversation_id")
    try:
        conversation_id = UUID(named) if named else None
    except (ValueError, AttributeError, TypeError):
        raise Problem(400, "invalid", "conversation_id: This is no UUID.") from None
    told = {name: arguments[name] for name in ("question", "filters") if name in arguments}
    slug = caller.corpus(arguments.get("corpus"))
    return turn_of(caller.principal, slug, told, conversation_id=conversation_id)
