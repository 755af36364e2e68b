"""The generator of videos: its frames, and how losses compare them with their sources."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from guidance.augment import Augment
from guidance.errors import InputError
from guidance.generators.image.unet import UNet
from guidance.generators.image.video import Video, drawn_frames
from guidance.losses.content import Content
from guidance.losses.directional import Directional
from guidance.losses.patches import PatchDirectional
from guidance.outputs import Rendering
from guidance.types import Loss, StepContext
from guidance.views import Frames, Windows
from tests.losses.stand_ins import Linear, context


def moved(generator: Video) -> Video:
    """The generator with other parameters: those of the start do not change the frames."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=random))
    return generator


def network_of(frames: Tensor) -> Video:
    return moved(Video(UNet((0, 1), frames[0] / 255, widths=(4, 4, 4, 4)), frames))


def random_frames(t: int = 4) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (t, 3, 16, 16), generator=random, dtype=torch.uint8)


def test_frames_of_a_step_are_drawn_by_seed_and_step() -> None:
    first = drawn_frames(StepContext((3, 4), step=5), 100, 4)
    assert torch.equal(first.index, drawn_frames(StepContext((3, 4), step=5), 100, 4).index)
    assert torch.equal(first.index[1:], drawn_frames(StepContext((4,), step=5), 100, 4).index)
    assert not torch.equal(first.index, drawn_frames(StepContext((3, 4), step=6), 100, 4).index)
    seen = torch.cat([drawn_frames(StepContext((0,), step=i), 9, 2).index for i in range(200)])
    assert sorted(set(seen.flatten().tolist())) == list(range(9))
    assert (seen[:, 0] <= 4).all() and (seen[:, 1] >= 4).all()  # one of each half
    fixed = drawn_frames(StepContext((0,), phase="validation"), 8, 4)
    assert fixed.index.tolist() == [[1, 3, 5, 7]]


def test_frames_do_not_depend_on_other_frames() -> None:
    made = network_of(random_frames())
    both = made(Frames(torch.tensor([[0, 2], [3, 1]])))
    for sample, index in ((0, 2), (1, 1)):
        alone = made(Frames(torch.full((2, 1), index)))
        assert torch.allclose(both.image[sample, 1], alone.image[sample, 0], atol=1e-6)
        assert torch.equal(both.source[sample, 1], random_frames()[index] / 255)


@pytest.mark.parametrize("kind", ["patches", "directional", "content"])
def test_each_frame_is_compared_with_its_own_source(kind: str) -> None:
    """The loss is that of still images, each compared with its frame, averaged over frames."""
    made: dict[str, Any] = {
        "patches": lambda: PatchDirectional(
            "fire", encoder=Linear(), crops=2, crop_size=1.0, threshold=0.0
        ),
        "directional": lambda: Directional(
            "fire", "a photo", encoder=Linear(), augment=Augment.plain()
        ),
        "content": lambda: Content(encoder=Linear(), size=9),
    }
    video = network_of(random_frames())
    loss: Loss = made[kind]()
    loss.prepare(video(Frames(torch.tensor([[0, 1, 2], [0, 1, 2]]))).detach())
    seen = video(Frames(torch.tensor([[3, 1], [2, 0]]))).detach()
    assert seen.source is not None
    found = loss(seen, context())
    still: Loss = made[kind]()
    still.reference = seen.source  # type: ignore[assignment]
    still.prepare(Rendering(seen.image))
    assert torch.allclose(found, still(Rendering(seen.image), context()), rtol=1e-6)
    swapped = replace(seen, source=seen.source.flip(1))
    assert not torch.allclose(found, loss(swapped, context()), rtol=1e-3)


def test_an_explicit_reference_takes_precedence_over_the_source() -> None:
    video = network_of(random_frames())
    seen = video(Frames(torch.tensor([[0, 1], [0, 1]]))).detach()
    loss = Content(encoder=Linear(), size=9, reference=seen.image)
    loss.prepare(seen)
    assert loss(seen, context()).abs().max() < 1e-9


def test_the_generator_of_videos_takes_frames_only() -> None:
    nothing = torch.zeros(2, 1)
    with pytest.raises(InputError, match="Video: a video takes no windows; give frames or nothing"):
        Video.tiny()(Windows(nothing, nothing, nothing + 1, 8))
    with pytest.raises(InputError, match="UNet: a flat image takes no frames"):
        UNet.tiny()(Frames(torch.zeros(2, 1, dtype=torch.long)))
    with pytest.raises(InputError, match="mask: expected the video's 16 x 16 pixels, got 8 x 8"):
        Video(UNet.tiny(), random_frames(), torch.ones(1, 8, 8))
