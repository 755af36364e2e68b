"""Animations of text2image: their options, their files, and interrupted runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from guidance.config.marks import without_mark
from guidance.config.files import strip_header
from guidance.errors import InputError
from guidance.loop.events import Event, StepEvent
from guidance.media.metadata import extract
from guidance.media.read_image import read_png
from guidance.runs import checkpoint
from guidance.runs import recorder as record_run
from guidance.tasks.shared.animation import AnimationOptions, Pan
from guidance.tasks.text2image import TextToImage
from tests.tasks.options import flags, made
from tests.tasks.test_text2image import GENERATORS

SMALL: dict[str, Any] = {
    **{"prompt": ["a red heart"], "size": 32, "crops": 2, "steps": 2},
    **{"frames": 3, "steps_per_frame": 2, "judge": False, "device": "cpu"},
}

#: Another value of each option of an animation.
CHANGED: dict[str, Any] = {
    "frames": 4,
    "steps_per_frame": 1,
    "fps": 30,
    "zoom": 1.1,
    "pan": "0.1,0.05",
    "rotate": "5 -> 10",
}


def animated(output: Path, **fields: Any) -> TextToImage:
    return made(TextToImage, **{**SMALL, **fields}, output=output)


class Killed(BaseException):
    """Ends a run as a killed process would."""


def kill_at(step: int) -> list[Any]:
    def listen(event: Event) -> None:
        if isinstance(event, StepEvent) and event.step == step:
            raise Killed

    return [listen]


def video(path: Path) -> tuple[list[np.ndarray], float]:
    """The frames and the frame rate."""
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)], float(
            rate
        )


def frames(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "frames").iterdir())}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return animated(tmp_path_factory.mktemp("plain")).run().folder


def test_a_run_writes_a_video_whose_last_frame_is_the_image(plain: Path) -> None:
    found, rate = video(plain / "animation.mp4")
    assert (len(found), rate) == (3, 15)
    kept = frames(plain)
    assert list(kept) == ["0000002.png", "0000004.png", "0000006.png"]
    assert len(set(kept.values())) == 3
    last = read_png(plain / "frames" / "0000006.png")
    # Over white in another order of sums: a level more or less.
    assert np.abs(last.astype(int) - read_png(plain / "image.png").astype(int)).max() <= 1
    assert extract(plain / "animation.mp4")["animation"]["frames"] == 3


@pytest.mark.parametrize("option", AnimationOptions.model_fields)
def test_every_option_changes_the_video(option: str, plain: Path, tmp_path: Path) -> None:
    folder = animated(tmp_path, **{option: CHANGED[option]}).run().folder
    (first, rate), (second, other_rate) = (video(f / "animation.mp4") for f in (plain, folder))
    assert rate != other_rate or len(first) != len(second) or not np.array_equal(first, second)


def test_the_same_run_gives_the_same_video(plain: Path, tmp_path: Path) -> None:
    folder = animated(tmp_path).run().folder
    assert frames(folder) == frames(plain)
    assert np.array_equal(video(folder / "animation.mp4")[0], video(plain / "animation.mp4")[0])


def test_a_video_contains_the_options_of_its_run(plain: Path, tmp_path: Path) -> None:
    found = without_mark(extract(plain / "animation.mp4"), needed=True)
    _, _, values = strip_header(found, "animation.mp4")
    task = made(TextToImage, **values, output=tmp_path)
    assert frames(task.run().folder) == frames(plain)


@pytest.mark.parametrize("generator", ["cutout", "strokes", "siren"])
def test_resumed_runs_are_the_same_to_the_bit(
    generator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed within a frame, between a frame and the move, and at a frame without a checkpoint."""
    monkeypatch.setattr(record_run, "SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(record_run, "SHARE", math.inf)
    monkeypatch.setattr(record_run, "FIRST_CHECKPOINT", 3)
    fields: dict[str, Any] = {"generator": generator, "zoom": 1.2, "rotate": 3.0}
    fields |= {"at": ["50% a pizza"]} | ({"finest": 16} if generator == "cutout" else {})
    whole = animated(tmp_path / "whole", **fields).run()
    for step in (2, 4, 5, 6):
        task = animated(tmp_path / str(step), **fields)
        with pytest.raises(Killed):
            task.run(kill_at(step))
        (folder,) = (tmp_path / str(step) / "text2image").iterdir()
        (folder / "frames" / "0000099.png").write_bytes(b"what a killed process left")
        again = task.run(folder=folder)
        assert again.losses == whole.losses
        assert frames(folder) == frames(whole.folder)
        ours, theirs = (load_file(f / checkpoint.DATA) for f in (folder, whole.folder))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_samples_have_a_video_each(tmp_path: Path) -> None:
    run = animated(tmp_path, prompt=["a heart", "a pizza"]).run()
    one, other = (video(s.folder / "animation.mp4")[0] for s in run.samples)
    assert len(one) == len(other) == 3
    assert not np.array_equal(one[-1], other[-1])


def test_lost_frames_are_an_error(tmp_path: Path) -> None:
    task = animated(tmp_path)

    def lose(event: Event) -> None:
        if isinstance(event, StepEvent) and event.step == 6:
            (folder,) = (tmp_path / "text2image").iterdir()
            (folder / "frames" / "0000004.png").unlink()

    with pytest.raises(InputError, match="frames: expected 3 frames, found 2; restore the"):
        task.run([lose])


@pytest.mark.parametrize("generator", [name for name in GENERATORS if name != "stylegan"])
def test_every_generator_is_moved(generator: str, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"generator": generator, "zoom": 1.1, "rotate": 3.0, "pan": "0.1,0"}
    if generator == "grid":
        fields = {"generator": "grid", "cells": 8, "pan": "0.125,-0.25"}
    found, _ = video(animated(tmp_path, **fields).run().folder / "animation.mp4")
    assert len(found) == 3 and not np.array_equal(found[0], found[1])


def test_images_of_a_network_cannot_be_moved(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="StyleGANImages"):
        animated(tmp_path, generator="stylegan", size="auto", zoom=1.1).run()


@pytest.mark.parametrize(
    "option", [name for name in AnimationOptions.model_fields if name != "frames"]
)
def test_options_of_animations_are_refused_without_frames(option: str) -> None:
    flag = f"--{option.replace('_', '-')}"
    with pytest.raises(InputError, match=f"^{flag} needs --frames"):
        flags(TextToImage, "--prompt", "a heart", f"{flag}={CHANGED[option]}")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"zoom": 5.0}, "zoom: expected a factor per frame from 0.5 to 2, e.g. 1.02, got 5"),
        ({"zoom": "fast"}, "schedule 'fast': expected one of"),
        ({"rotate": "left"}, "schedule 'left': expected one of"),
        ({"pan": "0.01"}, "pan '0.01': expected two numbers or schedules"),
        ({"size": 1024}, "--frames: above 512 pixels, cutout adds detail in the middle"),
        (
            {"generator": "grid", "zoom": 1.1},
            "grid: expected a pan of whole cells, a multiple of 0.03125",
        ),
        (
            {"generator": "grid", "pan": "0 -> 0.03125,0", "cells": 32},
            "expected a pan of whole cells",
        ),
    ],
)
def test_what_cannot_be_animated_is_refused_before_the_run(
    fields: dict[str, Any], message: str
) -> None:
    small = {"prompt": "a heart", "frames": 9, "steps": 2, "device": "cpu"}
    with pytest.raises(InputError, match=message):
        made(TextToImage, **small, **fields).build()


def test_above_512_pixels_generators_of_pixels_are_animated() -> None:
    fields = {"generator": "pixels", "size": 520, "animation": {"frames": 2}}
    assert TextToImage(prompt="a heart", device="cpu", **fields).build().artifacts


def test_flags_are_parsed() -> None:
    words = ["--prompt", "a heart", "--frames", "5", "--pan=-0.01,0", "--rotate", "-2"]
    found = flags(TextToImage, *words, "--zoom", "1 -> 1.05").animation
    assert found == AnimationOptions(
        frames=5, pan=Pan.parse("-0.01,0"), rotate=-2.0, zoom="1 -> 1.05"
    )
