"""Animations of text2image: their options, their files, and runs that are interrupted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import av
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from guidance.config.commandline import parse, parse_again
from guidance.errors import InputError
from guidance.loop.events import Event, StepEvent
from guidance.media.metadata import extract
from guidance.media.read_image import read_png
from guidance.runs import checkpoint
from guidance.runs import recorder as record_run
from guidance.tasks.shared.drawing import OF_DENOISERS
from guidance.tasks.shared.running import run_task
from guidance.tasks.text2image import OF_FRAMES, TextToImage
from tests.tasks.options import OF_ANIMATIONS

SMALL: dict[str, Any] = {
    **{"prompt": ["a red heart"], "size": 32, "finest": 16, "crops": 2, "steps": 2},
    **{"frames": 3, "steps_per_frame": 2, "judge": False, "device": "cpu"},
}


class Killed(BaseException):
    """Ends a run as a killed process would."""


def kill_at(step: int) -> list[Any]:
    def listen(event: Event) -> None:
        if isinstance(event, StepEvent) and event.step == step:
            raise Killed

    return [listen]


def video(path: Path) -> tuple[list[np.ndarray], float]:
    """The frames and how many there are a second."""
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)], float(
            rate
        )


def frames(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "frames").iterdir())}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TextToImage(**SMALL, output=tmp_path_factory.mktemp("plain")).run().folder


def test_a_run_leaves_its_video_whose_last_frame_is_the_picture(plain: Path) -> None:
    found, rate = video(plain / "animation.mp4")
    assert (len(found), rate) == (3, 15)
    kept = frames(plain)
    assert list(kept) == ["0000002.png", "0000004.png", "0000006.png"]
    assert len(set(kept.values())) == 3
    last = read_png(plain / "frames" / "0000006.png")
    # Over white in another order of sums: a level more or less.
    assert np.abs(last.astype(int) - read_png(plain / "image.png").astype(int)).max() <= 1
    assert extract(plain / "animation.mp4")["frames"] == 3


@pytest.mark.parametrize("option", OF_ANIMATIONS)
def test_every_option_changes_the_video(option: str, plain: Path, tmp_path: Path) -> None:
    task = TextToImage(**{**SMALL, option: OF_ANIMATIONS[option]}, output=tmp_path)
    folder = task.run().folder
    (first, rate), (second, other_rate) = (video(f / "animation.mp4") for f in (plain, folder))
    assert rate != other_rate or len(first) != len(second) or not np.array_equal(first, second)


def test_the_same_again_is_the_same_video(plain: Path, tmp_path: Path) -> None:
    folder = TextToImage(**SMALL, output=tmp_path).run().folder
    assert frames(folder) == frames(plain)
    assert np.array_equal(video(folder / "animation.mp4")[0], video(plain / "animation.mp4")[0])


def test_a_video_brings_its_run_along(plain: Path, tmp_path: Path) -> None:
    task = parse_again(plain / "animation.mp4", ["--output", str(tmp_path)]).task
    assert frames(task.run().folder) == frames(plain)


@pytest.mark.parametrize("generator", ["cutout", "strokes", "siren"])
def test_resumed_runs_are_the_same_to_the_bit(
    generator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed within a frame, between a frame and the move, and at a frame without a checkpoint."""
    monkeypatch.setattr(record_run, "SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(record_run, "SHARE", math.inf)
    monkeypatch.setattr(record_run, "FIRST_CHECKPOINT", 3)
    fields = {**SMALL, "generator": generator, "zoom": 1.2, "rotate": 3.0, "at": ["50% a pizza"]}
    fields["finest"] = 16 if generator == "cutout" else None
    whole = TextToImage(**fields, output=tmp_path / "whole").run()
    for step in (2, 4, 5, 6):
        task = TextToImage(**fields, output=tmp_path / str(step))
        with pytest.raises(Killed):
            run_task(task, listeners=kill_at(step))
        (folder,) = (tmp_path / str(step) / "text2image").iterdir()
        (folder / "frames" / "0000099.png").write_bytes(b"what a killed process left")
        again = run_task(task, folder=folder)
        assert again.losses == whole.losses
        assert frames(folder) == frames(whole.folder)
        ours, theirs = (load_file(f / checkpoint.DATA) for f in (folder, whole.folder))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_samples_have_a_video_each(tmp_path: Path) -> None:
    run = TextToImage(**{**SMALL, "prompt": ["a heart", "a pizza"]}, output=tmp_path).run()
    one, other = (video(s.folder / "animation.mp4")[0] for s in run.samples)
    assert len(one) == len(other) == 3
    assert not np.array_equal(one[-1], other[-1])


def test_lost_frames_are_told(tmp_path: Path) -> None:
    task = TextToImage(**SMALL, output=tmp_path)

    def lose(event: Event) -> None:
        if isinstance(event, StepEvent) and event.step == 6:
            (folder,) = (tmp_path / "text2image").iterdir()
            (folder / "frames" / "0000004.png").unlink()

    with pytest.raises(InputError, match="frames: expected 3 frames, found 2; restore the"):
        run_task(task, listeners=[lose])


def test_every_generator_is_moved(tmp_path: Path) -> None:
    names = get_args(TextToImage.model_fields["generator"].annotation)
    for generator in set(names) - set(OF_DENOISERS):
        fields = {**SMALL, "generator": generator, "zoom": 1.1, "rotate": 3.0, "pan": "0.1,0"}
        fields["finest"] = None
        if generator == "grid":
            fields |= {"cells": 8, "zoom": None, "rotate": None, "pan": "0.125,-0.25"}
        run = TextToImage(**fields, output=tmp_path).run()
        found, _ = video(run.folder / "animation.mp4")
        assert len(found) == 3 and not np.array_equal(found[0], found[1]), generator


@pytest.mark.parametrize("option", OF_FRAMES)
def test_options_of_animations_are_refused_without_frames(option: str) -> None:
    with pytest.raises(InputError, match=f"{option}: is of animations, and an image has one"):
        TextToImage(prompt="a heart", **{option: OF_ANIMATIONS[option]}).build()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"zoom": 5.0}, "zoom: expected a factor per frame from 0.5 to 2, e.g. 1.02, got 5"),
        ({"zoom": "fast"}, "schedule 'fast': expected one of"),
        ({"rotate": "left"}, "schedule 'left': expected one of"),
        ({"pan": "0.01"}, "pan '0.01': expected two numbers or schedules"),
        ({"size": 1024}, "frames: above 512 pixels cutout is given more detail in the middle"),
        ({"generator": "grid", "zoom": 1.1}, "grid: moves by whole cells only, a pan of 0.03125"),
        ({"generator": "grid", "pan": "0 -> 0.03125,0", "cells": 32}, "moves by whole cells only"),
    ],
)
def test_what_cannot_be_animated_is_told_before_anything_runs(
    fields: dict[str, Any], message: str
) -> None:
    small = {"prompt": "a heart", "frames": 9, "steps": 2, "device": "cpu"}
    with pytest.raises(InputError, match=message):
        TextToImage(**small, **fields).build()


def test_above_512_pixels_generators_of_pixels_are_animated() -> None:
    fields = {"generator": "pixels", "size": 520, "frames": 2}
    assert TextToImage(prompt="a heart", device="cpu", **fields).build().artifacts


def test_flags_say_what_they_mean() -> None:
    words = ["--prompt", "a heart", "--frames", "5", "--pan=-0.01,0", "--rotate", "-2"]
    task = parse(TextToImage, "text2image", [*words, "--zoom", "1 -> 1.05"]).task
    assert (task.pan, task.rotate, task.zoom) == ("-0.01,0", -2.0, "1 -> 1.05")
