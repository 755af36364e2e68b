"""Models of diffusers, with tiny random weights in the layout of the real ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("diffusers", reason="the extra [diffusion] is not installed")

import diffusers
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from guidance.diffusion import load_denoiser
from guidance.diffusion.pipeline import Pipeline
from guidance.errors import InputError, MissingWeights
from guidance.losses.distillation import Distillation
from guidance.outputs import Rendering
from guidance.types import StepContext
from tests.diffusion import tiny
from tests.encoders.tiny import snapshot

KINDS = pytest.mark.parametrize("kind", tiny.MAKERS)
SD, SDXL, SD3, FLUX, IF = tiny.MAKERS


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a kind, made once; not to be changed."""
    root = tmp_path_factory.mktemp("denoisers")

    def get(kind: str) -> Path:
        folder = root / kind
        return folder if folder.is_dir() else tiny.save(kind, folder)

    return get


@pytest.fixture
def copy(folders: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a kind's folder, to be changed."""
    return lambda kind: Path(shutil.copytree(folders(kind), tmp_path / "copy"))


def load(folder: Path, **options: str) -> Pipeline:
    made = load_denoiser(f"local-dir:{folder}", **options)
    assert isinstance(made, Pipeline)
    return made


def original(kind: str, folder: Path) -> Any:
    """The pipeline as diffusers loads it; it has to be told that SD3's T5 is not there."""
    absent = {"text_encoder_3": None, "tokenizer_3": None} if kind == SD3 else {}
    return getattr(diffusers, kind).from_pretrained(folder, **absent)


def ask(denoiser: Pipeline, texts: list[str], time: float = 0.5) -> tuple[Tensor, Tensor]:
    """Random latents and the noise that is seen in them."""
    random = torch.Generator().manual_seed(7)
    clean = denoiser.encode_image(torch.rand(len(texts), 3, 16, 16, generator=random))
    level = denoiser.level(torch.full((len(texts),), time), clean)
    return clean, denoiser.noise(clean, level, denoiser.encode_text(texts))


@KINDS
def test_loads_and_answers_by_text(kind: str, folders: Callable[[str], Path]) -> None:
    denoiser = load(folders(kind))
    latents, noise = ask(denoiser, ["red", "", "red"])
    assert noise.shape == latents.shape and noise.isfinite().all() and noise.std() > 0
    assert not any(p.requires_grad for p in denoiser.parameters())
    random = torch.Generator().manual_seed(1)
    same = torch.randn(1, *latents.shape[1:], generator=random).expand_as(latents)
    level = denoiser.level(torch.full((3,), 0.5), same)
    answers = denoiser.noise(same, level, denoiser.encode_text(["red", "", "red"]))
    assert torch.allclose(answers[0], answers[2], atol=1e-5)
    assert (answers[0] - answers[1]).abs().max() > 1e-3


def test_sd_answers_as_diffusers_does(folders: Callable[[str], Path]) -> None:
    pipe, denoiser = original(SD, folders(SD)), load(folders(SD))
    words = pipe.encode_prompt(["red", ""], "cpu", 1, False)[0]
    assert torch.allclose(denoiser.encode_text(["red", ""]).tensors["embeddings"], words)
    latents, noise = ask(denoiser, ["red", ""], 0.3)
    wanted = pipe.unet(latents, torch.tensor(300), encoder_hidden_states=words).sample
    assert torch.allclose(noise, wanted, atol=1e-5)
    kept = pipe.scheduler.alphas_cumprod
    level = denoiser.level(torch.tensor([0.3]), latents[:1])
    assert float(level.alpha) == pytest.approx(float(kept[300].sqrt()))


def test_sdxl_answers_as_diffusers_does(folders: Callable[[str], Path]) -> None:
    pipe, denoiser = original(SDXL, folders(SDXL)), load(folders(SDXL))
    words, _, pooled, _ = pipe.encode_prompt("red", do_classifier_free_guidance=False)
    _, nothing, _, no_pool = pipe.encode_prompt("red")  # its own empty text
    told = denoiser.encode_text(["red", ""]).tensors
    assert torch.allclose(told["embeddings"], torch.cat([words, nothing]))
    assert torch.allclose(told["pooled"], torch.cat([pooled, no_pool]))
    latents, noise = ask(denoiser, ["red"])
    more = {"text_embeds": pooled, "time_ids": torch.tensor([[16.0, 16, 0, 0, 16, 16]])}
    wanted = pipe.unet(
        latents, torch.tensor(500), encoder_hidden_states=words, added_cond_kwargs=more
    ).sample
    assert torch.allclose(noise, wanted, atol=1e-5)


def test_sd3_answers_as_diffusers_does(folders: Callable[[str], Path]) -> None:
    pipe, denoiser = original(SD3, folders(SD3)), load(folders(SD3))
    words, _, pooled, _ = pipe.encode_prompt("red", None, None, do_classifier_free_guidance=False)
    assert torch.allclose(denoiser.encode_text(["red"]).tensors["embeddings"], words)
    latents, noise = ask(denoiser, ["red"], 0.25)
    velocity = pipe.transformer(
        latents,
        timestep=torch.tensor([250.0]),
        encoder_hidden_states=words,
        pooled_projections=pooled,
    ).sample
    assert torch.allclose(noise, latents + 0.75 * velocity, atol=1e-5)


def test_flux_answers_as_diffusers_does(folders: Callable[[str], Path]) -> None:
    pipe, denoiser = original(FLUX, folders(FLUX)), load(folders(FLUX))
    words, pooled, text_ids = pipe.encode_prompt("red", None)
    latents, noise = ask(denoiser, ["red"], 0.25)
    packed = pipe._pack_latents(latents, 1, *latents.shape[1:])
    velocity = pipe.transformer(
        packed,
        timestep=torch.tensor([0.25]),
        guidance=torch.ones(1),
        encoder_hidden_states=words,
        pooled_projections=pooled,
        txt_ids=text_ids,
        img_ids=pipe._prepare_latent_image_ids(1, 4, 4, "cpu", torch.float32),
    ).sample
    back = pipe._unpack_latents(velocity, 16, 16, 2 * 2 // 2)
    assert torch.allclose(noise, latents + 0.75 * back, atol=1e-5)


def test_pixel_models_answer_as_diffusers_does(folders: Callable[[str], Path]) -> None:
    pipe, denoiser = original(IF, folders(IF)), load(folders(IF))
    words = pipe.encode_prompt("red", do_classifier_free_guidance=False)[0]
    picture = torch.rand(1, 3, 8, 8)
    latents = denoiser.encode_image(picture)
    assert torch.equal(latents, picture * 2 - 1) and denoiser.image_size == 8
    level = denoiser.level(torch.tensor([0.5]), latents)
    wanted = pipe.unet(latents, torch.tensor(500), encoder_hidden_states=words).sample[:, :3]
    noise = denoiser.noise(latents, level, denoiser.encode_text(["red"]))
    assert torch.allclose(noise, wanted, atol=1e-5)


@pytest.mark.parametrize("kind", [SD, SDXL, SD3, FLUX])
def test_latents_are_the_mean_of_the_autoencoder_with_its_scale(
    kind: str, folders: Callable[[str], Path]
) -> None:
    pipe, picture = original(kind, folders(kind)), torch.rand(2, 3, 16, 16)
    config = pipe.vae.config
    mean = pipe.vae.encode(picture * 2 - 1).latent_dist.mean
    wanted = (mean - (config.shift_factor or 0)) * config.scaling_factor
    assert torch.allclose(load(folders(kind)).encode_image(picture), wanted, atol=1e-5)


def test_the_slope_through_the_autoencoder_is_that_of_finite_differences(
    folders: Callable[[str], Path],
) -> None:
    denoiser = load(folders(SD))
    assert denoiser.autoencoder is not None
    random = torch.Generator().manual_seed(0)
    image = torch.rand(1, 1, 3, 16, 16, generator=random)
    way = torch.randn(image.shape, generator=random)
    loss = Distillation("red", denoiser=denoiser, method="sds")
    loss.prepare(Rendering(image))
    at, leaf = StepContext((0,)), image.clone().requires_grad_()
    slope = torch.autograd.grad(loss(Rendering(leaf), at).sum(), leaf)[0]
    latents = denoiser.encode_image(image[0])
    # The field, read off an image's gradient at latents that are the leaf.
    noise = at.normal("distillation/noise", 1, 1, *latents.shape[1:])[:, 0, 0]
    time = loss.times.at(at.uniform("distillation/time", 1, 1, 2)[:, 0, 0, 0], 0.0)
    level = denoiser.level(time, latents)
    x = level.mix(latents, noise).detach()
    with_words, without = (
        denoiser.noise(x, level, denoiser.encode_text([text])) for text in ("red", "")
    )
    field = level.sigma**2 * (without + 100 * (with_words - without) - noise)
    step = 1e-2
    ahead, behind = (denoiser.encode_image((image + s * step * way)[0]) for s in (1, -1))
    wanted = float((field * (ahead - behind)).sum()) / (2 * step)
    assert float((slope * way).sum()) == pytest.approx(wanted, rel=0.02)


def test_text_towers_are_freed_and_come_back_for_new_texts(folders: Callable[[str], Path]) -> None:
    denoiser = load(folders(SD))
    red = denoiser.encode_text(["red"]).tensors["embeddings"]
    denoiser.free_text_towers()
    assert denoiser._text_encoders is None
    assert torch.equal(denoiser.encode_text(["red"]).tensors["embeddings"], red)
    assert denoiser._text_encoders is None
    denoiser.encode_text(["a new text"])
    assert denoiser._text_encoders is not None
    denoiser.free_text_towers()


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_precisions(precision: str, dtype: torch.dtype, folders: Callable[[str], Path]) -> None:
    exact, rounded = load(folders(SD)), load(folders(SD), precision=precision)
    assert {p.dtype for p in rounded.network.parameters()} == {dtype}
    assert rounded.autoencoder is not None
    pictures = {p.dtype for p in rounded.autoencoder.parameters()}
    assert pictures == {torch.bfloat16 if precision == "bf16" else torch.float32}
    (_, wanted), (latents, found) = ask(exact, ["red"]), ask(rounded, ["red"])
    assert latents.dtype == found.dtype == torch.float32
    assert 0 < (found - wanted).abs().max() < 0.1 * wanted.abs().max()


def test_convolutions_have_the_layout_that_is_fastest_on_a_cpu() -> None:
    denoiser = load_denoiser("mini-diffusion")
    autoencoder = denoiser.autoencoder
    for module, layout in (
        (denoiser.network, torch.contiguous_format),
        (autoencoder, torch.channels_last),
    ):
        weights = [p for p in module.parameters() if p.ndim == 4 and p.shape[-1] > 1]
        assert all(weight.is_contiguous(memory_format=layout) for weight in weights)


def test_v_prediction_is_read_from_the_scheduler(tmp_path: Path) -> None:
    folder = tiny.save(SD, tmp_path / "v", prediction_type="v_prediction")
    denoiser = load(folder)
    assert denoiser.prediction == "v"
    latents = denoiser.encode_image(torch.rand(1, 3, 16, 16))
    level = denoiser.level(torch.tensor([0.5]), latents)
    words = denoiser.encode_text(["red"])
    output = denoiser.predict(latents, level, words)
    wanted = level.sigma * latents + level.alpha * output
    assert torch.allclose(denoiser.noise(latents, level, words), wanted)


def test_other_schedules_are_read_from_the_scheduler(tmp_path: Path) -> None:
    folder = tiny.save(SD, tmp_path / "s", beta_schedule="linear", num_train_timesteps=100)
    denoiser = load(folder)
    betas = torch.linspace(0.00085, 0.012, 100).double()
    assert torch.allclose(denoiser.alphas_cumprod, (1 - betas).cumprod(0), rtol=1e-5)


def test_the_tiny_autoencoder(folders: Callable[[str], Path], tmp_path: Path) -> None:
    stand_in = tiny.tiny_vae(tmp_path / "taesd")
    denoiser = load(folders(SD), vae=f"local-dir:{stand_in}")
    picture = torch.rand(1, 3, 16, 16, requires_grad=True)
    wanted = diffusers.AutoencoderTiny.from_pretrained(stand_in).encode(picture * 2 - 1).latents
    found = denoiser.encode_image(picture)
    assert torch.allclose(found, wanted, atol=1e-5)
    assert torch.autograd.grad(found.sum(), picture)[0].abs().sum() > 0


def test_a_models_own_autoencoder_may_be_a_tiny_one(
    copy: Callable[[str], Path], tmp_path: Path
) -> None:
    folder, stand_in = copy(SD), tiny.tiny_vae(tmp_path / "own")
    shutil.rmtree(folder / "vae")
    shutil.copytree(stand_in, folder / "vae")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(
        json.dumps(index | {"vae": ["diffusers", "AutoencoderTiny"]})
    )
    picture = torch.rand(1, 3, 16, 16)
    wanted = diffusers.AutoencoderTiny.from_pretrained(stand_in).encode(picture * 2 - 1).latents
    assert torch.allclose(load(folder).encode_image(picture), wanted, atol=1e-5)


def test_the_tiny_autoencoder_of_the_catalogue(
    folders: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(MissingWeights, match=r"guide models fetch hf-hub:madebyollin/taesd$"):
        load(folders(SD), vae="tiny")
    tiny.tiny_vae(snapshot(tmp_path / "hub", "madebyollin/taesd"))
    assert type(load(folders(SD), vae="tiny").autoencoder).__name__ == "AutoencoderTiny"


def test_weights_of_half_precision_alone(copy: Callable[[str], Path]) -> None:
    folder = copy(SD)
    for path in folder.rglob("*.safetensors"):
        half = {name: tensor.half() for name, tensor in load_file(path).items()}
        save_file(half, path.with_name(f"{path.stem}.fp16.safetensors"), {"format": "pt"})
        path.unlink()
    denoiser = load(folder)
    assert denoiser.source.variants == dict.fromkeys(("unet", "text_encoder", "vae"), "fp16")
    assert ask(denoiser, ["red"])[1].isfinite().all()


def test_from_the_hubs_cache(
    folders: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeights, match=r"\(2130 MB\).*guide models fetch sd-1.5$") as missing:
        load_denoiser("sd-1.5")
    assert str(tmp_path) in str(missing.value) and missing.value.exit_code == 3
    target = snapshot(tmp_path, "stable-diffusion-v1-5/stable-diffusion-v1-5")
    shutil.copytree(folders(SD), target, dirs_exist_ok=True)
    assert load_denoiser("sd-1.5").prediction == "epsilon"
    other = snapshot(tmp_path, "someone/else", commit="beef", revision="v2")
    shutil.copytree(folders(SD3), other, dirs_exist_ok=True)
    assert load_denoiser("hf-hub:someone/else@v2").prediction == "flow"
    with pytest.raises(MissingWeights, match="guide models fetch hf-hub:someone/else@v3"):
        load_denoiser("hf-hub:someone/else@v3")


def test_the_same_model_is_loaded_once(folders: Callable[[str], Path]) -> None:
    assert load(folders(SD)) is load(folders(SD))


def _index(folder: Path, **changes: Any) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_class_name": "OwnPipeline"}, "expected one of StableDiffusionPipeline, .* got OwnPipe"),
        (
            {"_class_name": ["pipeline", "Own"]},
            "other pipelines and custom pipelines are not supported",
        ),
        ({"unet": ["my_unet", "UNet2DConditionModel"]}, "expected unet to be UNet2DConditionModel"),
        ({"text_encoder": ["transformers", "AutoModel"]}, "expected text_encoder to be CLIPText"),
        ({"tokenizer": ["own", "CLIPTokenizer"]}, "expected tokenizer to be CLIPTokenizer or"),
        ({"text_encoder": [None, None]}, "expected at least one text encoder"),
    ],
)
def test_code_of_others_is_refused(
    changes: dict[str, Any], message: str, copy: Callable[[str], Path]
) -> None:
    folder = copy(SD)
    (folder / "pipeline.py").write_text("raise SystemExit('was executed')")
    _index(folder, **changes)
    with pytest.raises(InputError, match=message):
        load(folder)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_pickles_are_refused(part: str, copy: Callable[[str], Path]) -> None:
    folder = copy(SD)
    path = next((folder / part).glob("*.safetensors"))
    path.rename(path.with_suffix(".bin"))
    with pytest.raises(InputError, match=r"\.bin: is a pickle, which can execute arbitrary code"):
        load(folder)
    path.with_suffix(".bin").unlink()
    with pytest.raises(MissingWeights, match=f"no weights at .*{part}"):
        load(folder)
    torch.save({}, path)  # a pickle by content
    with pytest.raises(InputError, match=r"\.safetensors: is a pickle"):
        load(folder)


def test_checkpoints_of_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "v1-5-pruned.ckpt").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"v1-5-pruned.ckpt: is a pickle"):
        load(tmp_path)


def test_mistakes_are_told(folders: Callable[[str], Path], copy: Callable[[str], Path]) -> None:
    with pytest.raises(InputError, match=r"denoiser 'sd-9' is unknown; use mini-diffusion, sd"):
        load_denoiser("sd-9")
    with pytest.raises(InputError, match="denoiser 'mini' is unknown"):
        load_denoiser("mini")
    with pytest.raises(MissingWeights, match="local-dir:/none: no weights at /none"):
        load_denoiser("local-dir:/none")
    with pytest.raises(InputError, match="precision 'int8' is unknown; use auto, fp32, bf16"):
        load(folders(SD), precision="int8")
    with pytest.raises(InputError, match="vae 'small' is unknown; use full, tiny"):
        load(folders(SD), vae="small")
    with pytest.raises(InputError, match="works on pixels and has no autoencoder; remove vae"):
        load(folders(IF), vae="tiny")
    with pytest.raises(InputError, match="multiples of 2, got 16 x 15 pixels"):
        load(folders(SD)).encode_image(torch.rand(1, 3, 16, 15))
    with pytest.raises(InputError, match=r"longer than the 12 tokens that .* accepts; shorten it"):
        load(folders(SD)).encode_text(["many letters of no words"])
    folder = copy(SD)
    scheduler = folder / "scheduler" / "scheduler_config.json"
    stored = json.loads(scheduler.read_text())
    scheduler.write_text(json.dumps(stored | {"prediction_type": "sample"}))
    with pytest.raises(InputError, match="prediction_type: input should be 'epsilon' or 'v_pre"):
        load(folder)
    scheduler.write_text(json.dumps(stored | {"beta_schedule": "own"}))
    with pytest.raises(InputError, match="beta_schedule: input should be 'linear'"):
        load(folder)
    scheduler.write_text("{")
    with pytest.raises(InputError, match=r"scheduler_config.json: is not JSON"):
        load(folder)
    scheduler.write_text("[]")
    with pytest.raises(InputError, match=r"expected an object, got list"):
        load(folder)
    scheduler.unlink()
    with pytest.raises(MissingWeights, match=r"no scheduler_config.json at"):
        load(folder)


def test_weights_that_do_not_fit_are_told(copy: Callable[[str], Path]) -> None:
    folder = copy(SD)
    config = folder / "unet" / "config.json"
    stored = json.loads(config.read_text())
    config.write_text(json.dumps(stored | {"block_out_channels": [8, 24]}))
    with pytest.raises(InputError, match=r"tensor 'down_blocks.1.resnets.0.conv1.weight' has sh"):
        load(folder)


def test_what_to_install_is_told(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "diffusers", None)
    folder = Path(shutil.copytree(folders(SD), tmp_path / "other"))
    with pytest.raises(InputError, match=r"diffusers, which is not installed; run: pip install d"):
        load(folder)


def test_latents_with_statistics_of_each_channel(copy: Callable[[str], Path]) -> None:
    """As in diffusers' pipelines: `(z - mean) * scaling_factor / std`, and back."""
    folder = copy(SDXL)
    config = folder / "vae" / "config.json"
    stored = json.loads(config.read_text())
    mean, std = [0.1, -0.2, 0.3, -0.4], [0.5, 1.0, 1.5, 2.0]
    picture = torch.rand(2, 3, 16, 16)
    plain = load(folder).encode_image(picture) / stored["scaling_factor"]
    decoded = load(folder).decode_image(plain * stored["scaling_factor"])
    config.write_text(json.dumps(stored | {"latents_mean": mean, "latents_std": std}))
    other = folder.rename(folder.with_name("with statistics"))
    denoiser = load(other)
    column = torch.tensor(mean).view(4, 1, 1), torch.tensor(std).view(4, 1, 1)
    latents = denoiser.encode_image(picture)
    wanted = (plain - column[0]) * stored["scaling_factor"] / column[1]
    assert torch.allclose(latents, wanted, atol=1e-5)
    assert torch.allclose(denoiser.decode_image(latents), decoded, atol=1e-5)
    for changes, message in (
        ({"latents_std": [1.0]}, "latents_mean and latents_std with 4 numbers each"),
        ({"latents_std": None}, "latents_mean and latents_std with 4 numbers each"),
        ({"latents_std": [1.0, 1.0, 0.0, 1.0]}, "latents_std.2: input should be greater than 0"),
        ({"shift_factor": 0.5}, "latents_mean or shift_factor, got both"),
    ):
        broken = {"latents_mean": mean, "latents_std": std} | changes
        path = other / "vae" / "config.json"
        path.write_text(json.dumps(stored | broken))
        with pytest.raises(InputError, match=message):
            Pipeline.load(f"local-dir:{other}", torch.device("cpu"), "fp32", "full")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize("fault", ["missing", "nan", "shape"])
def test_damaged_weights_of_each_part_are_named(
    part: str, fault: str, copy: Callable[[str], Path]
) -> None:
    folder = copy(SD)
    path = next((folder / part).glob("*.safetensors"))
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    name = next(name for name in sorted(tensors) if tensors[name].ndim == 2)
    if fault == "missing":
        del tensors[name]
        problem = "is missing"
    elif fault == "nan":
        tensors[name][-1, -1] = torch.nan
        problem = "contains NaN or infinity"
    else:
        tensors[name] = tensors[name][:, :-1].contiguous()
        problem = "has shape"
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(InputError) as caught:
        load(folder).encode_text(["red"])
    assert problem in str(caught.value)
    assert str(folder / part) in str(caught.value)
    assert name.rpartition(".")[0].rpartition(".")[2] in str(caught.value)


def test_parts_that_do_not_belong_together(
    folders: Callable[[str], Path], copy: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copy(SD)
    shutil.rmtree(folder / "text_encoder")
    wide = tiny.clip_tower(tiny.clip_tokenizer(tmp_path / "words"))
    config = wide.config
    config.hidden_size = 32
    type(wide)(config).save_pretrained(folder / "text_encoder")
    with pytest.raises(InputError, match="vectors of 32 numbers, but its network takes 16"):
        load(folder).encode_text(["red"])
    shutil.rmtree(folder / "vae")
    tiny.vae(8).save_pretrained(folder / "vae")
    with pytest.raises(InputError, match="takes 4 channels, but expected 8"):
        Pipeline.load(f"local-dir:{folder}", torch.device("cpu"), "fp32", "full")
