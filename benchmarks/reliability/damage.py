"""Truncations and flipped bits in every file of a run: none goes unnoticed.

Copies of two runs are damaged: one that was interrupted, which is then resumed, and a finished one,
which is resumed (it only says that it is done), scored and repeated. Each command gets damage in
the files that it opens, which an audit hook saw beforehand. It must refuse them in one line, or
leave to the byte what it leaves without the damage.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.reliability.harness.children import Ended, guide
from benchmarks.reliability.harness.outcome import Outcome, Trial
from benchmarks.reliability.harness.scene import Scene, difference, run_folder
from benchmarks.reliability.harness.warm import spread
from benchmarks.reliability.harness.words import RUN, STEPS

FULL = 500
REFUSED = 2
#: Files that no command reads back; what they hold is checked by nothing but their own format.
NOT_RESULTS = ("environment.json", ".lock")


#: Files that carry the configuration, for `guide rerun`.
CARRIERS = ("image.png", "progress.mp4", "config.yaml")


class Damage(NamedTuple):
    """One damaged file and the command that meets it."""

    number: int
    run: str  # "interrupted" or "finished"
    file: str
    command: str


def run(scene: Scene, count: int) -> Outcome:
    """Damages that many files."""
    folders = {"interrupted": _interrupted(scene), "finished": scene.whole}
    pairs = [("interrupted", "resume"), *(("finished", each) for each in ("resume", "eval"))]
    pairs += [("finished", f"rerun {name}") for name in CARRIERS]
    meetings, unread = [], []
    for kind, command in pairs:
        meetings += [(kind, file, command) for file in _opened(scene, folders[kind], command)]
    for kind, folder in folders.items():
        files = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
        met = {file for kind_, file, _ in meetings if kind_ == kind}
        unread += [f"{kind}/{file}" for file in files if file not in met and "." in file]
    scene.draw("damage").shuffle(meetings)
    trials = [Damage(n, *meetings[n % len(meetings)]) for n in range(count)]
    found = spread(partial(_meet, scene, folders), trials)
    distinct = len({(damage.run, damage.file) for damage in trials})
    return Outcome.of(found, files=distinct, no_command_reads=sorted(unread))


def _opened(scene: Scene, folder: Path, command: str) -> list[str]:
    """The files of a run that a command reads."""
    base = scene.fresh("opened")
    copy, seen = base / "run", base / "opened"
    shutil.copytree(folder, copy)
    guide(_words(command, copy, base), partial(_watch, copy, seen)).wait()
    found = {Path(line).relative_to(copy).as_posix() for line in seen.read_text().splitlines()}
    return sorted(f for f in found if (folder / f).is_file() and (folder / f).stat().st_size)


def _watch(folder: Path, seen: Path) -> None:
    """Lists the files of a folder that this process opens."""
    handle = os.open(seen, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    within = f"{folder}/"

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and str(arguments[0]).startswith(within):
            os.write(handle, f"{arguments[0]}\n".encode())

    sys.addaudithook(hook)


def _meet(scene: Scene, folders: dict[str, Path], damage: Damage) -> Trial:
    base = scene.fresh(f"damage-{damage.number}")
    copy = base / "run"
    shutil.copytree(folders[damage.run], copy)
    path = copy / damage.file
    content = path.read_bytes()
    how, broken = damaged(content, scene.draw("damage", damage.number))
    if broken == content:
        return Trial("not damaged", "nothing was damaged")
    path.write_bytes(broken)
    ended = guide(_words(damage.command, copy, base)).wait()
    name = f"{damage.run}/{damage.file} ({how}), {damage.command}"
    if ended.code:
        wrong = ended.complaint(REFUSED)
        return Trial("refused", wrong and f"{name}: {wrong}")
    wrong = ended.complaint(0) or _changed(scene, damage, copy, base, ended)
    if wrong:
        return Trial("silent", f"{name}: accepted silently, and {wrong}")
    return Trial("the same result")


def damaged(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """What was done to a file, and its content then."""
    at = draw.randrange(len(content))
    kind = draw.choice(("bit", "bit", "digit", "truncated", "zeros", "line"))
    digits = [match.start() for match in re.finditer(rb"[0-9]", content)]
    lines = content.split(b"\n")
    if kind == "digit" and digits and b"\0" not in content:
        at = draw.choice(digits)
        other = bytes([48 + (content[at] - 48 + draw.randrange(1, 10)) % 10])
        return f"digit {at}", content[:at] + other + content[at + 1 :]
    if kind == "line" and len(lines) > 3 and b"\0" not in content:
        at = draw.randrange(len(lines) - 1)
        return f"line {at + 1} is gone", b"\n".join(lines[:at] + lines[at + 1 :])
    if kind == "truncated":
        return f"truncated at {at}", content[:at]
    if kind == "zeros" and any(content[at : at + 16]):
        zeros = bytes(len(content[at : at + 16]))
        return f"zeros at {at}", content[:at] + zeros + content[at + 16 :]
    flipped = content[at] ^ 1 << draw.randrange(8)
    return f"bit in byte {at}", content[:at] + bytes([flipped]) + content[at + 1 :]


def _words(command: str, copy: Path, base: Path) -> list[str]:
    name, _, file = command.partition(" ")
    return {
        "resume": ["run", "--resume", str(copy)],
        "eval": ["eval", str(copy), "--json", str(base / "scores.json")],
        "rerun": ["rerun", str(copy / file), "--device", "cpu", "--output", str(base / "again")],
    }[name]


def _changed(scene: Scene, damage: Damage, copy: Path, base: Path, ended: Ended) -> str:
    """What differs from what the command does without the damage."""
    if damage.command.startswith("rerun"):
        again = run_folder(base / "again")
        return "there is no run" if again is None else difference(scene.whole, again)
    if damage.command == "eval":
        expected = _expected_scores(scene)
        found = (ended.output.replace(str(copy), "RUN"), (base / "scores.json").read_text())
        return "" if (found[0], found[1].replace(str(copy), "RUN")) == expected else "other scores"
    if damage.run == "finished":
        expected_output = guide(["run", "--resume", str(scene.whole)]).wait().output
        same = ended.output.replace(str(copy), str(scene.whole)) == expected_output
        return "" if same else "it says something else"
    name = Path(damage.file).name
    return difference(scene.whole, copy, but=name if name in NOT_RESULTS else "")


def _expected_scores(scene: Scene) -> tuple[str, str]:
    base = scene.fresh(f"scores-{os.getpid()}")
    copy = base / "run"
    shutil.copytree(scene.whole, copy)
    words = ["eval", str(copy), "--json", str(base / "scores.json")]
    output = guide(words).wait().output.replace(str(copy), "RUN")
    return output, (base / "scores.json").read_text().replace(str(copy), "RUN")


def _interrupted(scene: Scene) -> Path:
    """A run that was killed after the checkpoint of some step in its middle."""
    output = scene.base / "interrupted"

    def prepare() -> None:
        from guidance.runs import checkpoint

        save = checkpoint.save

        def dying(folder: Path, tensors: dict[str, Any], *rest: Any, **options: Any) -> Any:
            save(folder, tensors, *rest, **options)
            if int(tensors["counter/step"]) == STEPS - 3:
                os.kill(os.getpid(), signal.SIGKILL)

        checkpoint.save = dying

    output.mkdir(exist_ok=True)
    guide([*RUN, "--output", str(output)], prepare).wait()
    folder = run_folder(output)
    assert folder is not None
    return folder
