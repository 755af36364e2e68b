"""Artefacts made to attack: nothing executes, connects, or reads and writes elsewhere.

Folders of weights, a hub's cache, run folders, files that carry a configuration, configurations,
images, videos and meshes. Each meets the command that reads it, in a forked child with an audit
hook. Around it lie a secret file, which must not be opened, and a victim folder, which must not
change. Ends with exit 0, 2 or 3, as any input.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.reliability.harness.children import ROOT, guide
from benchmarks.reliability.harness.outcome import Outcome, Trial
from benchmarks.reliability.harness.scene import Scene
from benchmarks.reliability.harness.warm import spread
from benchmarks.reliability.inputs import attacks, weights

FULL = len(attacks.NAMES)
CODES = (0, 2, 3)
#: Audit events that no run may cause. Running code of an artefact also leaves its mark.
EXECUTES = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
    "os.forkpty", "pty.spawn", "pickle.find_class", "os.startfile", "code.__new__",
)  # fmt: skip
CONNECTS = (
    "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.bind",
    "socket.sendto", "urllib.Request", "http.client.connect", "ftplib.connect",
)  # fmt: skip
#: Events whose arguments are paths that are changed.
CHANGES = (
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate",
    "os.chmod", "os.chown", "os.utime", "shutil.rmtree", "shutil.move",
)  # fmt: skip
#: Where compiled code of this package is cached.
CACHES = (str(ROOT / "guidance"), os.path.expanduser("~/.cache/guidance"))
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Surroundings(NamedTuple):
    """What lies around an artefact."""

    base: Path

    @property
    def artefact(self) -> Path:
        """Where the artefact lies, and the only place that may be written beside the output."""
        return self.base / "artefact"

    @property
    def output(self) -> Path:
        """The folder that the user chose for results."""
        return self.base / "output"

    @property
    def victim(self) -> Path:
        """A folder with files of the user."""
        return self.base / "victim"

    @property
    def secret(self) -> Path:
        """A file that nothing may open."""
        return self.base / "secret.txt"

    @property
    def mark(self) -> Path:
        """What the code of an artefact would write."""
        return self.base / "executed"

    @property
    def log(self) -> Path:
        """What the audit hook saw."""
        return self.base / "audit"


def run(scene: Scene, count: int) -> Outcome:
    """Opens that many artefacts; more than there are repeats none."""
    scene.whole  # noqa: B018  (made once, before the workers)
    sources = scene.fresh("hostile-sources")
    weights.encoder_folder(sources / "encoder")
    weights.denoiser_folder(sources / "denoiser")
    chosen = list(enumerate(attacks.NAMES))
    scene.draw("hostile").shuffle(chosen)
    found = spread(partial(_open, scene, sources), sorted(chosen[:count]))
    seen = [trial.result.split() for trial in found]
    totals = {word: sum(word in words for words in seen) for word in ("executed", "connected")}
    return Outcome.of(found, **totals, files_outside=sum("outside" in words for words in seen))


def _open(scene: Scene, sources: Path, chosen: tuple[int, str]) -> Trial:
    number, name = chosen
    around = Surroundings(scene.fresh(f"hostile-{number}"))
    for place in (around.artefact, around.output, around.victim):
        place.mkdir()
    around.secret.write_text("secret\n")
    (around.victim / "thesis.txt").write_text("years of work\n")
    (around.victim / "data.jsonl").write_text('{"step":1}\n')
    environment: dict[str, str] = {}
    words = attacks.make(name, around, sources, scene.whole, environment)
    before = _digest(around.victim)
    ended = guide(words, partial(_prepare, around, environment)).wait()
    events = around.log.read_text().splitlines() if around.log.exists() else []
    found = {line.split(" ", 1)[0] for line in events}
    if around.mark.exists():
        found.add("executed")
    if _digest(around.victim) != before:
        found.add("outside")
    wrong = ended.complaint(*CODES)
    if found:
        wrong = f"{', '.join(events[:3]) or 'it left its mark'} ({ended.said()})"
    result = " ".join(sorted(found)) or f"exit {ended.code}"
    return Trial(result, wrong and f"{name}: {wrong}")


def _digest(folder: Path) -> str:
    """Names, contents and kinds of everything in a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        found.update(f"{path} {path.lstat().st_mode}\n".encode())
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()


def _prepare(around: Surroundings, environment: dict[str, str]) -> None:
    for place, value in environment.items():
        if place == "HF_HUB_CACHE":
            from huggingface_hub import constants

            constants.HF_HUB_CACHE = value
        os.environ[place] = value
    os.chdir(around.base)
    _watch(around)


def _watch(around: Surroundings) -> None:
    """Writes what must not happen into a log, as soon as the interpreter announces it."""
    handle = os.open(around.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    allowed = [str(around.artefact), str(around.output), str(around.log), "/dev/", "/proc/self/"]
    inner, secret = str(around.artefact), str(around.secret)
    allowed += [os.environ["HF_HOME"], os.environ["XDG_STATE_HOME"], *CACHES]
    busy: list[bool] = []

    def note(line: str) -> None:
        os.write(handle, f"{line:.400}\n".encode(errors="replace"))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if busy:
            return
        busy.append(True)
        try:
            if event in EXECUTES:
                note(f"executed {event} {arguments}")
            elif event in CONNECTS:
                note(f"connected {event} {arguments}")
            elif event in ("compile", "exec"):
                code = arguments[-1] if event == "compile" else arguments[0]
                name = str(getattr(code, "co_filename", code))
                if name.startswith(inner):
                    note(f"executed {event} {name}")
            elif event == "ctypes.dlopen" and inner in str(arguments[0]):
                note(f"executed {event} {arguments}")
            elif event == "open" and isinstance(arguments[0], str | bytes):
                path, flags = os.path.realpath(os.fsdecode(arguments[0])), arguments[2] or 0
                writes = bool(flags & WRITING)
                if path == secret or (writes and not path.startswith(tuple(allowed))):
                    note(f"outside open {path}")
            elif event in CHANGES:
                _check_changes(event, arguments, allowed, note)
        finally:
            busy.clear()

    sys.addaudithook(hook)


def _check_changes(
    event: str, arguments: tuple[Any, ...], allowed: list[str], note: Callable[[str], None]
) -> None:
    paths = [each for each in arguments[:2] if isinstance(each, str | bytes | Path)]
    relative = any(isinstance(each, int) and each >= 0 for each in arguments[1:])
    for each in paths:
        name = os.fsdecode(each)
        if relative and not os.path.isabs(name):
            continue  # within a folder that was opened before; the victim's digest tells
        parent, last = os.path.split(os.path.abspath(name))
        place = os.path.join(os.path.realpath(parent), last)
        temporary = place.startswith("/tmp/") and "reliability-" not in place
        if not temporary and not place.startswith(tuple(allowed)):
            note(f"outside {event} {place}")
