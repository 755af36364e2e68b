"""Tasks that a denoiser guides: --loss sds and its kin, alone and beside an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from PIL import Image

pytest.importorskip("diffusers", reason="the extra [diffusion] is not installed")

from guidance.diffusion.files.source import TINY
from guidance.errors import InputError
from guidance.evaluate.families import LossModel
from guidance.generators.image.noise import Noise
from guidance.losses.clip import Clip
from guidance.losses.distillation import Distillation
from guidance.config.files import as_mapping, strip_header
from guidance.tasks.shared.drawing import OF_DENOISERS
from guidance.tasks.shared.guides import COMPARISONS, DISTILLATIONS, STILL, Guides
from guidance.tasks.stylize import Stylize
from guidance.tasks.text2image import TextToImage
from guidance.tasks.text2mesh import TextToMesh
from guidance.types import Terms
from tests.diffusion import tiny
from tests.encoders.tiny import snapshot
from tests.tasks.options import OF_DISTILLATION, differ, trace

SMALL: dict[str, Any] = {"size": 16, "crops": 2, "generator": "pyramid"}


@pytest.fixture(scope="module")
def denoisers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Two Stable Diffusions of 16 pixels with random weights, by name; they read long prompts."""
    root = tmp_path_factory.mktemp("denoisers")
    kind = "StableDiffusionPipeline"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "LENGTH", 96)
        tiny.save(kind, root / "one")
        tiny.save(kind, root / "other", prediction_type="v_prediction")
    return {name: f"local-dir:{root / name}" for name in ("one", "other")}


@pytest.mark.parametrize("method", [name for name in DISTILLATIONS if name != "rfds"])
def test_every_method_draws(method: str, denoisers: dict[str, str]) -> None:
    alone = {**SMALL, "loss": method, "denoiser": denoisers["one"]}
    first = trace(TextToImage, **alone)
    assert not differ(first, trace(TextToImage, **alone))
    assert differ(first, trace(TextToImage, **alone, prompt="a house"))


def test_options_change_the_result(denoisers: dict[str, str]) -> None:
    alone = {**SMALL, "loss": "sds", "denoiser": denoisers["one"]}
    plain = trace(TextToImage, **alone)
    options = {"denoiser": denoisers["other"], "guidance_scale": "100 -> 7.5"}
    assert set(options) | {"vae", "compiled"} == OF_DISTILLATION
    for option, value in options.items():
        assert differ(plain, trace(TextToImage, **{**alone, option: value})), option
    assert differ(plain, trace(TextToImage, **alone, negative=["a face"]))


def test_fsd_sees_the_picture_in_its_place_and_its_distance_keeps_its_length(
    denoisers: dict[str, str],
) -> None:
    alone = {**SMALL, "crops": 10, "denoiser": denoisers["one"], "prompt": "a heart"}
    losses = [next(iter(TextToImage(**alone, loss=name).build().losses)) for name in ("fsd", "sds")]
    fsd, sds = (term.loss for term in losses)
    assert isinstance(fsd, Distillation) and isinstance(sds, Distillation)
    assert (fsd.augment.crops, fsd.augment.scale, fsd.unit) == (1, STILL, False)
    assert (sds.augment.crops, sds.unit) == (2, True)


def test_fsd_moves_latents_as_far_a_step_as_ddim(denoisers: dict[str, str]) -> None:
    alone = {**SMALL, "generator": "latent", "denoiser": denoisers["one"], "prompt": "a heart"}
    few, many = (TextToImage(**{**alone, "loss": "fsd", "steps": steps}) for steps in (10, 40))
    rates = [task.build().generator.param_groups()[0]["lr"] for task in (few, many)]
    assert rates[0] == pytest.approx(4 * rates[1])
    assert few.settings().optimizer == "sgd"
    assert TextToImage(**alone, loss="sds").settings().optimizer == "adam"


@pytest.mark.parametrize("surface", ["sphere", "grid"])
def test_a_denoiser_shapes_a_mesh_by_its_normals(surface: str, denoisers: dict[str, str]) -> None:
    given: dict[str, Any] = {"mode": "generate", "surface": surface, "views": 2, "crops": 2}
    given |= {"resolution": 16, "loss": "sds", "denoiser": denoisers["one"], "textureless": 1.0}
    given |= {"cells": 8} if surface == "grid" else {"edge_length": 0.3}
    normals = trace(TextToMesh, **given, bare="normals")
    assert differ(normals, trace(TextToMesh, **given))
    assert differ(normals, trace(TextToMesh, **given, bare="normals", prompt="a house"))


def test_the_tiny_autoencoder_is_used(
    denoisers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = snapshot(tmp_path / "hub", TINY["StableDiffusionPipeline"].removeprefix("hf-hub:"))
    tiny.tiny_vae(cache)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    alone = {**SMALL, "loss": "sds", "denoiser": denoisers["one"]}
    plain = trace(TextToImage, **alone)
    assert not differ(plain, trace(TextToImage, **alone, vae="full"))
    assert differ(plain, trace(TextToImage, **alone, vae="tiny"))


def test_a_compiled_network_draws_the_same(
    denoisers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the compiler's front end alone: its back end takes minutes."""
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


#: Options of the generators that are a denoiser's, each with what it is compared with.
DRAWN = {"generator": "noise", "sampler_steps": 2, "sampler_scale": 2.0, "noise_norm": 100.0}


@pytest.mark.parametrize("generator", OF_DENOISERS)
@pytest.mark.parametrize("loss", ["cosine", "sds", "clip,sds"])
def test_pictures_of_a_denoiser(generator: str, loss: str, denoisers: dict[str, str]) -> None:
    alone = {"generator": generator, "crops": 2, "loss": loss, "denoiser": denoisers["one"]}
    plain = trace(TextToImage, **alone)
    assert plain[2].shape[-1] == 16, "the size is not the denoiser's own"
    assert not differ(plain, trace(TextToImage, **alone))
    options: list[dict[str, Any]] = [{"size": 32}, {"prompt": "a house"}]
    if (generator, loss) != ("latent", "cosine"):  # the two have the same autoencoder
        options.append({"denoiser": denoisers["other"]})
    for option in options:
        assert differ(plain, trace(TextToImage, **{**alone, **option})), option


@pytest.mark.parametrize("option", DRAWN)
def test_options_of_noise(option: str, denoisers: dict[str, str]) -> None:
    alone = {"generator": "noise", "crops": 2, "denoiser": denoisers["one"]}
    plain = trace(TextToImage, **alone)
    if option == "generator":
        assert not differ(plain, trace(TextToImage, **alone, optimizer="sgd"))
        assert differ(plain, trace(TextToImage, **alone, optimizer="adam"))
    else:
        assert differ(plain, trace(TextToImage, **alone, **{option: DRAWN[option]}))


def test_latents_start_from_a_picture(denoisers: dict[str, str], tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), "red").save(tmp_path / "red.png")
    alone = {"generator": "latent", "crops": 2, "denoiser": denoisers["one"]}
    plain = trace(TextToImage, **alone)
    assert differ(plain, trace(TextToImage, **alone, start=tmp_path / "red.png"))


def test_the_judge_knows_whose_pictures_they_are(denoisers: dict[str, str]) -> None:
    task = TextToImage(prompt="a heart", generator="noise", denoiser=denoisers["one"])
    assert task.loss_models == ("mini", denoisers["one"])


def test_what_a_run_writes_down_makes_the_same_run(denoisers: dict[str, str]) -> None:
    task = TextToImage(prompt="a heart", generator="noise", denoiser=denoisers["one"])
    _, fields = strip_header(as_mapping(task), "here")
    again = TextToImage(**fields)
    assert again.settings() == task.settings() and again.settings().optimizer == "sgd"


@pytest.mark.parametrize("generator", OF_DENOISERS)
def test_a_denoisers_pictures_are_not_moved(generator: str) -> None:
    with pytest.raises(InputError, match=f"frames: {generator} cannot be moved between frames"):
        TextToImage(prompt="a heart", generator=generator, frames=3).build()


def test_a_denoiser_has_a_family_of_its_own(denoisers: dict[str, str]) -> None:
    assert LossModel.of(denoisers["one"]).family == "diffusion"
    assert LossModel.of("mini-diffusion").family == "mini-diffusion"


def test_noise_draws_by_words(denoisers: dict[str, str], tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), "red").save(tmp_path / "red.png")
    alone = {"generator": "noise", "denoiser": denoisers["one"], "device": "cpu"}
    plan = TextToImage(prompt="a heart:2 | a face:-1", style="a sketch", **alone).build()
    assert isinstance(plan.generator, Noise)
    told = plan.generator.wanted.tensors["words"]
    wanted = plan.generator.denoisers[0].encode_text(["a heart, a sketch"]).tensors["words"]
    assert torch.equal(told, wanted)
    with pytest.raises(InputError, match="noise draws by words, and there are none"):
        TextToImage(image_prompt=[tmp_path / "red.png"], **alone).build()


def test_the_embedded_denoiser_has_no_other_autoencoder() -> None:
    with pytest.raises(InputError, match="mini-diffusion: already has a tiny autoencoder"):
        trace(TextToImage, **SMALL, loss="sds", vae="tiny")


def test_several_losses_are_weighed(denoisers: dict[str, str]) -> None:
    task = TextToImage(
        **SMALL, prompt=["a heart"], loss="clip:2,sds,csd:0.5", denoiser=denoisers["one"]
    )
    terms = list(Terms.of(task.build().losses))
    assert sum(isinstance(term.loss, Clip) for term in terms) == 1
    found = {t.loss.name: t.weight for t in terms if isinstance(t.loss, Distillation)}
    assert found["csd"] == pytest.approx(0.5 * float(found["sds"]))
    both = {**SMALL, "loss": "clip,sds", "denoiser": denoisers["one"]}
    assert differ(trace(TextToImage, **both), trace(TextToImage, **SMALL))
    assert differ(trace(TextToImage, **both), trace(TextToImage, **{**both, "loss": "sds"}))


def test_names_and_weights() -> None:
    guides = Guides.parse(" clip:0.5 , logit,sds:2")
    assert guides == Guides({"cosine": 0.5, "logit": 1.0}, {"sds": 2.0})
    for name in COMPARISONS + DISTILLATIONS:
        assert Guides.parse(name) != Guides({}, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vsd", "loss 'vsd' is unknown; use clip, cosine, "),
        ("dds", "loss 'dds' edits an image: guide run edit --loss dds"),
        ("", "loss '' is unknown"),
        ("clip,cosine", "cosine is given twice"),
        ("sds:no", "expected a positive weight such as sds:0.5, got no"),
        ("sds:0", "got 0"),
        ("sds:inf", "got inf"),
    ],
)
def test_what_cannot_guide_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):  # pydantic's, around ours
        TextToImage(prompt=["a heart"], loss=text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"denoiser": "sd-1.5"}, "denoiser: is of score distillation; leave it out"),
        ({"guidance_scale": 7.5}, "guidance_scale: is of score distillation"),
        ({"vae": "tiny"}, "vae: is of score distillation"),
        ({"compiled": True}, "compiled: is of score distillation"),
        ({"guidance_scale": 0.0}, "guidance_scale: is of score distillation"),
        ({"loss": "sds", "at": ["50% a house"]}, "at: sds follows plain prompts"),
        ({"loss": "sds", "image_prompt": ["a.png"]}, "image_prompt: sds follows plain prompts"),
        ({"loss": "sds", "region": ['a.png="a sky"']}, "region: sds follows plain prompts"),
        (
            {"loss": "sds", "encoder": ["ViT-B-32/openai"]},
            "encoder: is of encoders, and --loss",
        ),
        ({"loss": "sds", "contrastive_weight": 0.5}, "contrastive_weight: is of encoders"),
        ({"loss": "sds", "templates": "plain"}, "use --loss clip,sds"),
    ],
)
def test_options_without_a_use_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TextToImage(prompt=["a heart"], **options).build()


@pytest.mark.parametrize("option", sorted(OF_DISTILLATION))
def test_stylize_asks_no_denoiser(option: str, tmp_path: Path) -> None:
    values = {"denoiser": "sd-1.5", "guidance_scale": 2.0, "vae": "tiny", "compiled": True}
    value: Any = values[option]
    with pytest.raises(InputError, match=f"{option}: stylize asks no denoiser"):
        Stylize(prompt=["a sketch"], picture=tmp_path / "a.png", **{option: value}).build()
