"""`python -m tests.standins`: run them, and print what points the application to them."""

import sys
import time
from contextlib import suppress

from tests.standins import CohereStandIn, OpenRouterStandIn


def main() -> None:
    with CohereStandIn() as cohere, OpenRouterStandIn() as openrouter:
        lines = {
            "COHERE_BASE_URL": cohere.url,
            "COHERE_API_KEY": cohere.api_key,
            "OPENROUTER_BASE_URL": openrouter.url,
            "OPENROUTER_API_KEY": openrouter.api_key,
            "OPENROUTER_MODELS": "vendor/primary,vendor/second,vendor/third",
        }
        for name, value in lines.items():
            print(f"export {name}={value}", flush=True)  # noqa: T201
        print("# Ctrl-C ends them.", file=sys.stderr)  # noqa: T201
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    main()
