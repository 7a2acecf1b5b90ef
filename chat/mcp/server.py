"""The SDK's server, with what it may be asked. Importing this module imports the SDK."""

from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from sse_starlette.sse import AppStatus

from chat.mcp.documents import list_resource_templates, list_resources, read_resource
from chat.mcp.schemas import INSTRUCTIONS
from chat.mcp.tools import call_tool, list_tools

VERSION = "1"  # of the tools, not of the protocol


def manager(max_request_body_size: int) -> StreamableHTTPSessionManager:
    """No session: each request stands alone, so that any process may answer it."""
    # Else a stop of the server would cut off calls that it still has time to answer.
    AppStatus.disable_automatic_graceful_drain()
    server: Server[Any] = Server(
        "ragsite",
        version=VERSION,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_resource_templates,
        on_read_resource=read_resource,
    )
    return StreamableHTTPSessionManager(
        server, stateless=True, max_request_body_size=max_request_body_size
    )
