"""`python -m tests.standins`: run them, and print what points the application to them.

python -m tests.standins                Cohere, OpenRouter and Qdrant
python -m tests.standins qdrant         Qdrant alone; see `qdrant --help`
python -m tests.standins production     all of the production shape, and the demo on it
python -m tests.standins proxy --to 127.0.0.1:5432 --kind swallow --every 7
"""

# ruff: noqa: T201 a command, it prints

import argparse
import json
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

from tests.standins import CohereStandIn, FaultProxy, OpenRouterStandIn, Trouble
from tests.standins.faults import FAULTS, Rule
from tests.standins.proxy import KINDS


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.standins", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.set_defaults(run=run_all)
    commands = parser.add_subparsers()
    add_qdrant(commands.add_parser("qdrant", help="Qdrant, on its own engine"))
    add_production(commands.add_parser("production", help="the demo in the production shape"))
    add_proxy(commands.add_parser("proxy", help="a TCP proxy that fails"))
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with suppress(KeyboardInterrupt):
        chosen.run(chosen)


def run_all(_chosen: argparse.Namespace) -> None:
    from tests.standins.answers import answer_from_passages
    from tests.standins.qdrant import QdrantStandIn

    with (
        CohereStandIn() as cohere,
        OpenRouterStandIn() as openrouter,
        QdrantStandIn(remember=False) as qdrant,
    ):
        openrouter.answer = answer_from_passages
        serve(
            {
                "QDRANT_URL": qdrant.url,
                "QDRANT_API_KEY": qdrant.api_key,
                "COHERE_BASE_URL": cohere.url,
                "COHERE_API_KEY": cohere.api_key,
                "OPENROUTER_BASE_URL": openrouter.url,
                "OPENROUTER_API_KEY": openrouter.api_key,
                "OPENROUTER_MODELS": "vendor/primary,vendor/second,vendor/third",
            }
        )


def add_qdrant(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "faults:\n" + "\n".join(f"  {name:10}{what}" for name, what in FAULTS.items())
    parser.add_argument("--directory", type=Path, help="its state; else a temporary one")
    parser.add_argument("--port", type=int, default=6333)
    parser.add_argument("--api-key", default="test-qdrant-key", help="empty: none is asked for")
    parser.add_argument("--read-only-api-key", default="")
    parser.add_argument("--cloud", action="store_true", help="strict mode unless told otherwise")
    parser.add_argument(
        "--rules", type=json.loads, default=[],
        help="""[{"fault": "lose", "on": "upsert", "every": 7}]; later: GET, PUT, POST or DELETE
        /_faults""",
    )  # fmt: skip
    parser.set_defaults(run=run_qdrant)


def run_qdrant(chosen: argparse.Namespace) -> None:
    # Only here: the other stand-ins do without the engine.
    from tests.standins.qdrant import QdrantStandIn

    with QdrantStandIn(
        directory=chosen.directory,
        port=chosen.port,
        api_key=chosen.api_key,
        read_only_api_key=chosen.read_only_api_key,
        cloud=chosen.cloud,
        rules=[Rule.of(said) for said in chosen.rules],
        remember=False,
    ) as qdrant:
        serve({"QDRANT_URL": qdrant.url, "QDRANT_API_KEY": qdrant.api_key})


def add_production(parser: argparse.ArgumentParser) -> None:
    parser.description = "With the PostgreSQL and the Redis of .ci/services."
    parser.add_argument("--port", type=int, default=8000)
    parser.set_defaults(run=run_production)


def run_production(chosen: argparse.Namespace) -> None:
    from tests.standins.production import run

    run(chosen.port)


def add_proxy(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "kinds:\n" + "\n".join(f"  {name:12}{what}" for name, what in KINDS.items())
    parser.description = "SIGUSR1 resets every connection there is."
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--listen", type=int, default=0, metavar="PORT")
    parser.add_argument("--kind", choices=KINDS, default="pass")
    parser.add_argument("--every", type=int, default=1, help="of the connections, the rest pass")
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--after", type=int, default=0, metavar="BYTES")
    parser.set_defaults(run=run_proxy)


def run_proxy(chosen: argparse.Namespace) -> None:
    host, _, port = chosen.to.rpartition(":")
    trouble = Trouble(chosen.kind, chosen.delay, chosen.after)
    with FaultProxy(
        host, int(port), listen=chosen.listen, always=trouble, every=chosen.every
    ) as proxy:
        signal.signal(signal.SIGUSR1, lambda *_: proxy.cut_all())
        serve({"PROXY": f"127.0.0.1:{proxy.port}"})


def serve(variables: dict[str, str]) -> None:
    for name, value in variables.items():
        print(f"export {name}={value}", flush=True)
    print("# Ctrl-C ends them.", file=sys.stderr)
    threading.Event().wait()


if __name__ == "__main__":
    main()
