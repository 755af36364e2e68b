"""What a finished run leaves for its user: images, meshes, videos, and DONE.json."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.loop.optimize import Result
from guidance.media import images as media
from guidance.media.metadata import embed
from guidance.prompts import plain_text
from guidance.runs.artifacts.animation import Animation
from guidance.runs.atomic import move_into, os_errors, write_bytes, write_text
from guidance.runs.folder import ANIMATION, DONE, PREVIEW, contained
from guidance.runs.plan import Plan, RunResult, SampleResult, Scores
from guidance.runs.record import finite
from guidance.types import Rendering
from guidance.views import Cameras, Frames, View, Windows

SCHEMA_VERSION = 1
FPS = 15
TURNTABLE, NORMALS = "turntable.mp4", "normals.mp4"
TURNTABLE_VIEWS, TURNTABLE_FPS = 60, 20
CONTACT_VIEWS = 8
#: Views rendered at once for turntables, to bound memory.
AT_ONCE = 6


def write_results(
    folder: Path, plan: Plan, result: Result, comment: str | None
) -> Iterator[tuple[Path, ...]]:
    """Writes the files of sample after sample, then those of all; yields what it wrote.

    Args:
        comment: the configuration as JSON, which goes into every file that can hold it.
    """
    prompts = [plain_text(prompt) for prompt in plan.prompts]
    n = len(prompts)
    turns = _turntable(plan, TURNTABLE_VIEWS)
    sheets = _turntable(plan, CONTACT_VIEWS)
    for sample in range(n):
        place = sample_folder(folder, sample, n)
        with os_errors(place):
            place.mkdir(parents=True, exist_ok=True)
        files = _export(place, plan, sample, comment)
        for name, frames_of in turns.items():
            video = media.encode_mp4(frames_of[sample], TURNTABLE_FPS, comment)
            files.append(write_bytes(place / name, video))
        if TURNTABLE in sheets:
            tiles = sheets[TURNTABLE][sample]
            captions = [prompts[sample]] + [""] * (len(tiles) - 1)
            sheet = media.contact_sheet(tiles, captions)
            files.append(write_bytes(place / "contact.png", _with(sheet, comment)))
        best = result.images[sample, 0]
        if plan.animation is not None:
            video = _animation(folder / ANIMATION, plan.animation, (sample, n), comment)
            files.append(write_bytes(place / "animation.mp4", video))
        if plan.video is not None:
            frames_of_sample = plan.video.frames(sample)
            video = media.encode_mp4(frames_of_sample, plan.video.rate, comment, least_side=2)
            files.append(write_bytes(place / plan.video.name, video))
        progress = _progress_video(folder / PREVIEW, (sample, n), best, comment)
        if progress is not None:
            files.append(write_bytes(place / "progress.mp4", progress))
        yield tuple(files)
    if n > 1:
        tiles = [media.to_bytes(views[0]) for views in result.images]
        sheet = media.contact_sheet(tiles, prompts)
        yield (write_bytes(folder / "contact.png", _with(sheet, comment)),)


def sample_folder(folder: Path, sample: int, num_samples: int) -> Path:
    """Where the files of a sample lie: at the top if it is the only one."""
    return folder if num_samples == 1 else folder / "samples" / f"{sample:03d}"


def _with(content: bytes, comment: str | None) -> bytes:
    return content if comment is None else embed(content, comment)


@torch.no_grad()
def _export(place: Path, plan: Plan, sample: int, comment: str | None) -> list[Path]:
    """The generator's own files, written aside and then moved to their names."""
    files = []
    with (
        os_errors(place),
        tempfile.TemporaryDirectory(prefix=".export-", dir=place) as name,
    ):
        aside = Path(name)
        for path in plan.generator.export(aside, sample):
            inside = contained(aside, path).relative_to(aside.resolve())
            if comment is not None and path.suffix in (".png", ".glb"):
                path.write_bytes(embed(path.read_bytes(), comment))
            target = place / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            files.append(move_into(path, target))
    return files


@torch.no_grad()
def _turntable(plan: Plan, views: int) -> dict[str, list[list[media.Frame]]]:
    """All samples from all around, over white, by the name of the video; empty for flat images.

    Held in bytes, since these are many images.
    """
    if plan.turntable is None:
        return {}
    shows: dict[str, Callable[[Rendering], Tensor]] = {TURNTABLE: Rendering.over}
    if plan.normals is not None:
        shows[NORMALS] = plan.normals
    cameras = plan.turntable(views)
    found: dict[str, list[list[media.Frame]]] = {name: [[] for _ in plan.prompts] for name in shows}
    for start in range(0, views, AT_ONCE):
        seen = plan.generator(some_views(cameras, slice(start, start + AT_ONCE)))
        for name, show in shows.items():
            for frames, pictures in zip(found[name], show(seen), strict=True):
                frames += [media.to_bytes(picture) for picture in pictures]
    return found


@overload
def some_views(cameras: Cameras, views: slice) -> Cameras: ...


@overload
def some_views(cameras: Windows, views: slice) -> Windows: ...


@overload
def some_views(cameras: Frames, views: slice) -> Frames: ...


def some_views(cameras: View, views: slice) -> View:
    """Some of the views of every sample."""
    if isinstance(cameras, Frames):
        return Frames(cameras.index[:, views])
    if isinstance(cameras, Windows):
        left, top, side = (x[:, views] for x in (cameras.left, cameras.top, cameras.side))
        return replace(cameras, left=left, top=top, side=side)
    return cameras.some(views)


def _progress_video(
    preview: Path, sample: tuple[int, int], best: Float[Tensor, "3 h w"], comment: str | None
) -> bytes | None:
    """The frames that the run kept of one sample of n, and its best image for a second."""
    paths = sorted(preview.glob("*.png"))
    if len(paths) < 2:
        return None
    frames = [media.untiled(media.read_png(path), *sample) for path in paths]
    frames += [media.to_bytes(best)] * FPS
    if len({frame.shape for frame in frames}) > 1:
        raise InputError(f"{preview}: its images are of several sizes; they were changed")
    return media.encode_mp4(frames, FPS, comment)


def _animation(
    folder: Path, animation: Animation, sample: tuple[int, int], comment: str | None
) -> bytes:
    """The video of one sample of n. Raises InputError if frames are not there any more."""
    paths = sorted(folder.glob("*.png"))
    if len(paths) != animation.frames:
        raise InputError(
            f"{folder}: holds {len(paths)} of {animation.frames} frames; it was changed: put them "
            "back, or start the run anew"
        )
    frames = (media.untiled(media.read_png(path), *sample) for path in paths)
    return media.encode_mp4(frames, animation.fps, comment)


def write_done(run: RunResult, task: str, judge: str | None, plan: Plan) -> Path:
    """The last file of a run: what came out of it."""
    folder = run.folder
    samples = [
        {
            "prompt": sample.prompt,
            "seed": sample.seed,
            "best_loss": sample.best_loss,
            "judge_before": sample.judge_before,
            "judge_after": sample.judge_after,
            "files": [path.relative_to(folder).as_posix() for path in sample.files],
        }
        for sample in run.samples
    ]
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "task": task,
        "steps": plan.settings.steps,
        "notes": plan.notes,
        "skipped": run.skipped,
        "judge": judge,
        "files": [path.relative_to(folder).as_posix() for path in run.files],
        "samples": samples,
    }
    text = json.dumps(finite(content), indent=2, ensure_ascii=False)
    return write_text(folder / DONE, text + "\n")


def read_done(folder: Path, prompts: tuple[str, ...], seeds: tuple[int, ...]) -> RunResult:
    """What a finished run came to. Raises InputError if its DONE.json cannot be read."""
    path = folder / DONE
    try:
        if path.stat().st_size > 2**24:
            raise ValueError("too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        samples = tuple(
            SampleResult(
                prompts[index],
                seeds[index],
                sample_folder(folder, index, len(prompts)),
                tuple(folder / name for name in entry["files"]),
                float("nan") if entry["best_loss"] is None else float(entry["best_loss"]),
                entry["judge_before"],
                entry["judge_after"],
            )
            for index, entry in enumerate(content["samples"])
        )
        files = tuple(folder / name for name in content["files"])
        return RunResult(folder, samples, files, (), int(content["skipped"]), already_done=True)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        raise InputError(f"{path}: is damaged; the run's results lie beside it") from None


def sample_results(
    folder: Path,
    plan: Plan,
    result: Result,
    written: list[tuple[Path, ...]],
    scores: tuple[Scores | None, Scores | None],
) -> tuple[SampleResult, ...]:
    """What is known of each sample at the end."""
    seeds = plan.settings.seeds
    n = len(plan.prompts)
    before, after = scores
    return tuple(
        SampleResult(
            prompt,
            seeds + index if isinstance(seeds, int) else seeds[index],
            sample_folder(folder, index, n),
            written[index],
            float(result.best_loss[index]),
            before[index] if before else None,
            after[index] if after else None,
        )
        for index, prompt in enumerate(plan.prompts)
    )
