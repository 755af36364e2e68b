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
from guidance.losses.targets import NEGATIVE_WEIGHT, view_indices
from guidance.types import Moment, Rendering
from tests.losses.stand_ins import Linear, cameras, everything, moment


class Compass(Encoder):
    """The plane: a picture points to (red, green), each text to its own angle in degrees."""

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
    """Plain pictures whose embeddings have these angles, one a sample."""
    angles = torch.tensor(angles_deg, dtype=torch.float64).deg2rad()
    color = torch.stack([angles.cos(), angles.sin(), torch.zeros_like(angles)], -1)
    return Rendering(color.view(-1, 1, 3, 1, 1).repeat(1, views, 1, 4, 4).requires_grad_())


def clip(prompt: str | list[str], encoder: Encoder | None = None, **options: object) -> Clip:
    given = {"encoder": encoder or Compass(), "augment": None} | options
    return Clip(prompt, **given)  # type: ignore[arg-type]


def value(loss: Clip, rendering: Rendering) -> Tensor:
    return loss(rendering, moment(len(rendering.image))).detach()


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
    value = clip("0", kind="spherical")(rendering, moment(1))
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
    towards = torch.autograd.grad(clip("60")(rendering, moment(1)).sum(), rendering.image)[0]
    away = torch.autograd.grad(clip("60:-1")(rendering, moment(1)).sum(), rendering.image)[0]
    assert torch.allclose(towards, -away) and towards.abs().sum() > 0


def test_negatives_are_subtracted_with_less_weight() -> None:
    loss = clip("60", negative=["90:2"])
    close(value(loss, pointing(0)), 1 - cos(60) - 2 * NEGATIVE_WEIGHT * (1 - cos(90)))


def test_a_phrase_better_than_its_stop_sends_no_gradient() -> None:
    """1 - cos 60 is 0.5: stopped below 0.6, not below 0.4; the value stays the same."""
    for stop, pulls in ((0.6, False), (0.4, True)):
        rendering = pointing(0)
        loss = clip(f"60:1:{stop}")(rendering, moment(1))
        close(loss.detach(), 0.5)
        slope = torch.autograd.grad(loss.sum(), rendering.image)[0]
        assert bool(slope.abs().sum() > 0) == pulls


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
    path = tmp_path / "picture.png"
    if content:
        path.write_text(content)
    with pytest.raises(ValueError, match=f"image prompt .*picture.png: {message}"):
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
    wordy = clip("an owl", encoder, view_words=True)
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
    list(clip("a", encoder).parts(everything(2, 3), moment(), 2))
    assert max(encoder.batches) == 2 and sum(encoder.batches) == 6


def test_optimizing_turns_the_needle() -> None:
    pixels = pointing(0).image.detach().requires_grad_()
    loss, optimizer = clip("60"), torch.optim.SGD([pixels], lr=0.5)
    for step in range(400):
        optimizer.zero_grad()
        loss(Rendering(pixels), Moment((0,), step)).sum().backward()
        optimizer.step()
    close(value(loss, Rendering(pixels)), 0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "euclidean"}, "kind 'euclidean' is unknown; use cosine, spherical, logit"),
        ({"kind": {}}, "is unknown; use cosine, spherical, logit"),
        ({"negative": ["90:-1"]}, "negative '90': expected a weight above 0, got -1"),
        ({"view_words": True}, "view_words=True needs pictures with cameras"),
        ({"kind": "logit", "encoder": Compass(alternatives=())}, "no captions to contrast"),
        ({"kind": "logit", "encoder": Compass(alternatives=("61",))}, "means the same"),
    ],
)
def test_bad_options_are_told(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        value(clip("60", **options), pointing(0))


def test_another_number_of_samples_is_told() -> None:
    loss = clip("60")
    loss.prepare(pointing(0))
    with pytest.raises(ValueError, match="prepared for 1 samples, got pictures of 2"):
        loss(pointing(0, 1), moment(2))
