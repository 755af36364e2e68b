"""Damaged files for every reader: each is read, or refused in one line.

Five readers get the same number of inputs: meshes, images, videos, configurations and folders of
weights. The readers run in forked children, one after the other. A fault is an exception that is
no error of this package, a crash, more than 10 s of a core, or more than 2 GB of memory. Some of
the refused inputs also go through the command line, which must end with exit 2 or 3.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.reliability.harness.children import fork, guide
from benchmarks.reliability.harness.outcome import Outcome, Trial
from benchmarks.reliability.harness.scene import Scene
from benchmarks.reliability.harness.warm import spread
from benchmarks.reliability.inputs import configs, media, meshes, weights
from benchmarks.reliability.inputs.mutate import mutated

FULL = 1000
READERS = ("meshes", "images", "videos", "configurations", "weights")
SECONDS, MEGABYTES = 10, 2048
#: Inputs of one child; the share of refused inputs that also go through the command line.
BATCH, COMMAND = 25, 40
REFUSED = (2, 3)


class Batch(NamedTuple):
    """Inputs of one reader, by their numbers."""

    reader: str
    first: int
    last: int


def run(scene: Scene, count: int) -> Outcome:
    """Gives that many damaged files to each reader."""
    sources = scene.fresh("fuzz")
    weights.encoder_folder(sources / "encoder")
    weights.denoiser_folder(sources / "denoiser")
    originals: dict[str, Any] = {
        "meshes": meshes.mesh_inputs(),
        "images": media.image_inputs(),
        "videos": media.video_inputs(),
        "configurations": configs.config_inputs(),
        "weights": [sources / "encoder", sources / "denoiser"],
    }
    batches = [
        Batch(reader, first, min(count, first + BATCH))
        for first in range(0, count, BATCH)
        for reader in READERS
    ]
    reports = [line for found in spread(partial(_try, scene, originals), batches) for line in found]
    trials = [Trial(f"{line['reader']} {line['result']}", line["fault"]) for line in reports]
    longest = max(reports, key=lambda line: line["seconds"])
    largest = max(reports, key=lambda line: line["megabytes"])
    return Outcome.of(
        trials,
        longest_seconds=[longest["seconds"], longest["name"]],
        most_megabytes=[largest["megabytes"], largest["name"]],
        through_the_command_line=sum(line["command"] for line in reports),
    )


def _try(scene: Scene, originals: dict[str, Any], batch: Batch) -> list[dict[str, Any]]:
    """Reads the inputs of a batch; a child that dies is replaced by one for the inputs behind."""
    place = scene.fresh(f"fuzz-{batch.reader}-{batch.first}")
    found: list[dict[str, Any]] = []
    first = batch.first
    while first < batch.last:
        log = place / f"log-{first}"
        rest = batch._replace(first=first)
        ended = fork(partial(_child, scene, originals, rest, place, log)).wait(600)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        found += [line for line in lines if line["result"] != "began"]
        if ended.code == 0:
            break
        if len(lines) % 2 == 0:
            raise RuntimeError(f"no inputs could be made: {ended.errors[-2000:]}")
        last = lines[-1]
        ends = {-signal.SIGPROF: "hung", -signal.SIGALRM: "waited"}
        fault = f"{last['name']}: {ends.get(ended.code, 'died')}, {ended.said()}"
        found.append({**last, "result": ends.get(ended.code, "died"), "fault": fault})
        first = last["number"] + 1
    for line in found:
        line["command"] = line["result"] == "refused" and line["number"] % COMMAND == 0
        if line["command"]:
            line["fault"] = line["fault"] or _refused_by_the_command(scene, originals, batch, line)
    return found


def _child(scene: Scene, originals: dict[str, Any], batch: Batch, place: Path, log: Path) -> int:
    """What the child does: a line before and after each input."""
    for each in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(each, signal.SIG_DFL)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = size + 2 * MEGABYTES * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with log.open("a", buffering=1) as lines:
        for number in range(batch.first, batch.last):
            path, name = _make(scene, originals, batch.reader, number, place)
            line = {"reader": batch.reader, "number": number, "name": name, "fault": ""}
            line |= {"result": "began", "seconds": SECONDS, "megabytes": 0}
            lines.write(json.dumps(line) + "\n")
            lines.write(json.dumps(line | _read(READ[batch.reader], path, name)) + "\n")
    return 0


def _make(
    scene: Scene, originals: dict[str, Any], reader: str, number: int, place: Path
) -> tuple[Path, str]:
    """Writes one input; returns its path and its name in reports."""
    draw, source = scene.draw("fuzz", reader, number), originals[reader]
    if reader == "weights":
        folder = source[number % len(source)]
        path = place / folder.name
        return path, f"{folder.name} {number}: {weights.damaged_copy(folder, path, draw)}"
    if reader == "configurations":
        path = place / "config.yaml"
        path.write_bytes(configs.config_file(source, draw))
        return path, f"configuration {number}"
    name, others = draw.choice(list(source)), list(source.values())
    path = place / f"{number}-{name}"
    path.write_bytes(mutated(source[name], others, draw))
    return path, f"{reader} {number}: {name}"


def _read(read: Callable[[Path], None], path: Path, name: str) -> dict[str, Any]:
    """Reads one input; what came of it."""
    from guidance.errors import GuidanceError

    before = _reset_peak()
    cpu = sum(os.times()[:2])
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, 10 * SECONDS)
    result, fault = "read", ""
    try:
        read(path)
    except GuidanceError as error:
        result, said = "refused", " ".join(str(error).split())
        if error.exit_code not in REFUSED:
            fault = f"{name}: exit {error.exit_code}: {said:.200}"
        elif any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in said):
            fault = f"{name}: control characters in {said!r:.200}"
    except BaseException as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "guidance/" in f.filename]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        result, fault = "raised", f"{name}: {type(error).__name__} at {where}: {error!s:.150}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    used = _peak() - before
    if used > MEGABYTES and not fault:
        fault = f"{name}: {used:.0f} MB"
    seconds = round(sum(os.times()[:2]) - cpu, 2)
    return {"result": result, "fault": fault, "seconds": seconds, "megabytes": round(used)}


def _read_mesh(path: Path) -> None:
    from guidance.geometry.io.files import load_mesh

    load_mesh(path, maps=True)


def _read_image(path: Path) -> None:
    from guidance.media.metadata import carries, extract
    from guidance.media.read_image import load_image

    if carries(path):
        _ignoring_errors(lambda: extract(path))
    load_image(path)


def _read_video(path: Path) -> None:
    from guidance.media.metadata import carries, extract
    from guidance.media.read_video import is_video, open_video

    if carries(path):
        _ignoring_errors(lambda: extract(path))
    if is_video(path):
        for _ in open_video(path).images():
            pass


def _read_config(path: Path) -> None:
    from guidance.commands.run import find_task, parse_task
    from guidance.config.files import read_config, strip_header
    from guidance.config.kinds import TASKS, names

    task, _, _ = strip_header(read_config(path), str(path))
    name = task if task in names(TASKS) else "text2image"
    parse_task(find_task(name), name, ["--config", str(path)])


def _read_weights(path: Path) -> None:
    import torch

    from guidance.diffusion import load_denoiser
    from guidance.encoders import load_encoder

    with torch.no_grad():
        if path.name == "encoder":
            encoder = load_encoder(f"local-dir:{path}", "cpu", "fp32")
            encoder.encode_text(["a red heart"])
            encoder.encode_image(torch.rand(1, 3, 32, 32))
            return
        denoiser = load_denoiser(f"local-dir:{path}", "cpu", precision="fp32")
        words = denoiser.encode_text(["red"])
        latents = denoiser.encode_image(torch.rand(1, 3, 16, 16))
        denoiser.noise(latents, denoiser.level(torch.tensor([0.5]), latents), words)
        denoiser.decode_image(latents)


READ: dict[str, Callable[[Path], None]] = {
    "meshes": _read_mesh,
    "images": _read_image,
    "videos": _read_video,
    "configurations": _read_config,
    "weights": _read_weights,
}


def _ignoring_errors(work: Callable[[], object]) -> None:
    """Errors of this package are counted by the reader that comes behind."""
    from guidance.errors import GuidanceError

    with contextlib.suppress(GuidanceError):
        work()


def _refused_by_the_command(
    scene: Scene, originals: dict[str, Any], batch: Batch, line: dict[str, Any]
) -> str:
    """A fault in how the command line refuses an input; an empty text if there is none."""
    place = scene.fresh(f"command-{batch.reader}-{batch.first}")
    path, name = _make(scene, originals, batch.reader, line["number"], place)
    ended = guide([*_words(batch.reader, path), "--output", str(place / "out")]).wait()
    wrong = ended.complaint(*REFUSED)
    lines = [each for each in ended.errors.splitlines() if not each.startswith("loading ")]
    if not wrong and len(lines) > 1:
        wrong = f"more than one line: {ended.errors!r:.300}"
    return wrong and f"{name}, by the command line: {wrong}"


def _words(reader: str, path: Path) -> Iterator[str] | list[str]:
    few = ["--steps", "1", "--device", "cpu", "--no-judge"]
    words = {
        "meshes": ["text2mesh", "--prompt", "a", "--mode", "texture", "--mesh", str(path)],
        "images": ["stylize", "--prompt", "a", "--image", str(path), "--size", "32"],
        "videos": ["stylize", "--prompt", "a", "--image", str(path), "--size", "32"],
        "configurations": ["text2image", "--config", str(path)],
        "weights": ["text2image", "--prompt", "red", "--size", "16"],
    }[reader]
    if reader == "configurations":
        task = _task_of(path)
        words = [task, "--config", str(path)]
    elif path.name == "encoder":
        words += ["--encoder", f"local-dir:{path}"]
    elif path.name == "denoiser":
        words += ["--loss", "sds", "--denoiser", f"local-dir:{path}"]
    return ["run", *words, *few]


def _task_of(path: Path) -> str:
    from guidance.config.kinds import TASKS, names

    text = path.read_bytes().decode(errors="replace")
    return next((name for name in names(TASKS) if f"task: {name}\n" in text), "text2image")


def _reset_peak() -> float:
    """Forgets the peak of this process's memory; returns what it holds now, in megabytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        print("the peak of memory cannot be reset here", file=sys.stderr)
    return _status("VmRSS:")


def _peak() -> float:
    return _status("VmHWM:")


def _status(key: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise KeyError(key)
