"""Stand-ins for the services we call, on loopback, as faithful as their contracts are known.

Each is an HTTP server in a thread: `with CohereStandIn() as cohere: … cohere.url`. The next
requests to a path can be scripted (`script`), and every request is kept (`requests_to`).

**Qdrant** (`tests.standins.qdrant`, imported by its own name because it needs the engine) runs
Qdrant's own engine behind its REST interface. With a directory it keeps its state, survives kill -9
with what it acknowledged, and starts again there: `qdrant_process.QdrantProcess`, or

    python -m tests.standins qdrant --directory state --port 6333 --api-key secret \\
        --rules '[{"fault": "lose", "on": "upsert", "every": 7}]'

Rules fail requests by operation; `faults.FAULTS` lists the ways, and GET, PUT, POST and DELETE
`/_faults` read and change the rules of a running process. In a test: `qdrant.faults.add("lose",
"upsert", every=7)`, or `qdrant.script(path, qdrant.carried_out(RESET))` for one request.

**Any TCP server** (Postgres, Redis, the real Qdrant) is put behind `FaultProxy`, which delays,
stalls, resets, cuts or swallows, connection by connection: `python -m tests.standins proxy --help`.

**A pooler** before PostgreSQL is the real one, in transaction mode: `pgbouncer.PgBouncer`.
"""

from tests.standins.base import (
    EMPTY_200,
    NEVER,
    NO_REPLY,
    RESET,
    Fault,
    Recorded,
    Reply,
    StandIn,
    eventually,
    html_reply,
    json_reply,
    split,
)
from tests.standins.cohere import CohereStandIn
from tests.standins.openrouter import OpenRouterStandIn
from tests.standins.proxy import FaultProxy, Trouble

__all__ = [
    "EMPTY_200",
    "NEVER",
    "NO_REPLY",
    "RESET",
    "CohereStandIn",
    "Fault",
    "FaultProxy",
    "OpenRouterStandIn",
    "Recorded",
    "Reply",
    "StandIn",
    "Trouble",
    "eventually",
    "html_reply",
    "json_reply",
    "split",
]
