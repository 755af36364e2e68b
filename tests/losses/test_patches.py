"""Values of PatchDirectional by hand, in the plane of the compass, and its crops."""

from __future__ import annotations

import math

import pytest
import torch

from guidance.errors import InputError
from guidance.losses.patches import PatchDirectional, patches
from guidance.losses.text.direction import SOFT
from guidance.outputs import Rendering
from tests.losses.stand_ins import Linear, context, everything
from tests.losses.test_clip import Compass, close, cos, pointing


def patch_loss(target: str | list[str], source: str = "0", **options: object) -> PatchDirectional:
    given = {"encoder": Compass(), "crops": 3, "threshold": 0.0} | options
    return PatchDirectional(target, source, **given)  # type: ignore[arg-type]


def softened(turn_deg: float) -> float:
    chord = 2 * math.sin(math.radians(turn_deg / 2))
    return chord / math.hypot(chord, SOFT)


def test_value() -> None:
    """Plain images have the same crops everywhere: 90 degrees wanted, from 10 to 40 gone."""
    loss = patch_loss("90")
    loss.prepare(pointing(10, 10))
    close(loss(pointing(40, 10), context()).detach(), 1 - softened(30) * cos(135 - 115), 1.0)


def test_crops_below_the_threshold_cost_nothing_and_send_no_gradient() -> None:
    """From 10 to 40 degrees loses 0.06, from 10 to -20 loses 1.6: only the latter counts."""
    loss = patch_loss("90", threshold=0.7)
    loss.prepare(pointing(10, 10))
    rendering = pointing(40, -20)
    value = loss(rendering, context())
    close(value.detach(), 0.0, 1 - softened(30) * cos(135 - (-95)))
    slope = torch.autograd.grad(value.sum(), rendering.image)[0]
    assert slope[0].abs().max() == 0
    assert slope[1].abs().max() > 0


def test_the_mean_is_over_all_crops_also_those_below_the_threshold() -> None:
    """The left half went the right way, the right half went astray."""
    image = torch.cat([pointing(40).image, pointing(-20).image], -1).detach()
    start = torch.cat([pointing(10).image] * 2, -1).detach()
    loss = patch_loss("90", crops=64, crop_size=0.25, threshold=0.0)
    loss.prepare(Rendering(start))
    every = loss(Rendering(image), context(1)).item()
    strict = patch_loss("90", crops=64, crop_size=0.25, threshold=0.7)
    strict.prepare(Rendering(start))
    assert 0 < strict(Rendering(image), context(1)).item() < every


def test_negatives_turn_the_direction() -> None:
    """From 0 to 90 degrees, without -90: both differences point upwards, sources cancel in x."""
    loss = patch_loss("90", negative=["-90"])
    loss.prepare(pointing(10))
    x, y = (1 - 0.3) * -1, 1 + 0.3
    wanted_deg = math.degrees(math.atan2(y, x))
    close(loss(pointing(40), context(1)).detach(), 1 - softened(30) * cos(wanted_deg - 115))


def test_crop_sizes_are_shares_or_pixels() -> None:
    share, pixels = patches(8, 0.25, (512, 700)), patches(8, 128.0, (700, 512))
    assert share == pixels and share.scale == (0.25, 0.25)
    shown = Rendering(torch.rand(1, 1, 3, 40, 60))
    crops = patches(50, 0.25, (40, 60)).draw(context(1), shown, 8)
    bend = 0.25 * 1.25  # a quarter of the side, and half a half side of perspective around it
    corners = crops.homographies[0, 0] @ torch.tensor(
        [[-1.0, 1, 1, -1], [-1, -1, 1, 1], [1, 1, 1, 1]]
    )
    x, y = corners[:, 0] / corners[:, 2], corners[:, 1] / corners[:, 2]
    assert (y.amax(1) - y.amin(1)).max() <= 2 * bend + 1e-5
    assert (x.amax(1) - x.amin(1)).max() <= 2 * bend * 40 / 60 + 1e-5
    assert (y.amax(1) - y.amin(1)).std() > 0, "perspective differs from crop to crop"


@pytest.mark.parametrize("size", [0.0, -1.0, 41.0])
def test_impossible_crops_are_refused(size: float) -> None:
    with pytest.raises(InputError, match="crop_size: expected a share of the image up to 1, or"):
        patches(8, size, (40, 60))


def test_stops_are_refused() -> None:
    with pytest.raises(InputError, match=r"a stop \(0.4\) is not supported by"):
        patch_loss("90:1:0.4").prepare(pointing(0))


def test_options_change_something() -> None:
    rendering = everything()
    start = Rendering(rendering.image.detach() * 0.7, rendering.alpha)
    values = []
    for options in (
        {},
        {"crops": 5},
        {"crop_size": 0.5},
        {"threshold": 1.0},
        {"negative": ["c"]},
        {"encoder": Linear(1)},
        {"reference": rendering.image.detach() * 0.5},
    ):
        loss = patch_loss("a", "b", **({"encoder": Linear()} | options))
        loss.prepare(start)
        values.append(loss(rendering, context()).detach())
    for value in values[1:]:
        assert not torch.allclose(value, values[0])


def test_keyframes_and_changing_weights_are_followed() -> None:
    """From 0 to 90 degrees the direction is 135, to -90 it is -135; from 10 to 40 it is 115."""
    for loss in (patch_loss("90", at=["100% -90"]), patch_loss("90:1 -> 0 | -90:0 -> 1")):
        loss.prepare(pointing(10))
        for progress, degrees in ((0.0, 135), (1.0, -135)):
            value = loss(pointing(40), context(1, progress=progress)).detach()
            close(value, 1 - softened(30) * cos(degrees - 115))


def test_templates_replace_those_of_the_encoder() -> None:
    loss, plain = patch_loss("9", templates=["{}0"]), patch_loss("90", "00")
    for each in (loss, plain):
        each.prepare(pointing(10))
    close(loss(pointing(40), context(1)).detach(), plain(pointing(40), context(1)).item())
