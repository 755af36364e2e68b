"""The contract of losses. A new file in guidance/losses/ is found by scanning the folder.

A loss whose constructor has required arguments provides a class method for a small instance:
`tiny(encoder, prompts)` for prompts and an encoder, `tiny_from_encoder(encoder)` for an encoder
only, `tiny_from_denoiser(denoiser, prompts)` for prompts and a denoiser.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import guidance.losses
import guidance.prompts
from guidance.losses.motion.base import MotionLoss
from guidance.outputs import Rendering
from guidance.prompts import Prompt
from guidance.types import Loss, Terms
from tests.diffusion.stand_ins import Mixture
from tests.losses.stand_ins import Linear, context, everything


def all_losses() -> list[type[Loss]]:
    found = set()
    for info in pkgutil.walk_packages(guidance.losses.__path__, "guidance.losses."):
        if info.name.startswith("guidance.losses.language"):  # of texts: tests/captions
            continue
        module = importlib.import_module(info.name)
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Loss) and kind.__module__ == module.__name__ and name[0] != "_":
                found.add(kind)
    return sorted(found, key=lambda kind: kind.__name__)


#: Losses that no stand-in of a rendering here fits: a vision-language model is asked
#: (tests/encoders/test_vlm.py), or noise maps are read (tests/tasks/test_style_edit.py).
ELSEWHERE = {"Vqa", "NoiseCorrelation"}


def tested() -> list[type[Loss]]:
    """Those of images and meshes; tests/losses/test_motion.py has those of motions."""
    found = [kind for kind in all_losses() if not issubclass(kind, MotionLoss)]
    return [kind for kind in found if kind.__name__ not in ELSEWHERE]


PROMPTS = ("a red apple | a sketch:0.5", "a boat:2")
ALL = pytest.mark.parametrize("kind", tested(), ids=lambda kind: kind.__name__)
WITH_PROMPTS = [kind for kind in tested() if hasattr(kind, "tiny") or kind.is_vector_field]
WITH_PROMPTS_ONLY = pytest.mark.parametrize("kind", WITH_PROMPTS, ids=lambda kind: kind.__name__)

#: The attributes of a scene that losses read.
OF_SCENES = ("vertices", "jacobians", "distances", "noise", "latent_change", "texels")


def frozen_model(kind: type[Loss]) -> Linear | Mixture:
    """The stand-in for the model of a loss with prompts."""
    return Mixture() if hasattr(kind, "tiny_from_denoiser") else Linear()


def from_prompts(
    kind: type[Loss], model: Linear | Mixture, prompts: tuple[str | Prompt, ...]
) -> Loss:
    return (
        kind.tiny_from_denoiser(model, prompts)
        if isinstance(model, Mixture)
        else kind.tiny(model, prompts)
    )


def unprepared(kind: type[Loss], prompts: tuple[str | Prompt, ...]) -> Loss:
    if kind in WITH_PROMPTS:
        return from_prompts(kind, frozen_model(kind), prompts)
    return kind.tiny_from_encoder(Linear()) if hasattr(kind, "tiny_from_encoder") else kind()


def make(kind: type[Loss], prompts: tuple[str | Prompt, ...] = PROMPTS) -> Loss:
    """A small instance, prepared on other images than those that it is called with."""
    loss = unprepared(kind, prompts)
    start = everything(n=len(prompts))
    loss.prepare(replace(start, image=start.image.detach() * 0.8 + 0.02))
    return loss


def leaves(rendering: Rendering) -> list[Tensor]:
    assert rendering.alpha is not None
    scene = rendering.scene
    return [rendering.image, rendering.alpha, *(getattr(scene, name) for name in OF_SCENES)]


def gradients(loss: Loss, rendering: Rendering) -> tuple[Tensor, list[Tensor]]:
    """The value, and the gradients to all that a loss can read (0 where it reads nothing)."""
    value = loss(rendering, context(len(rendering.image)))
    found = torch.autograd.grad(
        value.sum(), leaves(rendering), allow_unused=True, materialize_grads=True
    )
    return value.detach(), list(found)


#: Names in the metrics of runs, which are compared across versions.
NAMES = {
    "Border": "border",
    "Clip": "clip",
    "Content": "content",
    "Directional": "directional",
    "Distillation": "sds",
    "EdgeLength": "edge_length",
    "Eikonal": "eikonal",
    "Laplacian": "laplacian",
    "LatentDistance": "latent_distance",
    "Lpips": "lpips",
    "NoiseNorm": "noise_norm",
    "NormalConsistency": "normal_consistency",
    "OnSubject": "clip of whole",
    "Outline": "outline",
    "Palette": "palette",
    "PatchDirectional": "patches",
    "PixelDistance": "pixel_distance",
    "Range": "range",
    "Rigidity": "rigidity",
    "Smoothness": "smoothness",
    "Symmetry": "symmetry",
    "TexelVariation": "texel_variation",
    "TotalVariation": "total_variation",
}


def test_names_in_metrics() -> None:
    assert {kind.__name__: unprepared(kind, PROMPTS).name for kind in tested()} == NAMES


def test_a_file_of_the_folder_is_one_loss() -> None:
    """And the folders below hold no loss."""
    defined = [kind.__module__ for kind in all_losses() if kind is not MotionLoss]
    files = {
        f"guidance.losses.{info.name}"
        for info in pkgutil.iter_modules(guidance.losses.__path__)
        if not info.ispkg
    }
    assert sorted(defined) == sorted(files)


@WITH_PROMPTS_ONLY
def test_prompts_and_models_are_declared(kind: type[Loss]) -> None:
    model = frozen_model(kind)
    loss = from_prompts(kind, model, PROMPTS)
    assert loss.prompts == tuple(Prompt.of(text) for text in PROMPTS)
    assert loss.models == (model,)


@WITH_PROMPTS_ONLY
def test_a_text_is_parsed_once(kind: type[Loss], monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = tuple(Prompt.of(text) for text in PROMPTS)
    losses = [from_prompts(kind, frozen_model(kind), prompts) for prompts in (PROMPTS, parsed)]

    def refuse(text: str) -> None:
        raise AssertionError(f"{text!r} is parsed again")

    monkeypatch.setattr(guidance.prompts, "parse_prompt", refuse)
    values = []
    for loss in losses:
        loss.prepare(everything())
        values.append(loss(everything(), context()).detach())
    assert torch.equal(*values)


@ALL
def test_one_finite_number_a_sample(kind: type[Loss]) -> None:
    value = make(kind)(everything(), context())
    assert value.shape == (2,) and value.isfinite().all()


@ALL
def test_is_not_divided_by_the_number_of_samples(kind: type[Loss]) -> None:
    both = make(kind)(everything(2), context(2))
    rendering = everything(2)
    alone = Rendering(
        rendering.image[:1],
        rendering.alpha[:1],
        replace(
            rendering.scene,
            **{name: getattr(rendering.scene, name)[:1] for name in OF_SCENES},
        ),
    )
    loss = unprepared(kind, PROMPTS[:1])
    start = everything(2).image[:1].detach() * 0.8 + 0.02
    loss.prepare(replace(alone, image=start))
    assert torch.allclose(loss(alone, context(1)), both[:1], rtol=1e-9)


@ALL
def test_gradients_are_those_of_the_value(kind: type[Loss]) -> None:
    loss, rendering = make(kind), everything()
    if kind.is_vector_field:
        return  # not the gradient of a value; see tests/losses/test_distillation.py
    if kind.__name__ == "Range":  # its gradient would be 0 everywhere
        rendering.image.data.mul_(3).sub_(1)

    def value(image: Tensor, alpha: Tensor, *of_scene: Tensor) -> Tensor:
        scene = replace(rendering.scene, **dict(zip(OF_SCENES, of_scene, strict=True)))
        return loss(replace(rendering, image=image, alpha=alpha, scene=scene), context())

    assert value(*leaves(rendering)).requires_grad
    assert torch.autograd.gradcheck(value, leaves(rendering), fast_mode=True, eps=1e-6, atol=1e-5)


@ALL
def test_pictures_of_a_sample_touch_no_other_to_the_bit(kind: type[Loss]) -> None:
    loss, rendering, other = make(kind), everything(), everything()
    with torch.no_grad():
        for leaf in leaves(other):
            leaf[1] = 1.7 * leaf[1] - 0.2
    check_only_the_second_changed(gradients(loss, rendering), gradients(loss, other))


@WITH_PROMPTS_ONLY
def test_prompts_of_a_sample_touch_no_other_to_the_bit(kind: type[Loss]) -> None:
    ours, others = make(kind), make(kind, (PROMPTS[0], "a wolf | a hat | a tree"))
    check_only_the_second_changed(gradients(ours, everything()), gradients(others, everything()))


def check_only_the_second_changed(
    ours: tuple[Tensor, list[Tensor]], theirs: tuple[Tensor, list[Tensor]]
) -> None:
    assert torch.equal(ours[0][0], theirs[0][0])
    assert any(
        not torch.equal(mine[1], other[1])
        for mine, other in zip((ours[0], *ours[1]), (theirs[0], *theirs[1]), strict=True)
    )
    for mine, other in zip(ours[1], theirs[1], strict=True):
        assert torch.equal(mine[0], other[0])


@ALL
@pytest.mark.parametrize("micro_batch", [1, 2, 3, 5, 7, 1000])
def test_parts_add_up(kind: type[Loss], micro_batch: int) -> None:
    loss, rendering = make(kind), everything()
    whole, whole_slopes = gradients(loss, rendering)
    value, slopes = torch.zeros(2), [torch.zeros_like(leaf) for leaf in leaves(rendering)]
    for part in loss.parts(rendering, context(), micro_batch):
        assert part.shape == (2,)
        value = value + part.detach()
        found = torch.autograd.grad(
            part.sum(), leaves(rendering), allow_unused=True, materialize_grads=True
        )
        slopes = [slope + more for slope, more in zip(slopes, found, strict=True)]
    assert torch.allclose(value, whole, rtol=1e-6)
    for mine, theirs in zip(slopes, whole_slopes, strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-6, atol=1e-9)


@WITH_PROMPTS_ONLY
@pytest.mark.parametrize("micro_batch", [1, 3, 7])
def test_micro_batches_are_kept_to(kind: type[Loss], micro_batch: int) -> None:
    encoder, rendering = frozen_model(kind), everything()
    loss = from_prompts(kind, encoder, PROMPTS)
    loss.prepare(rendering)
    encoder.batches.clear()
    list(loss.parts(rendering, context(), micro_batch))
    assert max(encoder.batches) <= micro_batch
    assert min(encoder.batches) >= micro_batch // 2, "micro-batches are wastefully small"


@WITH_PROMPTS_ONLY
def test_encoders_are_frozen_and_no_part_of_the_state(kind: type[Loss]) -> None:
    encoder = frozen_model(kind)
    loss = from_prompts(kind, encoder, PROMPTS)
    loss.prepare(everything())
    loss(everything(), context()).sum().backward()
    assert encoder.weight.grad is None
    assert not list(loss.parameters()) and not loss.state_dict()


@WITH_PROMPTS_ONLY
def test_texts_are_encoded_once(kind: type[Loss]) -> None:
    encoder = frozen_model(kind)
    loss = from_prompts(kind, encoder, PROMPTS)
    loss.prepare(everything())
    encoded = len(encoder.texts)
    for step in range(3):
        loss(everything(), context(step=step))
    assert encoded and len(encoder.texts) == encoded


@WITH_PROMPTS_ONLY
def test_another_number_of_prompts_is_an_error(kind: type[Loss]) -> None:
    with pytest.raises(
        ValueError, match="3 prompts for 2 samples: give one prompt, or one per sample"
    ):
        from_prompts(kind, frozen_model(kind), ("a", "b", "c")).prepare(everything())


@WITH_PROMPTS_ONLY
def test_draws_follow_the_seed(kind: type[Loss]) -> None:
    rendering = everything()
    same, again, later = (make(kind)(rendering, context(step=step)) for step in (3, 3, 4))
    assert torch.equal(same, again)
    assert not torch.equal(same, later)


@ALL
def test_losses_combine_by_arithmetic(kind: type[Loss]) -> None:
    terms = Terms.of(make(kind)) + 0.5 * make(kind)
    assert [term.weight for term in terms] == [1.0, 0.5]
