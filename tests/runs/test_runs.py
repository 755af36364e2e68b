"""Whole runs of a tiny task: what they write, how they end, and how they go on."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from guidance.errors import Diverged, InputError, Interrupted, OutOfResources
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.media.contact_sheet import TILE
from guidance.media.metadata import extract
from guidance.media.read_image import read_png
from guidance.runs import atomic, checkpoint
from guidance.runs import recorder as record_run
from guidance.runs.folder import only_writer
from tests.runs.dot import Dot
from tests.runs.spinner import Spinner, Thing
from tests.stand_ins import Canvas, Target

DOT = Path(__file__).parent / "dot.py"


class Killed(BaseException):
    """Ends a process at a given place, as a test can do it without a process."""


def kill_at(step: int) -> list:
    def listen(event: Event) -> None:
        if isinstance(event, StepEvent) and event.step == step:
            raise Killed

    return [listen]


def interrupted(tmp_path: Path, step: int, **fields: object) -> tuple[Dot, Path]:
    """A task and the folder of its run, killed after a step."""
    task = Dot(prompt="a", output=tmp_path, **fields)
    with pytest.raises(Killed):
        task.run(kill_at(step))
    (folder,) = (tmp_path / "dot").iterdir()
    return task, folder


def same_tensors(one: Path, other: Path) -> bool:
    a, b = (load_file(folder / checkpoint.DATA) for folder in (one, other))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_one_sample_lies_at_the_top(tmp_path: Path) -> None:
    result = Dot(prompt="a red dot", output=tmp_path).run()
    assert result.folder.parent == tmp_path / "dot"
    assert result.folder.name.endswith("-a-red-dot")
    names = {path.name for path in result.folder.iterdir()}
    assert names == {
        "config.yaml",
        ".lock",
        "environment.json",
        "metrics.jsonl",
        "preview",
        "checkpoint.safetensors",
        "checkpoint.json",
        "image.png",
        "progress.mp4",
        "DONE.json",
    }
    done = json.loads((result.folder / "DONE.json").read_text())
    assert done["steps"] == 24
    assert done["samples"][0]["files"] == ["image.png", "progress.mp4"]
    assert len(result.losses) == 24
    lines = [json.loads(line) for line in (result.folder / "metrics.jsonl").open()]
    assert [line["step"] for line in lines if "losses" in line] == list(range(1, 25))
    environment = json.loads((result.folder / "environment.json").read_text())
    assert environment["versions"]["torch"] == torch.__version__
    assert not list(result.folder.rglob("*.tmp"))


def test_what_was_repaired_at_the_end_is_told_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    def finish(canvas: Canvas) -> tuple[str, ...]:
        told.append(canvas.pixels.clone())
        with torch.no_grad():
            canvas.pixels.fill_(0.25)
        return ("the canvas was painted over",)

    monkeypatch.setattr(Canvas, "finish", finish)
    result = Dot(prompt="a red dot", output=tmp_path).run()
    assert len(told) == 1 and "the canvas was painted over" in capsys.readouterr().err
    done = json.loads((result.folder / "DONE.json").read_text())
    assert done["notes"] == ["the canvas was painted over"]
    with Image.open(result.folder / "image.png") as picture:
        assert set(picture.convert("L").tobytes()) == {64}


def test_several_samples_have_folders_and_a_contact_sheet(tmp_path: Path) -> None:
    task = Dot(prompt=["one", "two"], samples=2, steps=6, output=tmp_path)
    result = task.run()
    assert [s.prompt for s in result.samples] == ["one", "one", "two", "two"]
    assert [s.seed for s in result.samples] == [0, 1, 0, 1]
    for index in range(4):
        assert (result.folder / "samples" / f"{index:03d}" / "image.png").is_file()
    assert not (result.folder / "image.png").exists()
    assert result.files == (result.folder / "contact.png",)


def test_the_written_configuration_repeats_the_run(tmp_path: Path) -> None:
    first = Dot(prompt="a", steps=7, seed=3, output=tmp_path).run()
    values = yaml.safe_load((first.folder / "config.yaml").read_text())
    assert values.pop("schema_version") == 3
    assert values.pop("task") == "dot"
    second = Dot(**values).run()
    assert second.folder != first.folder
    assert same_tensors(first.folder, second.folder)
    assert second.losses == first.losses


@pytest.mark.parametrize("step", [1, 5, 6, 12, 13, 24])
def test_resumed_runs_are_the_same_to_the_bit(tmp_path: Path, step: int, monkeypatch) -> None:
    monkeypatch.setattr(record_run, "SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(record_run, "SHARE", math.inf)
    whole = Dot(prompt="a", output=tmp_path / "whole").run()
    task, folder = interrupted(tmp_path / "killed", step)
    with (folder / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step":99,"losses":{}}\n{"step":1')  # lines that a killed process left
    result = task.run(folder=folder)
    assert result.losses == whole.losses
    assert same_tensors(whole.folder, folder)
    for name in ("metrics.jsonl", "image.png", "progress.mp4"):
        a, b = ((f / name).read_bytes() for f in (whole.folder, folder))
        if name == "metrics.jsonl":
            assert a == b
    assert [p.name for p in sorted(folder.glob("preview/*"))] == [
        p.name for p in sorted(whole.folder.glob("preview/*"))
    ]
    a, b = (read_png(f / "image.png") for f in (whole.folder, folder))
    assert np.array_equal(a, b)


def test_checkpoints_never_lose_the_preview_of_their_step(tmp_path: Path) -> None:
    """The loop tells a preview after its step; a checkpoint in between would lose its line."""
    settings = Settings(steps=23, validations=5)
    told, predicted = set(), set()

    def listen(event: Event) -> None:
        if isinstance(event, StepEvent):
            if settings.validation_follows(event.step):
                predicted.add(event.step)
        else:
            told.add(event.step)

    optimize(Canvas(), Target([0.1, 0.9]), settings, listeners=[listen])
    assert told - {0} == predicted


def test_a_done_run_is_left_alone(tmp_path: Path) -> None:
    task = Dot(prompt="a", steps=6, output=tmp_path)
    first = task.run()
    before = {p: p.stat().st_mtime_ns for p in first.folder.rglob("*")}
    again = task.run(folder=first.folder)
    assert again.already_done
    assert again.samples == first.samples
    assert {p: p.stat().st_mtime_ns for p in first.folder.rglob("*")} == before


def test_a_changed_configuration_is_refused(tmp_path: Path) -> None:
    task, folder = interrupted(tmp_path, 8)
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("seed: 0", "seed: 1"))
    with pytest.raises(InputError, match=r"config.yaml was changed since the checkpoint"):
        task.run(folder=folder)


def test_missing_metrics_are_refused_before_anything_changes(tmp_path: Path) -> None:
    task, folder = interrupted(tmp_path, 8)
    lines = (folder / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_bytes(b"".join(lines[:3]))
    before = (folder / "metrics.jsonl").read_bytes()
    with pytest.raises(InputError, match="expected the 5 steps of the checkpoint, found 2"):
        task.run(folder=folder)
    assert (folder / "metrics.jsonl").read_bytes() == before
    (folder / "metrics.jsonl").unlink()
    with pytest.raises(InputError, match="is missing"):
        task.run(folder=folder)


def test_only_one_process_writes(tmp_path: Path) -> None:
    task, folder = interrupted(tmp_path, 8)
    with only_writer(folder), pytest.raises(InputError, match="another process writes to this run"):
        task.run(folder=folder)


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from guidance.runs.folder import only_writer\n"
        "with only_writer(Path(sys.argv[1])):\n    print('locked', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"locked\n"
    with (
        pytest.raises(InputError, match="another process writes to this run"),
        only_writer(tmp_path),
    ):
        pass
    child.kill()
    child.wait()
    with only_writer(tmp_path):
        pass


def test_divergence_keeps_a_valid_checkpoint(tmp_path: Path) -> None:
    task = Dot(prompt="a", steps=60, broken_after=8, output=tmp_path)
    with pytest.raises(Diverged, match="the loss of target"):
        task.run()
    (folder,) = (tmp_path / "dot").iterdir()
    assert checkpoint.load(
        folder, task.build().generator, checkpoint.file_digest(folder / "config.yaml")
    )
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
    assert lines[-1]["loss"] is None
    assert lines[-1]["skipped"] is True


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(record_run, "SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(record_run, "SHARE", math.inf)
    whole = Dot(prompt="a", output=tmp_path / "whole").run()
    fsync, calls = os.fsync, iter(range(10**6))
    task = Dot(prompt="a", output=tmp_path / "full")

    def full(handle: int) -> None:
        if next(calls) > 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OutOfResources, match="the disk is full; free space, then: guide run --re"):
        task.run()
    monkeypatch.setattr(atomic.os, "fsync", fsync)
    (folder,) = (tmp_path / "full" / "dot").iterdir()
    assert not list(folder.rglob("*.tmp"))
    assert task.run(folder=folder).losses == whole.losses


def test_a_signal_ends_a_real_process_with_75(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "guidance.cli", "run", str(DOT), "--prompt", "a"]
    command += ["--steps", "1000000", "--output", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(DOT.parents[2])}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("dot/*/checkpoint.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 75
    (folder,) = (tmp_path / "dot").iterdir()
    last = told.splitlines()[-1]
    assert last.endswith(f"resume with: guide run --resume {folder}")
    assert "Traceback" not in told
    step = json.loads((folder / "checkpoint.json").read_text())["step"]
    assert f"after step {step} of" in last


def test_the_first_signal_stops_after_the_step_and_checkpoints(tmp_path: Path) -> None:
    task = Dot(prompt="a", output=tmp_path)

    def press(event: Event) -> None:
        if isinstance(event, StepEvent) and event.step == 9:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="interrupted after step 10 of 24"):
        task.run(listeners=[press])
    assert signal.getsignal(signal.SIGINT) is before
    (folder,) = (tmp_path / "dot").iterdir()
    whole = Dot(prompt="a", output=tmp_path / "whole").run()
    assert task.run(folder=folder).losses == whole.losses


def test_the_second_signal_ends_at_once() -> None:
    code = (
        "import os, signal\nfrom guidance.runs.signals import Signals\nwith Signals():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('not reached')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "not reached" not in done.stdout
    assert "repeat to stop at once" in done.stderr


def test_things_get_a_turntable_and_eight_views(tmp_path: Path) -> None:
    import av

    run = Spinner(prompt=["one", "two"], output=tmp_path).run()
    place = run.folder / "samples" / "001"
    names = ["contact.png", "mesh.glb", "mesh.obj", "progress.mp4", "turntable.mp4"]
    assert sorted(path.name for path in place.iterdir()) == names
    with av.open(str(place / "turntable.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) == 60
    reddest = [frame[..., 0].mean() > frame[..., 2].mean() for frame in frames]
    assert reddest[0]
    assert not reddest[30]
    sheet = read_png(place / "contact.png")
    assert sheet.shape[1] > 4 * TILE
    assert sheet.shape[0] > 2 * TILE
    for name in ("mesh.glb", "contact.png", "turntable.mp4"):
        assert extract(place / name)["task"] == "spinner"


def test_a_generator_cannot_export_out_of_its_folder(tmp_path: Path, monkeypatch) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("")
    monkeypatch.setattr(Thing, "export", lambda self, folder, sample: [outside])
    with pytest.raises(InputError, match="leads out of"):
        Spinner(prompt="one", output=tmp_path / "runs").run()
    assert outside.exists()
