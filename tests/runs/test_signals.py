"""Signals at every moment of a real process, which sends them to itself: exit codes as documented.

The times of real runs are random; here the moment is given, so that the tests are fast and exact.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.runs.damage import killed_run

ROOT = Path(__file__).parents[2]
#: A task that sends signals at a moment: how many, and which.
TASK = """
import atexit, os, signal
from pathlib import Path
from guidance.runs.plan import Plan
from guidance.runs.results import write_done
from guidance.runs import recorder
from tests.runs.dot import Dot

MOMENT, NUMBER, COUNT = {moment!r}, {number}, {count}

def send(moment):
    if moment in MOMENT:
        for _ in range(COUNT):
            os.kill(os.getpid(), NUMBER)

class Sender(Dot):
    \"\"\"Sends signals.\"\"\"

    def build(self) -> Plan:
        send("build")
        plan = super().build()
        generator = plan.generator
        export = generator.export
        def sending(folder, sample):
            send("export")
            return export(folder, sample)
        generator.export = sending
        return plan

    def run(self, *arguments, **named):
        def done(*given):
            found = write_done(*given)
            send("done")
            return found
        recorder.write_done = done
        result = super().run(*arguments, **named)
        send("end")
        return result

atexit.register(send, "exit")
"""


def run(
    tmp_path: Path, moment: str, number: int, count: int = 1, *words: str
) -> tuple[int, str, list[Path]]:
    """The exit code, what was printed on stderr, and the run folders."""
    task = tmp_path / "dot.py"
    task.write_text(TASK.format(moment=moment, number=int(number), count=count))
    command = [sys.executable, "-m", "guidance", "run", str(task)]
    command += words or ("--prompt", "a", "--steps", "6", "--output", str(tmp_path / "o"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr, [p.parent for p in tmp_path.glob("o/*/*/config.yaml")]


def test_before_a_new_run_nothing_is_left(tmp_path: Path) -> None:
    code, told, folders = run(tmp_path, "build", signal.SIGINT)
    assert (code, folders) == (130, [])
    assert "guide: stopped before the run began; nothing was written" in told


def test_before_a_resumed_run_continues_it_stays_resumable(tmp_path: Path) -> None:
    folder = killed_run(tmp_path / "killed")
    before = (folder / "metrics.jsonl").read_bytes()
    code, told, _ = run(tmp_path, "build", signal.SIGTERM, 1, "--resume", str(folder))
    assert code == 75 and f"guide run --resume {folder}" in told
    assert (folder / "metrics.jsonl").read_bytes() == before


def test_while_results_are_written(tmp_path: Path) -> None:
    code, told, (folder,) = run(tmp_path, "export", signal.SIGTERM)
    assert code == 75 and (folder / "checkpoint.json").exists()
    assert not (folder / "DONE.json").exists()
    assert told.rstrip().endswith(f"guide run --resume {folder}")


def test_after_done_signals_change_nothing(tmp_path: Path) -> None:
    """While DONE.json is written, between the end of the run and that of Python, and then."""
    code, _, (folder,) = run(tmp_path, "done end exit", signal.SIGTERM, 3)
    assert code == 0 and (folder / "DONE.json").exists()


def test_other_commands_end_with_130() -> None:
    code = (
        "import os, signal, sys\nfrom guidance import cli\n"
        "cli._dispatch = lambda words: os.kill(os.getpid(), signal.SIGTERM) or 0\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "guide: stopped\n")


def test_a_signal_during_an_import_ends_the_process(tmp_path: Path) -> None:
    """An exception raised there may be lost by the library, or abort it."""
    (tmp_path / "slow.py").write_text(
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGTERM)\n    sum(range(10**6))\n"
        "except BaseException:\n    pass\n"
    )
    code = "from guidance.runs.signals import own_process; own_process(); import slow; print('on')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.getcwd()}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "guide: stopped")
