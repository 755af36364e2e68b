"""Stylized videos: each frame is compared with itself, and one network makes all frames."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from guidance.errors import InputError
from guidance.generators.image.unet import UNet
from guidance.generators.image.video import Video
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize
from guidance.media.metadata import extract
from guidance.media.read_video import open_video
from guidance.runs import checkpoint
from guidance.runs import recorder as record_run
from guidance.tasks.style import video as style_video
from guidance.tasks.stylize import Stylize
from guidance.types import StepContext
from guidance.views import Frames
from tests.generators.test_video import moved
from tests.media.videos import flicker, moving_scene, read_clip, write_clip, write_gif
from tests.tasks.options import differ, made, trace

SMALL: dict[str, Any] = {"prompt": "fire", "size": 32, "crops": 4, "steps": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def ball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of 36 x 48."""
    return write_clip(tmp_path_factory.mktemp("videos") / "ball.mp4", moving_scene(8), 12)


@pytest.fixture
def mask(images: dict[str, Path]) -> Path:
    return images["MASK"]


@pytest.fixture(scope="module")
def plain(ball: Path) -> list[Any]:
    return trace(Stylize, image=ball, **without("device"))


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in SMALL.items() if name not in names}


def test_a_run_writes_a_video_of_the_same_size_and_rate(ball: Path, tmp_path: Path) -> None:
    result = made(Stylize, image=ball, output=tmp_path, judge=False, **SMALL).run()
    (sample,) = result.samples
    assert [path.name for path in sample.files] == ["image.png", "stylized.mp4", "progress.mp4"]
    video = result.folder / "stylized.mp4"
    assert open_video(video) == open_video(ball).__class__(video, 8, Fraction(12), 36, 48)
    assert Image.open(result.folder / "image.png").size == (32, 24)
    assert extract(video)["prompt"] == ["fire"]
    assert "8 frames of 48 x 36 pixels, 12 per second" in (result.folder / "DONE.json").read_text()


def test_the_video_is_the_network_applied_to_each_frame(ball: Path) -> None:
    plan = made(Stylize, image=ball, **SMALL).build()
    assert isinstance(plan.generator, Video) and plan.artifacts
    generator, footage = moved(plan.generator), open_video(ball)
    frames = list(plan.artifacts[0].frames(0))
    assert len(frames) == 8
    for frame, given in zip(frames, footage.images(), strict=True):
        source = torch.from_numpy(given).permute(2, 0, 1) / 255
        alone = UNet((0,), source)
        alone.load_state_dict(generator.network.state_dict())
        wanted = (alone().image[0, 0] * 255).permute(1, 2, 0).detach().numpy()
        assert np.abs(frame - wanted).max() <= 0.6


def test_the_same_run_gives_the_same_bits(ball: Path, plain: list[Any]) -> None:
    assert not differ(plain, trace(Stylize, image=ball, **without("device")))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("frames_per_step", 2),
        ("mask", "MASK"),
        ("image", "OTHER"),
        ("loss", "patches,directional:0.06,content:2,contrastive:0.2"),
        ("loss", "patches,directional:0.5,content:0.5,contrastive:0.2"),
        ("loss", "patches:0.5,directional:0.06,content:0.5,contrastive:0.2"),
        ("source", "a drawing"),
        ("seed", 7),
    ],
)
def test_options_change_the_result(
    option: str, value: Any, ball: Path, mask: Path, plain: list[Any]
) -> None:
    if value == "OTHER":
        value = write_gif(ball.with_name("other.gif"), moving_scene(5, seed=3))
    value = mask if value == "MASK" else value
    given = {"image": ball, **without("device"), option: value}
    assert differ(plain, trace(Stylize, **given))


def test_samples_have_separate_videos_and_are_independent(ball: Path, tmp_path: Path) -> None:
    # One step: convolutions round differently in batches of another size, and each further step of
    # Adam amplifies that where a gradient is nearly 0.
    small = {**SMALL, "steps": 1, "judge": False}
    both = made(
        Stylize, image=ball, output=tmp_path / "both", **small | {"prompt": ["fire", "a forest"]}
    ).run()
    alone = made(Stylize, image=ball, output=tmp_path / "alone", **small).run()
    videos = [
        read_clip(sample.folder / "stylized.mp4") for sample in (*both.samples, *alone.samples)
    ]
    assert not np.array_equal(videos[0], videos[1])
    assert np.abs(np.stack(videos[0]).astype(int) - np.stack(videos[2])).max() <= 2


def test_pixels_outside_the_mask_do_not_change(ball: Path, mask: Path) -> None:
    plan = made(Stylize, image=ball, mask=mask, **SMALL).build()
    assert isinstance(plan.generator, Video) and plan.artifacts
    generator = moved(plan.generator)
    shown = generator(Frames(torch.tensor([[0, 3, 7]])))
    assert shown.source is not None and generator.mask is not None
    outside = (generator.mask == 0).expand_as(shown.image[0])
    assert torch.equal(shown.image[0][outside], shown.source[0][outside])
    assert not torch.equal(shown.image, shown.source)
    own = np.asarray(Image.open(mask)) == 0
    for frame, given in zip(plan.artifacts[0].frames(0), open_video(ball).images(), strict=True):
        assert (frame[own] == given[own]).all() and (frame[~own] != given[~own]).any()


class Killed(BaseException):
    """Ends a run as a killed process would."""


@pytest.mark.parametrize("step", [1, 3])
def test_resumed_runs_are_the_same_to_the_bit(
    step: int, ball: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_run, "FIRST_CHECKPOINT", 1)
    monkeypatch.setattr(record_run, "SECONDS_BETWEEN", 0)
    monkeypatch.setattr(record_run, "SHARE", 1e9)

    def kill(event: Event) -> None:
        if isinstance(event, StepEvent) and event.step == step:
            raise Killed

    fields = {**SMALL, "steps": 5, "judge": False, "image": ball}
    whole = made(Stylize, **fields, output=tmp_path / "whole").run().folder
    task = made(Stylize, **fields, output=tmp_path / "killed")
    with pytest.raises(Killed):
        task.run([kill])
    (folder,) = (tmp_path / "killed" / "stylize").iterdir()
    resumed = task.run(folder=folder).folder
    for name in ("metrics.jsonl", "image.png"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name
    # The configuration inside is the same too.
    assert (resumed / "stylized.mp4").read_bytes() == (whole / "stylized.mp4").read_bytes()
    ours, theirs = (load_file(f / checkpoint.DATA) for f in (resumed, whole))
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def test_it_flickers_no_more_than_its_source(ball: Path) -> None:
    """With random weights, which change the frames much, the network adds no noise."""
    plan = made(Stylize, image=ball, **SMALL).build()
    assert isinstance(plan.generator, Video) and plan.artifacts
    moved(plan.generator)
    found, given = list(plan.artifacts[0].frames(0)), list(open_video(ball).images())
    change = np.abs(np.stack(found).astype(int) - np.stack(given)).mean()
    assert change > 10
    assert flicker(found) < 1.5 * flicker(given)
    still = [given[0]] * 3
    network = plan.generator.network
    source = torch.from_numpy(given[0]).permute(2, 0, 1) / 255
    twice = [network.restyle(source, 0) for _ in still]
    assert torch.equal(twice[0], twice[1])


def test_options_that_videos_do_not_support_are_refused(
    ball: Path, mask: Path, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"prompt": "fire", "image": ball}
    with pytest.raises(
        InputError,
        match="--generator pyramid changes the pixels of one image; use --generator unet",
    ):
        made(Stylize, **given, generator="pyramid").build()
    with pytest.raises(
        InputError, match="--full-size: videos are always written in their own size"
    ):
        made(Stylize, **given, full_size=True).build()
    other = write_clip(tmp_path / "other.mp4", moving_scene(2, (40, 48)))
    with pytest.raises(InputError, match="expected the image's 48 x 40 pixels, got 48 x 36"):
        made(Stylize, prompt="fire", image=other, mask=mask).build()
    Image.new("L", (48, 36)).save(tmp_path / "black.png")
    with pytest.raises(InputError, match="mask: is black everywhere"):
        made(Stylize, **given, mask=tmp_path / "black.png").build()


def test_videos_that_are_too_large_for_memory_are_refused(
    ball: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style_video, "MAX_HELD", 1000)
    with pytest.raises(InputError, match=r"8 frames of 32 x 24 pixels are .*use a smaller --size"):
        made(Stylize, image=ball, **SMALL).build()


def test_a_video_with_fewer_frames_than_a_step_uses(tmp_path: Path) -> None:
    path = write_gif(tmp_path / "two.gif", moving_scene(2))
    plan = made(Stylize, image=path, **SMALL).build()
    assert plan.views is not None
    looks = plan.views(StepContext((0,)))
    assert isinstance(looks, Frames) and looks.index.shape == (1, 2)
    optimize(plan.generator, plan.losses, replace(plan.settings, steps=1), views=plan.views)
