"""Out of memory and a full disk at any place: one line, exit 5, and a checkpoint that loads."""

from __future__ import annotations

import errno
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from guidance.errors import OutOfResources, is_out_of_memory
from guidance.runs import recorder
from guidance.runs.artifacts.progress_video import ProgressVideo
from guidance.runs.resumed import read_checkpoint
from tests.runs.damage import DOT, guide
from tests.runs.dot import Dot

STEPS = 8
ERRORS: tuple[Callable[[], BaseException], ...] = (
    lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    lambda: RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate"
                         " memory: you tried to allocate 40 bytes. Error code 12"),
    MemoryError,
    lambda: OSError(errno.ENOMEM, "Cannot allocate memory"),
)  # fmt: skip
#: Where it fails, and in which call; later calls succeed.
PLACES = [
    ("tests.stand_ins:Canvas.__init__", 0),  # build
    ("tests.stand_ins:Target.__init__", 0),
    ("guidance.tasks.shared.running:loss_encoders", 0),
    ("guidance.tasks.shared.running:environment", 0),
    ("tests.stand_ins:Canvas.forward", 0),  # the output before any step
    ("guidance.types:Loss.prepare", 0),  # texts are encoded here
    ("guidance.loop.snapshot:Best.__init__", 0),
    ("guidance.loop.snapshot:Best.update", 0),
    ("guidance.loop.snapshot:Best.update", 3),
    ("guidance.loop.optimize:all_finite", 7),
    ("guidance.loop.optimizers:Adam.step", 7),
    ("tests.stand_ins:Canvas.project", 7),
    ("guidance.loop.optimize:snapshot", 1),
    ("safetensors.torch:save", 1),
    ("guidance.runs.checkpoint:write_bytes", 1),
    ("guidance.runs.record:Metrics.write", 7),
    ("guidance.runs.frames:encode_png", 7),
    ("guidance.runs.recorder:_Recorder._look", 7),
    ("tests.stand_ins:Canvas.finish", 0),
    ("guidance.loop.snapshot:Best.load_into", 0),
    ("guidance.runs.artifacts.export:embed", 0),
    ("guidance.media.write_image:encode_png", 0),
    ("guidance.runs.frames:untiled", 3),
    ("guidance.runs.artifacts.progress_video:encode_mp4", 0),
    ("guidance.runs.recorder:write_done", 0),
]


def failing(
    monkeypatch: pytest.MonkeyPatch, place: str, call: int, make: Callable[[], BaseException]
) -> None:
    """Lets one call of a function fail."""
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for each in outer:
        owner = getattr(owner, each)
    before, calls = getattr(owner, name), iter(range(10**6))

    def fails(*arguments: Any, **named: Any) -> Any:
        if next(calls) == call:
            raise make()
        return before(*arguments, **named)

    monkeypatch.setattr(owner, name, fails)


@pytest.fixture(autouse=True)
def without_video(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the video, whose codec takes most of the time, where it is not what fails."""
    if not any(word in request.node.name for word in ("encode_mp4", "untiled", "base")):
        monkeypatch.setattr(ProgressVideo, "write", lambda *_: iter(()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[float, ...]:
    return Dot(prompt="a", steps=STEPS, output=tmp_path_factory.mktemp("whole")).run().losses


@pytest.mark.parametrize(("place", "call"), PLACES)
def test_out_of_memory_is_one_line_and_leaves_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, call: int,
    whole: tuple[float, ...],
) -> None:  # fmt: skip
    make = ERRORS[PLACES.index((place, call)) % len(ERRORS)]
    task = Dot(prompt="a", steps=STEPS, output=tmp_path)
    monkeypatch.setattr(recorder, "SECONDS_BETWEEN", 0.0)
    with monkeypatch.context() as patch:
        failing(patch, place, call, make)
        with pytest.raises(OutOfResources) as told:
            task.run()
    assert str(told.value).startswith("out of memory; use a smaller size, fewer samples")
    assert "\n" not in str(told.value)
    folders = list((tmp_path / "dot").iterdir()) if (tmp_path / "dot").exists() else []
    if folders and (folders[0] / "checkpoint.json").exists():
        assert str(told.value).endswith(f"guide run --resume {folders[0]}")
        assert read_checkpoint(folders[0], task.build()) is not None
    if folders:
        assert task.run(folder=folders[0]).losses == whole
        assert not list(folders[0].rglob("*.tmp")) and not list(folders[0].rglob(".export-*"))


@pytest.mark.parametrize("make", ERRORS[:3])
@pytest.mark.parametrize(
    "place", ["guidance.loop.optimize:backward", "tests.stand_ins:Canvas.forward"]
)
def test_a_smaller_micro_batch_is_tried_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str,
    make: Callable[[], BaseException], whole: tuple[float, ...],
) -> None:  # fmt: skip
    failing(monkeypatch, place, 5, make)
    result = Dot(prompt="a", steps=STEPS, output=tmp_path).run()
    assert result.losses == whole
    assert '"micro_batch":32' in (result.folder / "metrics.jsonl").read_text()


def test_the_command_line_says_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, "guidance.config.commandline:read_tree", 0, ERRORS[2])
    code, told = guide(capsys, "run", DOT, "--prompt", "a", "--output", tmp_path)
    assert (code, told.count("\n")) == (5, 1) and told.startswith("guide: out of memory; use a")


def test_what_is_out_of_memory() -> None:
    for make in ERRORS:
        assert is_out_of_memory(make())
        try:
            try:
                raise make()
            except (RuntimeError, MemoryError, OSError):
                raise ValueError("weights do not match") from None
        except ValueError as error:  # a library's error converted on the way, cause hidden
            assert is_out_of_memory(error)
    with pytest.raises(MemoryError) as told:
        np.empty(2**62, np.uint8)
    assert is_out_of_memory(told.value)
    with pytest.raises(RuntimeError) as torch_told:
        torch.empty(2**50)
    assert is_out_of_memory(torch_told.value)
    assert not is_out_of_memory(RuntimeError("shapes differ"))


@pytest.mark.parametrize(
    "place",
    [
        "guidance.runs.folder:write_text",
        "guidance.runs.json_records:write_text",
        "guidance.runs.frames:Path.write_bytes",
        "guidance.media.write_image:encode_png",
        "guidance.runs.artifacts.export:move_all",
        "guidance.runs.checkpoint:write_bytes",
        "guidance.runs.artifacts.base:write_bytes",
        "guidance.runs.results:write_record",
    ],
)
def test_a_full_disk_anywhere_is_exit_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    place: str, whole: tuple[float, ...],
) -> None:  # fmt: skip
    code_of = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)[len(place) % 3]
    with monkeypatch.context() as patch:
        failing(patch, place, 0, lambda: OSError(code_of, "full"))
        words = ["run", DOT, "--prompt", "a", "--steps", STEPS, "--output", tmp_path / "o"]
        code, told = guide(capsys, *words)
    last = told.splitlines()[-1]
    assert code == 5 and "the disk is full; free space" in last and "Traceback" not in told
    for folder in (tmp_path / "o" / "dot").iterdir():
        result = Dot(prompt="a", steps=STEPS, output=tmp_path).run(folder=folder)
        assert result.losses == whole
