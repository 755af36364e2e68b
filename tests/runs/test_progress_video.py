"""The frames of progress.mp4: how many are kept, and their size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from guidance.errors import InputError
from guidance.media.read_image import read_png
from guidance.media.write_image import save_png
from guidance.outputs import Rendering
from guidance.prompts import Prompt
from guidance.runs.artifacts.base import RunContext
from guidance.runs.artifacts.progress_video import FRAMES, MOST_SIDE, ProgressVideo
from tests.stand_ins import Canvas


def run_of(folder: Path, steps: int) -> RunContext:
    return RunContext(folder, Canvas(), (Prompt.parse("a"),), steps)


@pytest.mark.parametrize("steps", [1, 8, 59, 60, 61, 119, 150, 400])
def test_runs_of_any_length_keep_few_frames_and_the_last(steps: int, tmp_path: Path) -> None:
    run, video = run_of(tmp_path, steps), ProgressVideo()
    kept = [step for step in range(steps + 1) if video.looks_at(run, step)]
    assert kept[0] == 0 and kept[-1] == steps
    assert min(steps, FRAMES / 2) < len(kept) <= FRAMES + 2


def test_frames_of_large_images_are_averaged(tmp_path: Path) -> None:
    run, video = run_of(tmp_path, 1), ProgressVideo()
    columns = torch.arange(2 * MOST_SIDE) % 2 / 2  # 0, 0.5, 0, 0.5
    image = columns.expand(1, 1, 3, 64, -1)
    video.begin(run, 0)
    video.after_step(run, 0, lambda: Rendering(image))
    frame = read_png(tmp_path / "preview" / "0000000.png")
    assert frame.shape == (32, MOST_SIDE, 3)
    assert np.abs(frame.astype(float) - 255 / 4).max() <= 1


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    from guidance.loop.result import Result

    run, video = run_of(tmp_path, 1), ProgressVideo()
    video.begin(run, 0)
    for step, side in ((0, 8), (1, 16)):
        save_png(tmp_path / "preview" / f"{step:07d}.png", torch.zeros(3, side, side))
    rendering = Rendering(torch.zeros(1, 1, 3, 8, 8))
    result = Result(run.generator, rendering, torch.zeros(1), [0.0], 0, ())
    with pytest.raises(InputError, match="expected images of one size"):
        list(video.write(run, result))
