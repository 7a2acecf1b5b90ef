"""The throw-away process in which one binary file is parsed: a file in, JSON out, then it is gone.

Standard input holds a line of JSON (which parser, the file's name) and then the file.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ingestion.parsing import archives, wire
from ingestion.parsing.base import ParsedDocument, ParseError
from ingestion.parsing.walls import (
    Limits,
    close_the_files,
    leave_the_network,
    limit_resources,
    refuse_the_rest,
)

PARSERS = ("pdf", "docx", "pptx")


def main(limits: Limits) -> None:
    limit_resources(limits)
    leave_the_network()
    answer = os.dup(1)
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # what a C library prints is no part of the answer
        os.dup2(silence, stream)
    try:
        result = wire.packed(parse_standard_input())
    except ParseError as error:
        result = wire.packed_error(str(error))
    except MemoryError:
        result = wire.packed_error(f"needs more than {limits.memory >> 20} MB of memory to parse")
    except RecursionError:
        result = wire.packed_error("is nested too deeply")
    except Exception as error:
        result = wire.packed_error(f"its parser failed ({type(error).__name__})")
    with os.fdopen(answer, "wb") as out:
        out.write(result)


def parse_standard_input() -> ParsedDocument:
    with sys.stdin.buffer as given:
        wanted = json.loads(given.readline())
        parse = parser_named(wanted["parser"])
        # Only now: what is imported so far lies in more places than a parser needs.
        readable = [*filter(None, sys.path), str(Path(__file__).parent)]
        close_the_files(readable)
        refuse_the_rest(readable)
        content = given.read()
    archives.check(wanted["parser"], content)
    return parse(content, key=wanted["key"])


def parser_named(name: str) -> Callable[..., ParsedDocument]:
    name = PARSERS[PARSERS.index(name)]
    parser: Callable[..., ParsedDocument]
    parser = getattr(importlib.import_module(f"ingestion.parsing.{name}"), f"parse_{name}")
    return parser
