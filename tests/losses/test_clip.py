"""Values of Clip by hand, and that each of its options does what it says."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from guidance.augment import Augment
from guidance.encoders.base import Encoder
from guidance.losses.clip import Clip
from guidance.losses.images.regions import load_mask
from guidance.losses.text.arguments import NEGATIVE_WEIGHT
from guidance.losses.text.targets import slerp
from guidance.losses.text.views import view_indices
from guidance.outputs import Rendering
from guidance.prompts import parse_region
from guidance.types import StepContext
from tests.losses.stand_ins import Linear, cameras, context, everything


class Compass(Encoder):
    """The plane: an image points to (red, green), each text to its own angle in degrees."""

    name = family = "compass"
    image_size = 4
    logit_scale = 10.0
    templates = ("{}",)

    def __init__(
        self, logit_bias: float | None = None, alternatives: tuple[str, ...] = ("30",)
    ) -> None:
        super().__init__()
        self.logit_bias, self.alternatives = logit_bias, alternatives

    def encode_image(self, images: Tensor) -> Tensor:
        return F.normalize(images.mean((2, 3))[:, :2], dim=-1)

    def encode_text(self, texts: list[str]) -> Tensor:
        angles = torch.tensor([math.radians(float(text.split(",")[0])) for text in texts])
        return torch.stack([angles.cos(), angles.sin()], -1)


def pointing(*angles_deg: float, views: int = 1) -> Rendering:
    """Plain images whose embeddings have these angles, one a sample."""
    angles = torch.tensor(angles_deg, dtype=torch.float64).deg2rad()
    color = torch.stack([angles.cos(), angles.sin(), torch.zeros_like(angles)], -1)
    return Rendering(color.view(-1, 1, 3, 1, 1).repeat(1, views, 1, 4, 4).requires_grad_())


def clip(prompt: str | list[str], encoder: Encoder | None = None, **options: object) -> Clip:
    given = {"encoder": encoder or Compass(), "augment": None} | options
    return Clip(prompt, **given)  # type: ignore[arg-type]


def value(loss: Clip, rendering: Rendering, progress: float = 0.5) -> Tensor:
    return loss(rendering, context(len(rendering.image), progress=progress)).detach()


def close(found: Tensor, *wanted: float) -> None:
    assert torch.allclose(found.double(), torch.tensor(wanted, dtype=torch.float64), atol=2e-6)


def cos(degrees: float) -> float:
    return math.cos(math.radians(degrees))


def test_cosine() -> None:
    close(value(clip(["60", "80"]), pointing(0, 50)), 1 - cos(60), 1 - cos(30))


def test_spherical() -> None:
    # The chord of 60 degrees is 1: 2 arcsin(1/2)^2; in general half the squared angle.
    close(
        value(clip(["60", "80"], kind="spherical"), pointing(0, 50)),
        2 * math.asin(0.5) ** 2,
        math.radians(30) ** 2 / 2,
    )


@pytest.mark.parametrize("angle", [0.0, 180.0])
def test_spherical_has_a_gradient_even_at_its_ends(angle: float) -> None:
    rendering = pointing(angle)
    value = clip("0", kind="spherical")(rendering, context(1))
    assert torch.autograd.grad(value.sum(), rendering.image)[0].isfinite().all()


def test_logit_of_a_softmax() -> None:
    logits = [10 * cos(60), 10 * cos(30)]  # the prompt, and the one alternative
    wanted = -math.log(math.exp(logits[0]) / sum(map(math.exp, logits)))
    close(value(clip("60", kind="logit"), pointing(0)), wanted)


def test_logit_against_weighted_negatives() -> None:
    loss = clip("60", kind="logit", negative=["90:3", "-40"])
    logits = [10 * cos(60), 10 * cos(30), 10 * cos(90) + math.log(3), 10 * cos(40)]
    wanted = -math.log(math.exp(logits[0]) / sum(map(math.exp, logits)))
    close(value(loss, pointing(0)), wanted)


def test_kinds_add_up_in_one_pass() -> None:
    rendering, options = everything(), {"negative": ["90:2"], "augment": Augment(crops=4)}
    encoder = Linear()
    both = value(clip("60:2", encoder, kind={"cosine": 0.5, "logit": 3.0}, **options), rendering)
    assert sum(encoder.batches) == 8
    cosine = value(clip("60:2", encoder, kind="cosine", **options), rendering)
    logit = value(clip("60:2", encoder, kind="logit", **options), rendering)
    assert torch.allclose(both, 0.5 * cosine + 3 * logit)


def test_captions_of_the_same_meaning_are_no_rivals() -> None:
    loss = clip(["60", "31"], Compass(alternatives=("30", "58")), kind="logit")
    close(
        value(loss, pointing(0, 0)),
        math.log1p(math.exp(10 * (cos(30) - cos(60)))),
        math.log1p(math.exp(10 * (cos(58) - cos(31)))),
    )


def test_logit_of_a_sigmoid() -> None:
    loss = clip("60", Compass(logit_bias=-3.0), kind="logit", negative="90:2")
    close(
        value(loss, pointing(0)),
        -(10 * cos(60) - 3) + 2 * math.log1p(math.exp(10 * cos(90) - 3)),
    )


def test_phrases_are_weighted_and_negative_weights_push_away() -> None:
    rendering = pointing(0)
    loss = clip("60:2 | 90:-0.5")
    close(value(loss, rendering), 2 * (1 - cos(60)) - 0.5 * (1 - cos(90)))
    towards = torch.autograd.grad(clip("60")(rendering, context(1)).sum(), rendering.image)[0]
    away = torch.autograd.grad(clip("60:-1")(rendering, context(1)).sum(), rendering.image)[0]
    assert torch.allclose(towards, -away) and towards.abs().sum() > 0


def test_negatives_are_subtracted_with_less_weight() -> None:
    loss = clip("60", negative=["90:2"])
    close(value(loss, pointing(0)), 1 - cos(60) - 2 * NEGATIVE_WEIGHT * (1 - cos(90)))


def test_a_phrase_better_than_its_stop_sends_no_gradient() -> None:
    """1 - cos 60 is 0.5: stopped below 0.6, not below 0.4; the value stays the same."""
    for stop, pulls in ((0.6, False), (0.4, True)):
        rendering = pointing(0)
        loss = clip(f"60:1:{stop}")(rendering, context(1))
        close(loss.detach(), 0.5)
        slope = torch.autograd.grad(loss.sum(), rendering.image)[0]
        assert bool(slope.abs().sum() > 0) == pulls


@pytest.mark.parametrize(("progress", "weight"), [(0.0, 2.0), (0.25, 1.5), (1.0, 0.0)])
def test_weights_follow_their_schedules(progress: float, weight: float) -> None:
    loss = clip(["60:2 -> 0 | 90", "60 | 90:-1"])
    close(
        value(loss, pointing(0, 0), progress),
        weight * (1 - cos(60)) + 1 - cos(90),
        (1 - cos(60)) - (1 - cos(90)),
    )


@pytest.mark.parametrize(("progress", "weight"), [(0.0, 0.0), (0.5, 1.0), (1.0, 2.0)])
def test_weights_of_negatives_follow_their_schedules(progress: float, weight: float) -> None:
    loss = clip("60", negative="90:0 -> 2")
    away = NEGATIVE_WEIGHT * weight * (1 - cos(90))
    close(value(loss, pointing(0), progress), 1 - cos(60) - away)
    logits = [10 * cos(60), 10 * cos(30), 10 * cos(80) + math.log(max(weight, 1e-12))]
    wanted = -math.log(math.exp(logits[0]) / sum(map(math.exp, logits)))
    loss = clip("60", kind="logit", negative="80:0 -> 2")
    close(value(loss, pointing(0), progress), wanted)


@pytest.mark.parametrize(
    ("progress", "angle"),
    [(0.0, 0), (0.1, 12), (0.5, 60), (0.6, 54), (0.75, 45), (1.0, 30)],
)
def test_a_prompt_turns_from_keyframe_to_keyframe(progress: float, angle: float) -> None:
    """0 degrees, 60 half-way, 30 at the end: evenly on the circle; other phrases stay."""
    loss = clip(["0:2 | 90", "0"], at=["100% 30", "50% 60"])
    close(
        value(loss, pointing(0, 0), progress),
        2 * (1 - cos(angle)) + 1 - cos(90),
        1 - cos(angle),
    )


def test_a_prompt_stays_as_its_last_keyframe_left_it() -> None:
    for progress, angle in ((0.1, 30), (0.2, 60), (0.9, 60)):
        close(value(clip("0", at="20% 60"), pointing(0), progress), 1 - cos(angle))


def test_keyframes_of_all_wordings_are_encoded_once() -> None:
    encoder, rendering = Linear(), everything(2, 3)
    loss = clip("an owl", encoder, view_prompts=True, at=["50% a cat", "100% a dog"])
    loss.prepare(rendering)
    texts = list(encoder.texts)
    assert "a cat, back view" in " ".join(texts) and "a dog, overhead view" in texts
    found = [value(loss, rendering, progress) for progress in (0.0, 0.3, 0.5, 1.0)]
    assert encoder.texts == texts
    for place, name in ((0, "an owl"), (2, "a cat"), (3, "a dog")):
        still = value(clip(name, encoder, view_prompts=True), rendering)
        assert torch.allclose(found[place], still, atol=1e-6)


def test_slerp_of_near_and_of_opposite_vectors_is_finite() -> None:
    one = F.normalize(torch.randn(5, generator=torch.Generator().manual_seed(0)), dim=0)
    other = F.normalize(one + 1e-5, dim=0)
    assert torch.allclose(slerp(one, one, 0.3), one, atol=1e-6)
    assert torch.allclose(slerp(one, other, 0.5), F.normalize(one + other, dim=0), atol=1e-6)
    assert slerp(one, -one, 0.5).isfinite().all()
    assert torch.equal(slerp(torch.zeros(5), torch.zeros(5), 0.5), torch.zeros(5))


def test_a_rival_that_means_a_keyframe_is_left_out() -> None:
    """58 degrees is what "60" turns from; then 0 stands against the caption 30 alone."""
    loss = clip("0", Compass(alternatives=("30", "58")), kind="logit", at="100% 60")
    logits = [10 * cos(60), 10 * cos(30)]
    wanted = -math.log(math.exp(logits[0]) / sum(map(math.exp, logits)))
    close(value(loss, pointing(0), 1.0), wanted)


def test_templates_in_place_of_the_encoders_own() -> None:
    encoder = Compass()
    encoder.templates = ("{}0",)
    options = {"negative": ["4"], "templates": ["{}2", "{}4"]}  # "3" means 33 degrees, "4" means 43
    close(
        value(clip("3", encoder, **options), pointing(0)),
        1 - cos(33) - NEGATIVE_WEIGHT * (1 - cos(43)),
    )


def mask_file(folder: Path, *white: tuple[int, int], size: tuple[int, int] = (4, 4)) -> Path:
    """A black mask with some white pixels (x, y)."""
    picture = Image.new("L", size)
    for place in white:
        picture.putpixel(place, 255)
    picture.save(folder / "mask.png")
    return folder / "mask.png"


def halves(left_deg: float, right_deg: float) -> Rendering:
    """An image whose halves point to these angles, seen through a mask as they are."""
    both = torch.cat([pointing(left_deg).image[..., :2], pointing(right_deg).image[..., :2]], -1)
    return Rendering(both.detach().requires_grad_())


LEFT = [(x, y) for x in (0, 1) for y in range(4)]


def test_a_region_sees_what_lies_in_its_mask(tmp_path: Path) -> None:
    """Two white columns of red on plain white: red (1, 1, 1) and (1, 0, 0) make (1, 0.5)."""
    path = mask_file(tmp_path, *LEFT)
    both = math.degrees(math.atan2(0.5, 1))
    whole = math.degrees(math.atan2(math.sin(math.pi / 3), 1 + cos(60)))
    close(
        value(clip("10", region=[f'{path}="60:2 -> 0"']), halves(0, 60)),
        1 - cos(whole - 10) + 1.0 * (1 - cos(60 - both)),
    )


def test_nothing_outside_a_mask_is_touched_or_counts(tmp_path: Path) -> None:
    path = mask_file(tmp_path, *LEFT)
    options = {"region": [f"{path}=60"], "augment": Augment(crops=6, scale=(0.5, 1.3))}
    plain = {"augment": options["augment"]}
    for given in (halves(0, 20), everything(2, 1, 4)):
        rendering = replace(given, cameras=None)
        n = len(rendering.image)
        loss = clip("10:0", **options)
        leaves = [t for t in (rendering.image, rendering.alpha) if t is not None]
        slopes = torch.autograd.grad(loss(rendering, context(n)).sum(), leaves)
        for slope in slopes:
            assert torch.equal(slope[..., 2:], torch.zeros_like(slope[..., 2:]))
            assert slope[..., :2].abs().sum() > 0
        before = value(loss, rendering)
        for leaf in leaves:
            leaf.data[..., 2:] *= 0.5
        assert torch.equal(value(loss, rendering), before)
        assert not torch.equal(
            value(clip("10", **plain), rendering), value(clip("10", **options), rendering)
        )


def test_a_region_is_its_square_as_far_as_the_picture_allows(tmp_path: Path) -> None:
    start = Rendering(torch.zeros(1, 1, 3, 6, 12))
    for white, rows, columns in (
        ([(3, 2), (4, 2)], (1, 3), (3, 5)),
        ([(0, 0), (7, 0)], (0, 6), (0, 8)),
        ([(11, 5)], (5, 6), (11, 12)),
        ([(9, 5), (11, 5)], (3, 6), (9, 12)),
    ):
        path = mask_file(tmp_path, *white, size=(12, 6))
        found = load_mask(parse_region(f"{path}=a"), start)
        assert (found.rows.start, found.rows.stop) == rows
        assert (found.columns.start, found.columns.stop) == columns
        assert found.mask.sum() == len(white)


def test_masks_are_scaled_and_transparent_is_not_there(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    picture.paste((255, 255, 255, 255), (0, 0, 4, 8))
    picture.save(tmp_path / "mask.png")
    found = load_mask(parse_region(f"{tmp_path / 'mask.png'}=a"), pointing(0))
    row = torch.zeros(4)
    row[found.columns] = found.mask[0, 0, 0, 0]
    assert row[0] == 1 and row[3] == 0 and row[1] > 0.5 > row[2]


def test_regions_and_keyframes_of_a_sample_touch_no_other_to_the_bit(tmp_path: Path) -> None:
    path = mask_file(tmp_path, (1, 1), (2, 1))
    options = {
        "at": ["40% a cat", "100% a dog"],
        "region": [f"{path}=a hat:1 -> 2"],
        "kind": {"cosine": 1.0, "logit": 0.5},
        "negative": ["a face"],
        "augment": Augment(crops=6, scale=(0.7, 1.3)),
    }
    slopes, values = [], []
    for second, shift in (("a boat", 0.0), ("a wolf:3 -> 1 | a tree", 0.1)):
        rendering = replace(everything(), cameras=None)
        rendering.image.data[1] += shift
        loss = clip(["an owl:0 -> 1", second], Linear(), **options)
        found = loss(rendering, context())
        values.append(found.detach())
        slopes.append(torch.autograd.grad(found.sum(), rendering.image)[0])
    assert torch.equal(values[0][0], values[1][0]) and torch.equal(slopes[0][0], slopes[1][0])
    assert not torch.equal(values[0][1], values[1][1])


@pytest.mark.parametrize("micro_batch", [1, 4, 100])
def test_parts_of_regions_add_up(tmp_path: Path, micro_batch: int) -> None:
    """Each part's graph can be freed before the next, as the loop does."""
    region = f"{mask_file(tmp_path, (1, 1), (2, 1))}=a hat"
    loss = clip("an owl", Linear(), region=region, augment=Augment(crops=6))
    rendering = replace(everything(), cameras=None)
    whole = loss(rendering, context())
    (wanted,) = torch.autograd.grad(whole.sum(), rendering.image)
    found = torch.zeros_like(wanted)
    for part in loss.parts(rendering, context(), micro_batch):
        found += torch.autograd.grad(part.sum(), rendering.image)[0]
    assert torch.allclose(found, wanted, atol=1e-9)


def test_a_sigmoids_negatives_count_once_beside_regions(tmp_path: Path) -> None:
    """The region's own part is the logit alone: -(10 cos(60) - 3), on all of the image."""
    path = mask_file(tmp_path, *[(x, y) for x in range(4) for y in range(4)])
    options = {"kind": "logit", "negative": "90:2"}
    encoder = Compass(logit_bias=-3.0)
    alone = value(clip("30", encoder, **options), pointing(0))
    both = value(clip("30", encoder, region=f"{path}=60", **options), pointing(0))
    close(both - alone, -(10 * cos(60) - 3))


@pytest.mark.parametrize(
    ("white", "size", "message"),
    [
        ([], (4, 4), "the mask is entirely black; paint the area"),
        ([(0, 0)], (8, 4), "the mask has 8 x 4 pixels, the images have 4 x 4; use a mask"),
        (None, (4, 4), "no such file"),
    ],
)
def test_bad_masks_are_told(
    white: list[tuple[int, int]] | None, size: tuple[int, int], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "mask.png" if white is None else mask_file(tmp_path, *white, size=size)
    with pytest.raises(ValueError, match=f"region .*mask.png: {message}"):
        value(clip("60", region=f"{path}=60"), pointing(0))


def test_regions_of_other_pictures_are_told(tmp_path: Path) -> None:
    loss = clip("60", region=f"{mask_file(tmp_path, (1, 1))}=60")
    with pytest.raises(ValueError, match="regions apply to flat images; the views of a rendered"):
        loss.prepare(replace(everything(), cameras=cameras(2, 2)))
    loss.prepare(pointing(0))
    with pytest.raises(ValueError, match="prepared for images of 4 x 4 pixels, got 2 x 4"):
        value(loss, Rendering(pointing(0).image[..., :2]))


def test_one_prompt_is_shared_and_counts_of_phrases_may_differ() -> None:
    close(value(clip("60"), pointing(0, 30)), 1 - cos(60), 1 - cos(30))
    mixed = clip(["60", "60 | 90:2 | 20:-1"])
    close(
        value(mixed, pointing(0, 0)),
        1 - cos(60),
        1 - cos(60) + 2 * (1 - cos(90)) - (1 - cos(20)),
    )


def test_templates_are_averaged() -> None:
    encoder = Compass()
    encoder.templates = ("{}0", "{}6")  # "3" means 30 and 36 degrees, on average 33
    close(value(clip("3", encoder), pointing(0)), 1 - cos(33))


def test_views_are_averaged() -> None:
    two = torch.cat([pointing(0).image, pointing(40).image], 1)
    close(value(clip("60"), Rendering(two)), 1 - (cos(60) + cos(20)) / 2)


def test_an_ensemble_is_the_sum_of_its_members() -> None:
    rendering, (one, other) = everything(), (Linear(1), Linear(2, size=6))
    apart = value(clip("a", one), rendering) + value(clip("a", other), rendering)
    assert torch.allclose(value(clip("a", [one, other]), rendering), apart)  # type: ignore[arg-type]


def test_a_picture_as_prompt(tmp_path: Path) -> None:
    path = tmp_path / "green.png"
    Image.new("RGBA", (5, 5), (0, 255, 0, 255)).save(path)
    close(value(clip(f"image:{path}:2"), pointing(30)), 2 * (1 - cos(60)))
    Image.new("RGBA", (5, 5), (0, 255, 0, 0)).save(path)  # transparent: white is seen
    close(value(clip(f"image:{path}"), pointing(0)), 1 - cos(45))


@pytest.mark.parametrize(("content", "message"), [(None, "no such file"), ("x", "not a readable")])
def test_bad_picture_prompts_are_told(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "image.png"
    if content:
        path.write_text(content)
    with pytest.raises(ValueError, match=f"image prompt .*image.png: {message}"):
        value(clip(f"image:{path}"), pointing(0))


def test_view_indices() -> None:
    azimuth = torch.tensor([[0.0, 44, 46, 134, 136, 180, -46, -136, 314, 316, 0]])
    elevation = torch.zeros(1, 11)
    elevation[0, -1] = 61.0
    seen = view_indices(replace(cameras(1, 11), azimuth_deg=azimuth, elevation_deg=elevation))
    assert seen.tolist() == [[0, 0, 1, 1, 2, 2, 1, 2, 1, 0, 3]]


def test_view_words_follow_the_cameras() -> None:
    encoder, rendering = Linear(), everything(2, 3)
    plain = clip("an owl", encoder)
    wordy = clip("an owl", encoder, view_prompts=True)
    found = value(wordy, rendering)
    for words in ("front view", "side view", "overhead view"):
        assert f"an owl, {words}" in encoder.texts
    by_hand = torch.zeros(2, dtype=torch.float64)
    for view, words in enumerate(("front view", "side view", "overhead view")):
        part = Rendering(rendering.image[:, view : view + 1], rendering.alpha[:, view : view + 1])
        by_hand += value(clip(f"an owl, {words}", encoder), part) / 3
    assert torch.allclose(found.double(), by_hand, atol=1e-6)
    assert not torch.allclose(found, value(plain, rendering))


def test_augment_changes_what_is_seen() -> None:
    rendering = everything()
    plain, varied = (clip("a", Linear(), augment=a) for a in (None, Augment(crops=4)))
    assert not torch.allclose(value(plain, rendering), value(varied, rendering))


def test_micro_batches_cut_views_too() -> None:
    encoder = Linear()
    list(clip("a", encoder).parts(everything(2, 3), context(), 2))
    assert max(encoder.batches) == 2 and sum(encoder.batches) == 6


def test_optimizing_turns_the_needle() -> None:
    pixels = pointing(0).image.detach().requires_grad_()
    loss, optimizer = clip("60"), torch.optim.SGD([pixels], lr=0.5)
    for step in range(400):
        optimizer.zero_grad()
        loss(Rendering(pixels), StepContext((0,), step)).sum().backward()
        optimizer.step()
    close(value(loss, Rendering(pixels)), 0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "euclidean"}, "kind 'euclidean' is unknown; use cosine, spherical, logit"),
        ({"kind": {}}, "is unknown; use cosine, spherical, logit"),
        ({"negative": ["90:-1"]}, "negative '90': expected a weight above 0, got -1"),
        ({"negative": ["90:1 -> -1"]}, "negative '90': expected a weight above 0, got -1"),
        ({"at": "90"}, "at '90': expected a percentage and a phrase"),
        ({"region": "90"}, "region '90': expected a mask and a prompt"),
        ({"templates": ["a"]}, r"templates: 'a' does not contain \{\}"),
        ({"templates": []}, "templates: is empty"),
        ({"view_prompts": True}, "view_prompts=True needs images with cameras"),
        ({"kind": "logit", "encoder": Compass(alternatives=())}, "no captions to contrast"),
        ({"kind": "logit", "encoder": Compass(alternatives=("61",))}, "has the same meaning"),
    ],
)
def test_bad_options_are_told(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        value(clip("60", **options), pointing(0))


def test_another_number_of_samples_is_told() -> None:
    loss = clip("60")
    loss.prepare(pointing(0))
    with pytest.raises(ValueError, match="prepared for 1 samples, got images of 2"):
        loss(pointing(0, 1), context(2))
