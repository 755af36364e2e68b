"""Tasks that a denoiser guides: score distillation, alone and beside an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

pytest.importorskip("diffusers", reason="the extra [diffusion] is not installed")

from guidance.config.files import as_mapping, strip_header
from guidance.config.kinds import IMAGE_GENERATORS, LOSSES, names, options_of
from guidance.diffusion.options import DISTILLATION_WEIGHT, DenoiserOptions
from guidance.errors import InputError
from guidance.evaluate.families import LossModel
from guidance.generators.image.noise import Noise
from guidance.losses.clip import Clip
from guidance.losses.distillation import Distillation
from guidance.losses.sds.methods import METHODS
from guidance.losses.sds.options import STILL
from guidance.schedule import Schedule
from guidance.tasks.text2image import TextToImage
from guidance.tasks.text2mesh import TextToMesh
from guidance.types import Terms
from tests.tasks.options import differ, flags, made, trace

SMALL: dict[str, Any] = {"size": 16, "crops": 2, "generator": "pyramid"}


#: Generators with a diffusion model.
WITH_DENOISER = [
    name
    for name in names(IMAGE_GENERATORS)
    if issubclass(options_of(IMAGE_GENERATORS, name), DenoiserOptions)
]


@pytest.mark.parametrize("method", [name for name in METHODS if not METHODS[name].edits])
def test_every_method_makes_images(method: str, denoisers: dict[str, str]) -> None:
    name = "flow" if method == "rfds" else "one"
    alone = {**SMALL, "loss": method, "denoiser": denoisers[name]}
    first = trace(TextToImage, **alone)
    assert not differ(first, trace(TextToImage, **alone))
    assert differ(first, trace(TextToImage, **alone, prompt="a house"))


def test_negative_prompts_change_the_result(denoisers: dict[str, str]) -> None:
    alone = {**SMALL, "loss": "sds", "denoiser": denoisers["one"]}
    assert differ(trace(TextToImage, **alone), trace(TextToImage, **alone, negative=["a face"]))


def test_fsd_keeps_the_image_in_place_and_the_length_of_its_update(
    denoisers: dict[str, str],
) -> None:
    alone = {**SMALL, "crops": 10, "denoiser": denoisers["one"], "prompt": "a heart"}
    losses = [
        next(iter(made(TextToImage, **alone, loss=name).build().losses)) for name in ("fsd", "sds")
    ]
    fsd, sds = (term.loss for term in losses)
    assert isinstance(fsd, Distillation) and isinstance(sds, Distillation)
    assert fsd.augment == STILL
    assert (fsd.augment.crops, fsd.unit) == (1, False)
    assert (sds.augment.crops, sds.unit) == (2, True)


def test_a_step_of_fsd_moves_latents_as_far_as_ddim(denoisers: dict[str, str]) -> None:
    alone = {**SMALL, "generator": "latent", "denoiser": denoisers["one"], "prompt": "a heart"}
    few, many = (
        made(TextToImage, **{**alone, "loss": "fsd", "steps": steps}) for steps in (10, 40)
    )
    rates = [task.build().generator.param_groups()[0]["lr"] for task in (few, many)]
    assert rates[0] == pytest.approx(4 * rates[1])
    assert few.settings().optimizer == "sgd"
    assert made(TextToImage, **alone, loss="sds").settings().optimizer == "adam"


@pytest.mark.parametrize("mode", ["generate", "generate_grid"])
def test_a_denoiser_shapes_a_mesh_by_its_normals(mode: str, denoisers: dict[str, str]) -> None:
    given: dict[str, Any] = {"mode": mode, "views": 2, "crops": 2}
    given |= {"resolution": 16, "loss": "sds", "denoiser": denoisers["one"], "textureless": 1.0}
    given |= {"cells": 8} if mode == "generate_grid" else {"edge_length": 0.3}
    normals = trace(TextToMesh, **given, bare="normals")
    assert differ(normals, trace(TextToMesh, **given))
    assert differ(normals, trace(TextToMesh, **given, bare="normals", prompt="a house"))


def test_the_full_autoencoder_is_the_default(denoisers: dict[str, str]) -> None:
    alone = {**SMALL, "loss": "sds", "denoiser": denoisers["one"]}
    assert not differ(trace(TextToImage, **alone), trace(TextToImage, **alone, vae="full"))


def test_a_compiled_network_gives_the_same_images(
    denoisers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the compiler's front end alone: its back end takes minutes."""
    real, compiled = nn.Module.compile, list[type[nn.Module]]()

    def compile_(module: nn.Module, **options: Any) -> None:
        assert options == {"mode": None, "dynamic": False}  # the CPU has no graphs
        compiled.append(type(module))
        real(module, backend="eager", dynamic=False)

    monkeypatch.setattr(nn.Module, "compile", compile_)
    alone = {**SMALL, "loss": "sds", "denoiser": denoisers["one"]}
    plain = trace(TextToImage, **alone)
    assert not compiled
    ours = trace(TextToImage, **alone, compiled=True)
    assert [kind.__name__ for kind in compiled] == ["UNet2DConditionModel"]
    assert torch.allclose(ours[2], plain[2], atol=1e-4)


@pytest.mark.parametrize("generator", WITH_DENOISER)
@pytest.mark.parametrize("loss", ["cosine", "sds", "clip,sds"])
def test_generators_with_a_denoiser(generator: str, loss: str, denoisers: dict[str, str]) -> None:
    alone = {"generator": generator, "crops": 2, "loss": loss, "denoiser": denoisers["one"]}
    plain = trace(TextToImage, **alone)
    assert plain[2].shape[-1] == 16, "the size is not that of the denoiser"
    assert not differ(plain, trace(TextToImage, **alone))
    options: list[dict[str, Any]] = [{"size": 32}, {"prompt": "a house"}]
    if (generator, loss) != ("latent", "cosine"):  # their autoencoders are equal
        options.append({"denoiser": denoisers["other"]})
    for option in options:
        assert differ(plain, trace(TextToImage, **{**alone, **option})), option


def test_noise_is_optimized_with_momentum(denoisers: dict[str, str]) -> None:
    alone = {"generator": "noise", "crops": 2, "denoiser": denoisers["one"]}
    plain = trace(TextToImage, **alone)
    assert not differ(plain, trace(TextToImage, **alone, optimizer="sgd"))
    assert differ(plain, trace(TextToImage, **alone, optimizer="adam"))


def test_the_models_of_a_run_include_those_of_its_generator(denoisers: dict[str, str]) -> None:
    task = made(TextToImage, prompt="a heart", generator="noise", denoiser=denoisers["one"])
    assert task.models == ("mini", denoisers["one"])
    assert task.denoisers == ((denoisers["one"], "full"),)


def test_the_written_configuration_gives_the_same_settings(denoisers: dict[str, str]) -> None:
    task = made(TextToImage, prompt="a heart", generator="noise", denoiser=denoisers["one"])
    _, _, fields = strip_header(as_mapping(task, "text2image"), "here")
    again = TextToImage(**fields)
    assert again.settings() == task.settings() and again.settings().optimizer == "sgd"


@pytest.mark.parametrize("generator", WITH_DENOISER)
def test_generators_with_a_denoiser_are_not_animated(
    generator: str, denoisers: dict[str, str]
) -> None:
    given = {"generator": generator, "denoiser": denoisers["one"], "device": "cpu"}
    with pytest.raises(InputError, match=f"(?i){generator}: cannot be moved between frames"):
        made(TextToImage, prompt="a heart", **given, frames=3, zoom=1.1).build()


def test_the_family_of_denoisers(denoisers: dict[str, str]) -> None:
    assert LossModel.of(denoisers["one"]).family == "diffusion"
    assert LossModel.of("mini-diffusion").family == "mini-diffusion"


def test_noise_is_sampled_with_the_wanted_texts(
    denoisers: dict[str, str], images: dict[str, Path]
) -> None:
    alone = {"generator": "noise", "denoiser": denoisers["one"], "device": "cpu"}
    prompt = "a heart:2 | a face:-1"
    plan = made(TextToImage, prompt=prompt, style="a sketch", **alone).build()
    assert isinstance(plan.generator, Noise)
    target = plan.generator.denoisers[0].encode_text(["a heart, a sketch"])
    for name, tensor in target.tensors.items():
        assert torch.equal(plan.generator.condition.tensors[name], tensor)
    with pytest.raises(InputError, match="--generator noise samples from text; add a phrase"):
        made(TextToImage, style=f"image:{images['PHOTO']}", **alone).build()


def test_the_embedded_denoiser_has_one_autoencoder() -> None:
    with pytest.raises(InputError, match="mini-diffusion: already has a tiny autoencoder"):
        trace(TextToImage, **SMALL, loss="sds", vae="tiny")


def test_several_losses_have_weights(denoisers: dict[str, str]) -> None:
    task = made(
        TextToImage,
        **SMALL,
        prompt=["a heart"],
        loss="clip:2,sds,csd:0.5",
        denoiser=denoisers["one"],
    )
    terms = list(Terms.of(task.build().losses))
    (clip,) = (term for term in terms if isinstance(term.loss, Clip))
    assert Schedule.of(clip.weight)(0.0) == 2
    found = {
        t.loss.name: Schedule.of(t.weight)(0.0) for t in terms if isinstance(t.loss, Distillation)
    }
    assert found == {"sds": DISTILLATION_WEIGHT, "csd": 0.5 * DISTILLATION_WEIGHT}
    both = {**SMALL, "loss": "clip,sds", "denoiser": denoisers["one"]}
    assert differ(trace(TextToImage, **both), trace(TextToImage, **SMALL))
    assert differ(trace(TextToImage, **both), trace(TextToImage, **{**both, "loss": "sds"}))


def chosen(loss: Any) -> list[tuple[str, float]]:
    task = TextToImage(prompt=["a heart"], loss=loss)
    return [(each.options.kind(), each.weight(0.0)) for each in task.loss]


def test_names_and_weights_of_losses() -> None:
    assert chosen(" clip:0.5 , border,sds:2") == [("clip", 0.5), ("border", 1), ("sds", 2)]
    assert chosen([{"kind": "clip", "weight": 0.5}, "sds:2"]) == [("clip", 0.5), ("sds", 2)]
    assert chosen("clip:0.5 -> 0")[0][1] == 0.5
    for name in names(LOSSES):
        assert chosen(name) == [(name, 1)]
    for name, (real, values) in LOSSES.aliases.items():
        assert chosen(name) == [(real, 1)]
        options = TextToImage(prompt=["a heart"], loss=name).loss[0].options
        assert {key: getattr(options, key) for key in values} == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vsd", "unknown loss 'vsd'; did you mean"),
        ("dds", "--loss dds: needs a source to start from; use it in stylize or edit"),
        ("pds", "--loss pds: needs a source to start from; use it in stylize or edit"),
        ("patches", "--loss patches: needs a source to start from; use it in stylize or edit"),
        ("directional", "--loss directional: needs a source"),
        ("", "loss '': expected names such as clip,fsd:0.5"),
        ("sds:no", "loss 'sds:no': expected a weight such as 0.5 or a schedule, got 'no'"),
        ("sds:inf", "loss 'sds:inf': expected a weight"),
        ("laplacian", "Laplacian: expected images of a mesh"),
    ],
)
def test_what_cannot_guide_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        trace(TextToImage, **SMALL, loss=text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "--denoiser sd-1.5",
            "^--denoiser belongs to --loss sds, csd, .* or --generator latent, noise; ",
        ),
        ("--guidance-scale 7.5", "^--guidance-scale belongs to --loss sds, nfsd, "),
        ("--vae tiny", "^--vae belongs to "),
        ("--compiled", "^--compiled belongs to "),
        ("--loss sds --at 50%a", "^--at belongs to --loss clip, "),
        ("--loss sds --region-prompt a.png=b", "^--region-prompt belongs to --loss clip; "),
        ("--loss sds --encoder ViT-B-32/openai", "^--encoder belongs to --loss clip, "),
        ("--loss sds --contrastive-weight 0.5", "^--contrastive-weight belongs to --loss clip; "),
        ("--loss sds --templates plain", "^--templates belongs to --loss clip, "),
        ("--loss sds --guidance-scale -1", "^--guidance-scale.*: expected at least 0"),
    ],
)
def test_options_of_other_components_are_refused(options: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        flags(TextToImage, "--prompt", "a heart", *options.split())


def test_image_prompts_are_refused_by_denoisers() -> None:
    with pytest.raises(InputError, match="denoisers do not support image prompts"):
        trace(TextToImage, **SMALL, loss="sds", style="image:a.png")
