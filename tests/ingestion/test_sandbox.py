"""The throw-away process: what it may not do, and what becomes of it when it tries."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ingestion.parsing import sandbox, wire
from ingestion.parsing.base import Block, ParsedDocument, ParseError, Section
from ingestion.parsing.sandbox import run_in_child
from ingestion.parsing.walls import Limits
from tests.hostile.pdfs import pdf, prose
from tests.processes import ROOT

LIGHTHOUSE = pdf([prose("A light above the sea.")])
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="walls that only Linux has")


def test_a_file_comes_back_as_a_document():
    parsed = run_in_child("pdf", LIGHTHOUSE, key="a.pdf")
    assert parsed.sections[0].anchor == "page=1"
    assert "A light above the sea." in parsed.text


def computed():
    """Seconds, whatever else the machine is busy with."""
    return sum(os.times()[:4])


def test_it_costs_less_than_half_a_second():
    run_in_child("pdf", LIGHTHOUSE, key="a.pdf")
    started = computed()
    for _ in range(3):
        run_in_child("pdf", LIGHTHOUSE, key="a.pdf")
    assert (computed() - started) / 3 < 0.5


def test_a_document_survives_the_way_through_json():
    table = Block("table", 0, 4, (Block("row", 1, 2),))
    parsed = ParsedDocument(
        "T", "a\ud800b \u202e", (Section(("T", "é"), "page=1", 2, (table,)),),
        ((1, 2),), "en", {"year": 2020, "author": "A"}, ("warned",),
    )  # fmt: skip
    assert wire.unpacked(wire.packed(parsed)) == parsed


# Instead of the parser: a program that does what a taken-over parser might


@pytest.fixture
def child(monkeypatch):
    """Runs this code as the child; returns what the parent makes of it."""

    def run(code, **limits):
        monkeypatch.setattr(sandbox, "COMMAND", (sys.executable, "-I", "-c", code))
        return run_in_child("pdf", b"", key="a.pdf", limits=Limits(**limits))

    return run


def test_one_that_hangs_is_killed_with_all_that_it_started(child, tmp_path):
    note = tmp_path / "number"
    code = (
        "import subprocess, time; sleeper = subprocess.Popen(['sleep', '60']); "
        f"open({str(note)!r}, 'w').write(str(sleeper.pid)); time.sleep(60)"
    )
    started = time.monotonic()
    with pytest.raises(ParseError, match="longer than the 2 seconds allowed"):
        child(code, seconds=2)
    assert time.monotonic() - started < 4
    assert soon(lambda: not is_running(int(note.read_text())))


def test_one_that_floods_its_answer_is_cut_off(child):
    with pytest.raises(ParseError, match="more text than the 1 MB allowed"):
        child("import sys\nwhile True: sys.stdout.write('x' * 65536)", answer=1 << 20)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os.kill(os.getpid(), 11)", r"parser crash or need .* \(SIGSEGV\)"),
        ("import os; os._exit(3)", r"ended without an answer \(status 3\)"),
        ("print('{\"title\": ', end='')", "without an answer"),
        ("print('[]')", "makes no sense"),
        ("print('{}')", "makes no sense"),
        ("print('[' * 100000)", "makes no sense"),
        ("print('{\"error\": \"is broken\"}')", "is broken"),
        ("print('{\"error\": [1]}')", "makes no sense"),
    ],
)  # fmt: skip
def test_any_end_of_it_is_a_clear_error(child, code, reason):
    with pytest.raises(ParseError, match=reason):
        child(code)


@pytest.mark.parametrize(
    "change",
    [
        {"title": 1}, {"text": None}, {"metadata": []}, {"language": 5}, {"warnings": [1]},
        {"markup": [[0, 99]]}, {"markup": [[3, 1]]}, {"markup": [["0", "1"]]},
        {"sections": [[["T"], "a", 0, [["paragraph", 0, 99, []]]]]},
        {"sections": [[["T"], "a", 0, [["paragraph", 1, 2, [["row", 0, 4, []]]]]]]},
        {"sections": [[[1], "a", 0, []]]}, {"sections": 7},
    ],
)  # fmt: skip
def test_an_answer_is_checked_before_it_is_believed(change):
    sound = json.loads(wire.packed(ParsedDocument("T", "text", ())))
    with pytest.raises(ParseError, match="makes no sense"):
        wire.unpacked(json.dumps(sound | change).encode())


def test_files_are_parsed_side_by_side():
    """A fork of a process with threads could hang here; a fresh interpreter does not."""
    titles = []
    threads = [
        threading.Thread(
            target=lambda n=n: titles.append(run_in_child("pdf", LIGHTHOUSE, key=f"{n}.pdf").text)
        )
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(titles) == 6


# The walls, each tried from inside

PREPARE = """
import ctypes, os, resource, socket, subprocess, sys
sys.path.insert(0, {root!r})
from ingestion.parsing.walls import *
readable = [*filter(None, sys.path[1:]), {package!r}]
libc = ctypes.CDLL(None)
"""


def attempt(code, *walls):
    """What the code prints behind these walls, or the name of the exception."""
    script = PREPARE.format(root=str(ROOT), package=str(Path(sandbox.__file__).parent))
    script += "\n".join(walls) + f"\ntry:\n    print({code})\n"
    script += "except BaseException as error:\n    print(type(error).__name__)\n"
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", script],
        env={}, cwd="/", capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return done.stdout.strip() or f"status {done.returncode}"


HOOK = "refuse_the_rest(readable)"
FILES = "assert close_the_files(readable)"
NETWORK = "assert leave_the_network()"
RESOURCES = "limit_resources(Limits(memory=300 << 20, computing=1))"
SECRET = str(ROOT / "manage.py")  # beside the package, but no part of it


@pytest.mark.parametrize(
    "code",
    [
        f"open({SECRET!r}).read(1)",
        "open('/etc/hostname').read()",
        "open('/proc/self/environ').read()",
        "open('/tmp/written', 'w')",
        "os.open('/tmp/written', os.O_CREAT | os.O_WRONLY)",
        "os.remove('/tmp/nothing')",
        "os.system('true')",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "subprocess.run(['true'])",
        "socket.create_connection(('127.0.0.1', 9), 1)",
        "socket.getaddrinfo('localhost', 80)",
        "ctypes.CDLL(None)",
    ],
)
def test_python_code_may_not(code):
    assert attempt(code, HOOK) == "PermissionError"


def test_python_code_may_import_what_lies_on_its_path():
    assert attempt("__import__('encodings.cp1252') and __import__('lxml.etree') and 1", HOOK) == "1"


@LINUX
@pytest.mark.parametrize(
    "code",
    [
        f"libc.open({SECRET.encode()!r}, 0)",
        "libc.open(b'/etc/hostname', 0)",
        "libc.open(b'/proc/self/environ', 0)",
        "libc.open(b'/tmp/written', 0o101, 0o600)",
        "libc.mkdir(b'/tmp/written.d', 0o700)",
    ],
)
def test_native_code_may_not_open_files(code):
    if attempt("close_the_files(readable)") != "True":
        pytest.skip("this kernel has no Landlock")
    before = attempt(code)
    for path in ("/tmp/written", "/tmp/written.d"):
        if os.path.isdir(path):
            os.rmdir(path)
        elif os.path.exists(path):
            os.remove(path)
    assert int(before) >= 0, "without the wall it may"
    assert attempt(code, FILES) == "-1"


@LINUX
def test_native_code_finds_no_network():
    if attempt("leave_the_network()") != "True":
        pytest.skip("this system lets no process leave the network")
    names = "[name for _, name in socket.if_nameindex()]"
    assert attempt(names, NETWORK) == "['lo']"
    assert attempt("socket.create_connection(('127.0.0.1', 9), 1)", NETWORK) == "OSError"


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not hold memory")
def test_memory_is_held():
    assert attempt("len(bytearray(200 << 20))", RESOURCES) == str(200 << 20)
    assert attempt("len(bytearray(400 << 20))", RESOURCES) == "MemoryError"


def test_computing_is_held():
    assert attempt("all(True for _ in iter(int, 1))", RESOURCES) == "status -24"


def test_no_file_grows(tmp_path):
    code = f"open({str(tmp_path / 'file')!r}, 'w').write('x' * 9000)"
    assert attempt(code, RESOURCES) == "OSError"


def test_a_file_that_needs_too_much_computing_says_so(child):
    code = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass"
    with pytest.raises(ParseError, match="seconds of computing allowed"):
        child(code)


def test_the_child_knows_no_secret(child, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "not-for-parsers")
    code = "import json, os; print(json.dumps({'error': repr(sorted(os.environ))}))"
    with pytest.raises(ParseError) as caught:
        child(code)
    assert "SECRET_KEY" not in str(caught.value)


def soon(true, within=5.0):
    """A process that was killed takes a moment to go."""
    deadline = time.monotonic() + within
    while not (found := true()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def is_running(number):
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
