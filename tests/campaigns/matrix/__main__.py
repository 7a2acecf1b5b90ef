"""Everybody at every door with ids that are not theirs: nobody sees, changes or tells anything.

    python -m tests.campaigns.matrix --requests 20000 --seed 1

Two tenants and a public corpus hold canaries wherever something can be stored. Every route of the
URLconf, every method and every frame of the websocket is tried by everybody there is: with keys,
tokens and sessions, good and bad. No reply may hold a canary that its reader must not see; one
about something foreign must look like one about nothing; no row of others may change; nothing may
fail. And what people may see, they must see.

`--with-hole NAME` plants a hole that must be found. With `--wire` the index is behind a socket, and
every search that reaches it is held against what its reader may see.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.campaigns.matrix.holes import HOLES, PLACES
from tests.campaigns.readers import prepare

TRIED = ("requests_with_foreign_ids", "frames", "with_fields_that_nobody_listed")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--with-hole", default="", choices=["", "all", *HOLES])
    parser.add_argument("--only", default="", help="routes whose address begins so")
    parser.add_argument("--wire", action="store_true", help="the index behind a socket")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        prepare(Path(place))
        from tests.campaigns.matrix.campaign import Campaign

        if options.with_hole:
            return holes(options)
        report = Campaign(
            options.seed, options.requests, only=options.only, wire=options.wire
        ).run()
    print(json.dumps(report, indent=2))
    return int(bool(report["findings"]))


def holes(options: argparse.Namespace) -> int:
    """Each in a town of its own; looked for where it is, as the whole matrix would take a day."""
    from tests.campaigns.matrix.campaign import Campaign

    names = HOLES if options.with_hole == "all" else [options.with_hole]
    found = {}
    for number, name in enumerate(names):
        legs = ("sockets",) if PLACES[name] == "ws/" else ("foreign",)
        if name == "written-too-much":
            legs = ("fields",)
        requests = options.requests * (16 if legs == ("sockets",) else 1)  # of frames, a tenth
        campaign = Campaign(
            options.seed + number, requests, name, only=options.only or PLACES[name],
            legs=legs,
        )  # fmt: skip
        report = campaign.run()
        found[name] = {"requests": sum(report[count] for count in TRIED),
                       "found": report["findings"], "example": report["examples"][:1]}  # fmt: skip
        print(name, report["findings"], file=sys.stderr)
    print(json.dumps({"seed": options.seed, "holes": found}, indent=2))
    return int(not all(one["found"] for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
