"""Documents as resources: a list by pages, and the text of the live sections of one."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from chat.auth.principal import Principal
from chat.mcp.callers import caller_in
from chat.mcp.schemas import DOCUMENT_SAYS
from documents.models import Chunk, Document
from documents.powers import Power
from documents.threads import in_database_thread

Context = ServerRequestContext[Any, Any]

MARKDOWN = "text/markdown"
TEMPLATE = "document://{corpus}/{id}"
ADDRESS = re.compile(r"document://([-\w]{1,50})/(\d{1,18})", re.ASCII)
NUMBER = re.compile(r"\d{1,18}", re.ASCII)
PAGE = 100
LONGEST = 500_000  # characters
CUT = "\n\n(The document goes on; search it for what comes after.)"


async def list_resources(
    context: Context, params: PaginatedRequestParams | None
) -> ListResourcesResult:
    cursor = (params and params.cursor) or "0"
    if not NUMBER.fullmatch(cursor):
        raise MCPError(INVALID_PARAMS, "This cursor is none of ours.")
    found = await _published(reader(context), int(cursor))
    shown = found[:PAGE]
    following = str(shown[-1].pk) if len(found) > PAGE else None
    return ListResourcesResult(resources=[_listed(one) for one in shown], next_cursor=following)


async def list_resource_templates(
    context: Context, params: PaginatedRequestParams | None
) -> ListResourceTemplatesResult:
    template = ResourceTemplate(
        name="document", uri_template=TEMPLATE, description=DOCUMENT_SAYS, mime_type=MARKDOWN
    )
    return ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
    """A foreign document and a missing one look the same."""
    principal = reader(context)
    address = ADDRESS.fullmatch(params.uri)
    text = await _text(principal, address[1], int(address[2])) if address else None
    if text is None:
        raise MCPError(INVALID_PARAMS, "There is no such document that you may read.")
    contents = TextResourceContents(uri=params.uri, mime_type=MARKDOWN, text=text)
    return ReadResourceResult(contents=[contents])


def reader(context: Context) -> Principal:
    principal = caller_in(context).principal
    if not principal.may(Power.SEARCH):
        raise MCPError(INVALID_PARAMS, "This needs a credential with the scope search.")
    return principal


@in_database_thread
def _published(principal: Principal, after: int) -> list[Document]:
    """One more than a page, to know whether there is another one."""
    readable = Document.objects.readable(principal.scope).filter(pk__gt=after)
    return list(readable.select_related("corpus").order_by("pk")[: PAGE + 1])


@in_database_thread
def _text(principal: Principal, corpus: str, pk: int) -> str | None:
    document = Document.objects.readable(principal.scope).filter(pk=pk, corpus__slug=corpus).first()
    if document is None:
        return None
    live = Chunk.objects.live(principal.scope).filter(document=document).order_by("position")
    text = "\n\n".join(_sections(live))
    return text if len(text) <= LONGEST else text[:LONGEST] + CUT


def _sections(chunks: Iterable[Chunk]) -> Iterator[str]:
    """Headings where they change, and the text of each chunk."""
    shown: list[str] = []
    for chunk in chunks:
        for level, heading in enumerate(chunk.heading_path, start=1):
            if chunk.heading_path[:level] != shown[:level]:
                shown = chunk.heading_path[:level]
                yield f"{'#' * min(level, 6)} {heading}"
        shown = chunk.heading_path
        yield chunk.text


def _listed(document: Document) -> Resource:
    return Resource(
        uri=TEMPLATE.format(corpus=document.corpus.slug, id=document.pk),
        name=document.key,
        title=document.title,
        mime_type=MARKDOWN,
    )
