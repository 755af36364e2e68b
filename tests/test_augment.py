"""Crops: parity with a slow plain twin, keyed draws, backgrounds, and that each option matters."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from guidance.augment import Augment, Crops
from guidance.augment.backgrounds import KINDS, NUM_DRAWS, paint
from guidance.augment.color import jitter_matrices
from guidance.augment.grain import Grain
from guidance.augment.warp import shrink, square_to_quad, warp
from guidance.outputs import Rendering
from guidance.types import StepContext

WILD = Augment(
    crops=8,
    scale=(0.5, 1.0),
    aspect=1.4,
    rotation_deg=30.0,
    perspective=0.6,
    flip=0.5,
    hue_deg=60.0,
    noise=0.1,
)


def pictures(n: int, v: int, height: int, width: int, alpha: bool) -> Rendering:
    random = torch.Generator().manual_seed(3)
    opacity = torch.rand(n, v, 1, height, width, generator=random, dtype=torch.float64)
    image = torch.rand(n, v, 3, height, width, generator=random, dtype=torch.float64)
    if not alpha:
        return Rendering(image.requires_grad_())
    return Rendering((opacity * image).requires_grad_(), opacity.requires_grad_())


def context(n: int = 2, first_seed: int = 5, step: int = 1, progress: float = 0.5) -> StepContext:
    return StepContext(tuple(range(first_seed, first_seed + n)), step, progress)


def twin(rendering: Rendering, crops: Crops, sample: int, view: int, k: int) -> Tensor:
    """One crop, pixel by pixel: what `Augment.apply` does for all at once."""
    size, place = crops.size, (sample, view, k)
    image = rendering.image[sample, view]
    cut_out = rendering.alpha is not None or crops.sees_outside
    if rendering.alpha is not None:
        opacity = rendering.alpha[sample, view]
    else:
        opacity = torch.ones_like(image[:1])
    behind = paint(
        crops.kinds[place].view(1),
        crops.backgrounds[place][None],
        grain_of(crops, place),
        size,
    )[0]
    rows = []
    for row, column in itertools.product(range(size), range(size)):
        x, y = 2 * (column + 0.5) / size - 1, 2 * (row + 0.5) / size - 1
        to = crops.homographies[place] @ torch.tensor([x, y, 1], dtype=torch.float64)
        x, y = (to[0] / to[2]).item(), (to[1] / to[2]).item()
        color = read(image, x, y, reflect=not cut_out)
        if cut_out:
            color = color + (1 - read(opacity, x, y, reflect=False)) * behind[:, row, column]
        if crops.colors is not None:
            matrix = crops.colors[place]
            color = matrix[:, :3] @ color + matrix[:, 3]
        rows.append(color + crops.noise * window(crops, place)[:, row, column])
    return torch.stack(rows, -1).view(3, size, size)


def window(crops: Crops, place: tuple[int, int, int]) -> Tensor:
    assert crops.grain is not None
    start, length = int(crops.grain.starts[place]), 3 * crops.size**2
    return crops.grain.tiles[place[0], start : start + length].view(3, crops.size, crops.size)


def grain_of(crops: Crops, place: tuple[int, int, int]) -> Grain:
    n, v, k = place
    assert crops.grain is not None
    return crops.grain.part((slice(n, n + 1), slice(v, v + 1), slice(k, k + 1)))


def read(picture: Tensor, x: float, y: float, reflect: bool) -> Tensor:
    """Bilinear at (x, y), with the image's outer edges at +-1; outside is 0 or mirrored."""
    height, width = picture.shape[1:]
    across, down = (x + 1) / 2 * width - 0.5, (y + 1) / 2 * height - 0.5
    if reflect:
        across, down = mirrored(across, width), mirrored(down, height)
    left, top = int(across // 1), int(down // 1)
    color = torch.zeros(picture.shape[0], dtype=picture.dtype)
    for i, j in itertools.product((top, top + 1), (left, left + 1)):
        weight = (1 - abs(down - i)) * (1 - abs(across - j))
        if 0 <= i < height and 0 <= j < width:
            color = color + weight * picture[:, i, j]
    return color


def mirrored(place: float, length: int) -> float:
    """Folds a place in pixels at the outer edges, then keeps it at the pixels' centres."""
    place = abs(place + 0.5) % (2 * length)
    return min(max(min(place, 2 * length - place) - 0.5, 0), length - 1)


@pytest.mark.parametrize("alpha", [True, False])
@pytest.mark.parametrize("scale", [(0.5, 1.0), (0.8, 1.6)])
@pytest.mark.parametrize("shape", [(9, 9), (12, 8)])
def test_equals_the_slow_twin(
    alpha: bool, scale: tuple[float, float], shape: tuple[int, int]
) -> None:
    rendering = pictures(2, 2, *shape, alpha)
    augment = replace(WILD, scale=scale)
    crops = augment.draw(context(), rendering, 7)
    assert crops.shape == (2, 2, 4)
    fast = augment.apply(rendering, crops)
    slow = torch.stack(
        [twin(rendering, crops, *place) for place in itertools.product(*map(range, crops.shape))]
    )
    assert torch.allclose(fast, slow, atol=1e-6)
    leaves = [tensor for tensor in (rendering.image, rendering.alpha) if tensor is not None]
    weights = torch.rand(fast.shape, generator=torch.Generator().manual_seed(0))
    ours, theirs = (torch.autograd.grad((p * weights).sum(), leaves) for p in (fast, slow))
    for mine, other in zip(ours, theirs, strict=True):
        assert other.abs().sum() > 0
        assert torch.allclose(mine, other, atol=1e-6)


@pytest.mark.parametrize("micro_batch", [1, 2, 3, 5, 8, 11, 16, 100])
def test_parts_hold_every_crop_once(micro_batch: int) -> None:
    rendering = pictures(3, 2, 9, 9, alpha=True)
    crops = WILD.draw(context(3), rendering, 6)
    whole = WILD.apply(rendering, crops).view(*crops.shape, 3, 6, 6)
    seen = torch.zeros(crops.shape)
    for part in crops.parts(micro_batch):
        some = WILD.apply(rendering, crops, part)
        assert len(some) <= micro_batch
        assert torch.allclose(some, whole[part.place].flatten(0, 2), atol=1e-12)
        seen[part.place] += 1
    assert (seen == 1).all()


def test_crops_are_dealt_out_evenly_to_the_views() -> None:
    for views, each in ((1, 8), (4, 2), (5, 2), (12, 1)):
        crops = WILD.draw(context(), pictures(2, views, 8, 8, alpha=False), 6)
        assert crops.shape == (2, views, each)


def test_draws_belong_to_the_sample() -> None:
    """Same seed, same crops, whatever the neighbours; another seed, step or phase: others."""
    rendering = pictures(3, 1, 8, 8, alpha=True)
    pair = Rendering(rendering.image[:2], rendering.alpha[:2])
    crops = WILD.draw(StepContext((7, 8, 9), 4), rendering, 6)
    swapped = WILD.draw(StepContext((8, 1), 4), pair, 6)
    for name in ("homographies", "colors", "kinds", "backgrounds", "tiles", "starts"):
        ours, theirs = (
            getattr(c.grain if name in ("tiles", "starts") else c, name) for c in (crops, swapped)
        )
        assert torch.equal(ours[1], theirs[0]), name
        assert not torch.equal(ours[0], theirs[0]), name
    for other in (StepContext((7, 8, 9), 5), StepContext((7, 8, 9), 4, phase="validation")):
        assert not torch.equal(crops.homographies, WILD.draw(other, rendering, 6).homographies)


def test_plain_shows_the_picture_itself_over_white() -> None:
    rendering = pictures(2, 3, 6, 6, alpha=True)
    plain = Augment.plain()
    shown = plain.apply(rendering, plain.draw(context(), rendering, 6)).view(2, 3, 3, 6, 6)
    assert torch.allclose(shown, rendering.over(1.0), atol=1e-6)


def test_whole_views_are_upright_and_complete() -> None:
    rendering = pictures(1, 1, 6, 6, alpha=False)
    crops = replace(WILD, whole=1.0).draw(context(1), rendering, 6)
    corners = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]], dtype=torch.float64)
    there = corners @ crops.homographies.mT
    assert torch.allclose(there[..., :2] / there[..., 2:], corners[:, :2], atol=1e-6)


def test_small_crops_lie_inside_and_large_ones_hold_the_picture() -> None:
    rendering = pictures(4, 1, 12, 8, alpha=True)
    still = {"rotation_deg": 0.0, "perspective": 0.0, "whole": 0.0}
    for scale, inside in (((0.3, 0.9), True), ((1.6, 2.0), False)):
        augment = Augment(crops=32, scale=scale, **still)
        matrices = augment.draw(context(4), rendering, 6).homographies
        matrices = matrices / matrices[..., 2:, 2:]
        reach = matrices[..., :2, 2].abs() + matrices[..., [0, 1], [0, 1]].abs()
        assert (reach <= 1 + 1e-6).all() if inside else (reach >= 1 - 1e-6).all()


OTHER = {
    "crops": 12,
    "scale": (0.3, 1.0),
    "aspect": 1.0,
    "rotation_deg": 5.0,
    "perspective": 0.0,
    "flip": 0.0,
    "whole": 0.9,
    "brightness": 0.5,
    "contrast": 0.5,
    "saturation": 0.5,
    "hue_deg": 0.0,
    "noise": 0.3,
    "backgrounds": ("solid",),
}


@pytest.mark.parametrize("name", sorted(Augment.__dataclass_fields__))
def test_every_option_changes_something(name: str) -> None:
    rendering = pictures(2, 1, 8, 8, alpha=True)
    other = replace(WILD, **{name: OTHER[name]})
    shown, changed = (a.apply(rendering, a.draw(context(), rendering, 6)) for a in (WILD, other))
    assert shown.shape != changed.shape or (shown - changed).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["rotation_deg", "noise", "brightness", "whole"])
def test_strengths_may_be_schedules(name: str) -> None:
    rendering = pictures(2, 1, 8, 8, alpha=True)
    scheduled = replace(WILD, **{name: "0 -> 0.5"})
    for progress, strength in ((0.0, 0.0), (1.0, 0.5)):
        fixed = replace(WILD, **{name: strength})
        now = context(progress=progress)
        ours, theirs = (a.apply(rendering, a.draw(now, rendering, 6)) for a in (scheduled, fixed))
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crops": 0}, "Augment.crops: expected at least 1, got 0"),
        ({"scale": (0.9, 0.5)}, "Augment.scale: expected 0 < least <= greatest"),
        ({"perspective": 1.5}, "Augment.perspective: expected 0 to 0.99, got 1.5"),
        ({"noise": "0 -> 3"}, "Augment.noise: expected 0 to 1, got 3"),
        ({"backgrounds": ("stars",)}, "Augment.backgrounds: expected some of solid"),
        ({"backgrounds": ()}, "Augment.backgrounds: expected some of solid"),
    ],
)
def test_bad_settings_are_told(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(Augment(), **change)


def test_a_seed_for_each_sample_is_needed() -> None:
    with pytest.raises(ValueError, match="Augment: expected 3 seeds, one per sample, got 2"):
        WILD.draw(context(2), pictures(3, 1, 8, 8, alpha=False), 6)


def test_square_to_quad_takes_corners_to_corners() -> None:
    random = torch.Generator().manual_seed(0)
    square = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    quads = square + 0.9 * torch.rand(50, 4, 2, generator=random)
    there = torch.cat([square, torch.ones(4, 1)], 1) @ square_to_quad(quads).mT
    assert torch.allclose(there[..., :2] / there[..., 2:], quads, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_warp_is_the_same_however_many_threads(threads: int) -> None:
    """The crops of one image are spread over batch entries by the number of threads."""
    picture = pictures(2, 1, 9, 9, alpha=False).image
    crops = WILD.draw(context(), Rendering(picture), 5)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        out = warp(picture[:, 0], crops.homographies[:, 0], 5, "zeros").flatten(0, 1)
        slope = torch.autograd.grad(out.square().sum(), picture)[0]
        torch.set_num_threads(1)
        single = warp(picture[:, 0], crops.homographies[:, 0], 5, "zeros").flatten(0, 1)
        single_slope = torch.autograd.grad(single.square().sum(), picture)[0]
    finally:
        torch.set_num_threads(before)
    assert torch.allclose(out, single, atol=1e-12)
    assert torch.allclose(slope, single_slope, atol=1e-12)


def test_shrinking_keeps_the_mean_and_skips_no_pixel() -> None:
    picture = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0)).requires_grad_()
    small = shrink(picture, 8, 0.8)
    assert small.shape == (1, 3, 12, 12)
    assert torch.allclose(small.mean(), picture.mean(), atol=1e-6)
    assert (torch.autograd.grad(small.sum(), picture)[0] > 0).all()
    assert shrink(picture, 32, 1.0) is picture


def test_a_fine_pattern_does_not_alias() -> None:
    """Stripes of one pixel, seen from afar, are grey."""
    stripes = (torch.arange(96) % 2).float().expand(1, 1, 3, 96, 96)
    still = Augment(crops=8, brightness=0.0, contrast=0.0, saturation=0.0, noise=0.0)
    shown = still.apply(Rendering(stripes), still.draw(context(1), Rendering(stripes), 8))
    assert (shown - 0.5).abs().max() < 0.12


def test_jitter_matrices() -> None:
    middle = torch.full((1, 4), 0.5)
    same = torch.eye(3, 4)
    assert torch.allclose(jitter_matrices(middle, (0.5, 0.5, 0.5, 90.0))[0], same, atol=1e-6)
    brighter = jitter_matrices(torch.tensor([[1.0, 0.5, 0.5, 0.5]]), (0.2, 0.5, 0.5, 90.0))[0]
    assert torch.allclose(brighter, 1.2 * same, atol=1e-6)
    flatter = jitter_matrices(torch.tensor([[0.5, 0.0, 0.5, 0.5]]), (0.2, 1.0, 0.5, 90.0))[0]
    assert torch.allclose(flatter, torch.tensor([0, 0, 0, 0.5]).expand(3, 4), atol=1e-6)
    grey = jitter_matrices(torch.tensor([[0.5, 0.5, 0.0, 0.5]]), (0.2, 0.5, 1.0, 90.0))[0]
    assert torch.allclose(grey[0], grey[1]) and torch.allclose(grey.sum(1), torch.ones(3))
    turned = jitter_matrices(torch.tensor([[0.5, 0.5, 0.5, 1.0]]), (0.2, 0.5, 0.5, 120.0))[0]
    red_becomes_green = turned @ torch.tensor([1.0, 0, 0, 1])
    assert torch.allclose(red_becomes_green, torch.tensor([0.0, 1, 0]), atol=1e-6)


def test_backgrounds_are_pictures_of_their_kind() -> None:
    random = torch.Generator().manual_seed(0)
    draws = torch.rand(len(KINDS), NUM_DRAWS, generator=random)
    places = torch.rand(1, 1, len(KINDS), generator=random)
    grain = Grain.draw(context(1), 32, places, torch.empty(0))
    painted = dict(zip(KINDS, paint(torch.arange(len(KINDS)), draws, grain, 32), strict=True))
    for kind, picture in painted.items():
        assert picture.min() >= 0 and picture.max() <= 1, kind
    assert (painted["none"] == 1).all()
    assert all(len(channel.unique()) == 1 for channel in painted["solid"])
    assert all(len(channel.unique()) == 2 for channel in painted["checker"])
    steps = {kind: (p[:, :, 1:] - p[:, :, :-1]).abs().mean() for kind, p in painted.items()}
    assert 0 < steps["blur"] < 0.3 * steps["noise"]


@pytest.mark.parametrize(("sides", "scale", "block"), [((64, 96), 1.0, 4), ((60, 90), 1.0, 3)])
def test_large_images_are_averaged_over_whole_blocks(
    sides: tuple[int, int], scale: float, block: int
) -> None:
    images = torch.rand(2, 3, *sides, requires_grad=True)
    small = shrink(images, 16, scale)
    slow = torch.nn.functional.avg_pool2d(images, block)
    torch.testing.assert_close(small, slow)
    weights = torch.rand_like(small)
    found, wanted = (torch.autograd.grad((x * weights).sum(), images)[0] for x in (small, slow))
    torch.testing.assert_close(found, wanted)


def test_sides_without_a_common_divisor_are_averaged_over_overlapping_blocks() -> None:
    images = torch.rand(1, 3, 61, 67)
    wanted = torch.nn.functional.interpolate(images, (21, 23), mode="area")
    assert torch.equal(shrink(images, 16, 1.0), wanted)
