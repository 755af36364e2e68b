"""Standard output and error that are closed, full, narrow, or read by nobody."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from guidance.texts import encodable, is_visible, one_line, printable

ROOT = Path(__file__).parent.parent
GUIDE = f"{sys.executable} -m guidance"
DOT = f"{GUIDE} run tests/runs/dot.py --prompt a --preset draft --steps 1"


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a command of bash, whose exit code is that of the first failing part of a pipe."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )


def python(
    code: str, redirected: str = "", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    code = f"from guidance.streams import Streams, say; import os, sys\n{code}"
    return shell(f"{sys.executable} -c '{code}' {redirected}", **environment)


def finished(output: Path) -> bool:
    return len(list(output.rglob("DONE.json"))) == 1


def test_a_run_goes_on_when_its_reader_has_gone(tmp_path: Path) -> None:
    done = shell(f"{DOT} --output {tmp_path} 2>&1 | head -c 1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert finished(tmp_path)


def test_a_run_goes_on_without_streams(tmp_path: Path) -> None:
    assert shell(f"{DOT} --output {tmp_path} <&- >&- 2>&-").returncode == 0
    assert finished(tmp_path)


def test_results_that_cannot_be_printed_are_an_error(tmp_path: Path) -> None:
    done = shell(f"{DOT} --output {tmp_path} > /dev/full")
    assert done.returncode == 5
    last = done.stderr.splitlines()[-1]
    assert last == b"guide: the output cannot be written: no space left on device"
    assert b"Traceback" not in done.stderr
    assert finished(tmp_path)


def test_paths_that_an_encoding_lacks(tmp_path: Path) -> None:
    place = os.fsencode(tmp_path / "Кот") + b"/caf\xe9"
    done = subprocess.run(
        [*DOT.split(), "--output", place],
        cwd=ROOT,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )
    assert done.returncode == 0, done.stderr
    # "?" for letters that the encoding lacks, and the name as it is where it is no text.
    assert b"/???/caf\xe9/dot/" in done.stdout
    assert finished(tmp_path)


@pytest.mark.parametrize("command", ["--help", "list", "models list", "run --help"])
def test_nobody_reads_all_of_a_list(command: str) -> None:
    for reader in ("head -1", "true"):
        done = shell(f"{GUIDE} {command} | {reader}")
        assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_behind_other_commands() -> None:
    assert shell(f"{GUIDE} --help > /dev/full").returncode == 5
    mistake = shell(f"{GUIDE} nonsense 2> /dev/full")
    assert (mistake.returncode, mistake.stderr) == (2, b"")


def test_closed_streams_are_never_another_file() -> None:
    """Without this, what a library prints would end up in the next file that is opened."""
    code = (
        "with Streams():\n"
        "    file = os.open(os.devnull, os.O_RDONLY)\n"
        "    os._exit(file if sys.stdout.fileno() == 1 else 99)"
    )
    for closed in ("<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
        assert python(code, closed).returncode >= 3


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("utf-8", "кот \N{CAT} é".encode() + b" \xe9\n"),
        ("cp1252", b"??? ? \xe9 \xe9\n"),
        ("ascii", b"??? ? ? \xe9\n"),
        ("utf-16-le", "кот \N{CAT} é ?\n".encode("utf-16-le")),
    ],
)
def test_every_encoding_prints_every_text(encoding: str, printed: bytes) -> None:
    code = 'with Streams():\n    print("\\u043a\\u043e\\u0442 \\U0001f408 \\xe9 \\udce9")'
    done = python(code, PYTHONIOENCODING=encoding)
    assert (done.stdout, done.stderr) == (printed, b"")


def test_lines_on_standard_error_are_given_up() -> None:
    code = 'for _ in range(3):\n    say("gone")\nos._exit(7)'
    assert python(code, "2>&-").returncode == 7
    assert python(code, "2>/dev/full").returncode == 7


def test_streams_come_back() -> None:
    code = (
        "before = sys.stdout, sys.stderr\n"
        "with Streams():\n    assert sys.stdout is not before[0]\n"
        "assert (sys.stdout, sys.stderr) == before\nprint(1)"
    )
    assert python(code).stdout == b"1\n"


def test_a_terminal_gets_no_control_characters() -> None:
    ours, theirs = pty.openpty()
    code = (
        "from guidance.streams import Streams, say\n"
        "with Streams():\n    print('a\\x1b]0;b\\x07\\u202ec')\n    say('d\\x1b[31m')\n"
    )
    subprocess.run([sys.executable, "-c", code], stdout=theirs, stderr=theirs, check=True, cwd=ROOT)
    os.close(theirs)
    printed = os.read(ours, 1000).decode().splitlines()
    os.close(ours)
    assert printed == ["a\\x1b]0;b\\x07\\u202ec", "d\\x1b[31m"]


def test_a_terminal_that_has_closed_is_no_full_disk() -> None:
    ours, theirs = pty.openpty()
    code = (
        "import signal, sys\nfrom guidance.streams import Streams\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "with Streams() as streams:\n    print(0)\n    sys.stdin.read(1)\n    print(1)\n"
        "    assert streams.failure() is None\n"
    )
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=theirs, stderr=pipe, cwd=ROOT)
    os.close(theirs)
    assert os.read(ours, 1) == b"0"
    os.close(ours)
    _, errors = process.communicate(b"1")
    assert (process.returncode, errors) == (0, b"")


def test_what_may_be_printed() -> None:
    assert printable("кот\tשלום\n") == "кот\tשלום\n"
    assert printable("\x1b[2J\x7f\x9b\udce9\u2028") == "\\x1b[2J\\x7f\\x9b\\udce9\\u2028"
    assert one_line(" a\r\n\tb\x00") == "a b\\x00"
    assert encodable("caf\udce9é") == "caf\\udce9é"
    assert is_visible("\u202ea")
    assert not is_visible(" \u3000\x01\u202e\u200b\n")
