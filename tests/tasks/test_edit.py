"""The task of edits: all options change something, masks are kept to the bit, mistakes are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("diffusers", reason="the extra [diffusion] is not installed")

from guidance import cli
from guidance.diffusion.files.source import TINY
from guidance.errors import InputError
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize
from guidance.losses.distillation import Distillation
from guidance.runs.checkpoint import DATA
from guidance.tasks.edit import Edit
from guidance.tasks.shared.running import run_task
from guidance.types import StepContext, Terms
from tests.diffusion import tiny
from tests.diffusion.stand_ins import Mixture
from tests.encoders.tiny import snapshot
from tests.tasks.options import OF_THE_RUN, differ, trace

OPTIONS: dict[str, Any] = {
    "prompt": "a blue heart",
    "negative": ["a face"],
    "style": "a sketch",
    "seed": 7,
    "steps": 3,
    "learning_rate": 0.1,
    "optimizer": "adam",
    "normalize": True,
    "image": "OTHER",
    "source": "a drawing",
    "mask": "MASK",
    "size": 40,
    "loss": "pds",
    "denoiser": "V",
    "guidance_scale": 2.0,
    "vae": "tiny",
    "total_variation": 2.0,
}
#: Options that have no use here, each with a value that other tasks have anyway or may be given.
REFUSED: dict[str, Any] = {
    "at": ["50% a blue heart"],
    "region": ['a.png="a sky"'],
    "image_prompt": [Path("a.png")],
    "encoder": ["mini"],
    "contrastive_weight": 0.1,
    "templates": "default",
}


@pytest.fixture(scope="module", autouse=True)
def files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Photos, a mask that is white in the middle, two denoisers and a small autoencoder."""
    folder = tmp_path_factory.mktemp("edit")
    random = np.random.default_rng(0)
    for name, size in (("photo", (24, 24)), ("other", (24, 24)), ("wide", (40, 16))):
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
        coarse.resize(size, Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    mask = np.zeros((24, 24), np.uint8)
    mask[6:18, 8:20] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    found: dict[str, Any] = {path.stem.upper(): path for path in folder.iterdir()}
    kind = "StableDiffusionPipeline"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "LENGTH", 96)
        tiny.save(kind, folder / "epsilon")
        tiny.save(kind, folder / "v", prediction_type="v_prediction")
    for name in ("epsilon", "v"):
        found[name.upper()] = f"local-dir:{folder / name}"
    return found


@pytest.fixture(scope="module")
def small(files: dict[str, Any]) -> dict[str, Any]:
    return {
        "image": files["PHOTO"],
        "source": "a photo",
        "size": 24,
        "steps": 2,
        "denoiser": files["EPSILON"],
    }


@pytest.fixture(scope="module")
def plain(small: dict[str, Any]) -> list[Any]:
    return trace(Edit, **small)


@pytest.mark.parametrize("option", [name for name in OPTIONS if name != "vae"])
def test_every_option_changes_the_result(
    option: str, plain: list[Any], small: dict[str, Any], files: dict[str, Any]
) -> None:
    value = OPTIONS[option]
    value = files.get(value, value) if isinstance(value, str) else value
    assert differ(plain, trace(Edit, **{**small, option: value}))


def test_the_tiny_autoencoder_is_used(
    plain: list[Any], small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = snapshot(tmp_path / "hub", TINY["StableDiffusionPipeline"].removeprefix("hf-hub:"))
    tiny.tiny_vae(cache)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert not differ(plain, trace(Edit, **small, vae="full"))
    assert differ(plain, trace(Edit, **small, vae=OPTIONS["vae"]))


def test_every_field_is_walked() -> None:
    assert set(Edit.model_fields) == set(OPTIONS) | set(REFUSED) | OF_THE_RUN


@pytest.mark.parametrize("loss", ["dds", "pds"])
def test_the_same_again_is_the_same_to_the_bit(loss: str, small: dict[str, Any]) -> None:
    assert not differ(trace(Edit, **small, loss=loss), trace(Edit, **small, loss=loss))


def test_a_sample_does_not_depend_on_its_neighbours(small: dict[str, Any]) -> None:
    """To the bit, one by one; in batches of another size a network rounds in another way."""
    found = []
    for prompts in (["a red heart", "a pizza"], ["a red heart"]):
        plan = Edit(prompt=prompts, micro_batch=1, device="cpu", **small).build()
        optimize(plan.generator, plan.losses, plan.settings)
        found.append(plan.generator.change[0])
    assert torch.equal(*found)


@pytest.mark.parametrize("option", REFUSED)
def test_options_without_a_use_are_refused(option: str, small: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"^{option}: .*; leave it out$"):
        Edit(prompt="a heart", **small, **{option: REFUSED[option]}).build()


def test_help_is_without_what_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(Edit.HAS_NO) == set(REFUSED)
    with pytest.raises(SystemExit):
        cli.main(["run", "edit", "--help"])
    told = capsys.readouterr().out
    assert "--guidance-scale" in told
    assert not [name for name in REFUSED if f"--{name.replace('_', '-')}" in told]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": None}, "edit: no image; give one: --image photo.jpg"),
        ({"source": None}, 'no source; say what the image shows now: --source "a red apple"'),
        ({"source": "a heart"}, "source 'a heart': is the prompt, too, so nothing would change"),
        ({"source": "a heart:1.0"}, "is the prompt, too"),
        ({"source": "image:PHOTO"}, "denoisers read words and no images"),
        ({"mask": "WIDE"}, "expected the image's 24 x 24 pixels, got 40 x 16"),
        ({"mask": "BLACK"}, "mask: is black everywhere, so nothing would change"),
    ],
)
def test_mistakes_are_told(
    changes: dict[str, Any],
    message: str,
    small: dict[str, Any],
    files: dict[str, Any],
    tmp_path: Path,
) -> None:
    Image.new("L", (24, 24)).save(tmp_path / "black.png")
    known = files | {"BLACK": tmp_path / "black.png", "image:PHOTO": f"image:{files['PHOTO']}"}
    given = {key: known.get(str(value), value) for key, value in changes.items()}
    with pytest.raises(InputError, match=message):
        Edit(prompt="a heart", **{**small, **given}).build()


@pytest.mark.parametrize("loss", ["sds", "clip", "dds:2"])
def test_other_losses_are_refused(loss: str) -> None:
    with pytest.raises(ValueError, match="'dds' or 'pds'"):
        Edit(prompt="a heart", loss=loss)  # type: ignore[arg-type]


def test_a_style_alone_makes_a_difference(small: dict[str, Any]) -> None:
    Edit(prompt="a photo", style="a sketch", **small).build()


def test_it_starts_as_the_picture_and_compares_with_it(
    small: dict[str, Any], files: dict[str, Any]
) -> None:
    plan = Edit(prompt="a heart", device="cpu", **small).build()
    given = torch.from_numpy(np.array(Image.open(files["PHOTO"]))).permute(2, 0, 1) / 255
    assert (plan.generator().image[0, 0] - given).abs().mean() < 0.01
    (term,) = Terms.of(plan.losses)
    assert isinstance(term.loss, Distillation) and term.loss.given is not None
    assert (term.loss.given.mean() - given.mean()).abs() < 0.01


@pytest.mark.parametrize("size", [24, None])
def test_outside_the_mask_not_a_bit_changes(
    size: int | None, small: dict[str, Any], files: dict[str, Any], tmp_path: Path
) -> None:
    """In the size that is asked for, and in the image's own, whatever the run looks at."""
    task = Edit(
        prompt="a heart",
        mask=files["MASK"],
        **{**small, "size": size},
        total_variation=1.0,
        judge=False,
        device="cpu",
        output=tmp_path,
    )
    result = task.run()
    (sample,) = result.samples
    weights = json.loads((result.folder / "environment.json").read_text())["models"][task.denoiser]
    assert {Path(file).parent.name for file in weights} >= {"unet", "vae", "text_encoder"}
    given = np.asarray(Image.open(files["PHOTO"]))
    outside = np.asarray(Image.open(files["MASK"])) == 0
    made = np.asarray(Image.open(sample.folder / "image.png"))
    assert made.shape == given.shape
    assert (made[outside] == given[outside]).all()
    assert (made[~outside] != given[~outside]).any()


@pytest.mark.parametrize("loss", ["dds", "pds"])
def test_all_of_an_oblong_picture_is_changed(
    loss: str, small: dict[str, Any], files: dict[str, Any]
) -> None:
    """42 x 17 pixels, which the autoencoder does not divide, as 24 x 12."""
    given = {**small, "image": files["WIDE"], "size": 42, "loss": loss}
    plan = Edit(prompt="a heart", device="cpu", **given).build()
    made = plan.generator
    assert made.before().shape == (1, 1, 3, 12, 24)
    (term,) = Terms.of(plan.losses)
    shown = made()
    term.loss.prepare(shown.detach())
    leaf = shown.leaf()
    (gradient,) = torch.autograd.grad(term.loss(leaf, StepContext((0,), 1, 0.5)).sum(), leaf.leaves())
    assert gradient.shape == (1, 1, 4, 6, 12)
    assert (gradient.abs().sum(2) > 0).all()
    with torch.no_grad():
        made.change.sub_(100 * gradient[:, 0])
    moved = (made().image - shown.image).abs()
    assert moved.shape == (1, 1, 3, 17, 42) and (moved.amax((0, 1, 2)) > 0).all()


def test_the_picture_moves_from_the_source_to_the_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a denoiser of Gaussians, an image near one mean comes to be near the other.

    With the scale 1, DDS rests where the image is off the prompt's mean as it was off that of
    the source; PDS is drawn back.
    """
    monkeypatch.setattr("guidance.diffusion.load_denoiser", lambda *_, **__: Mixture(linear=True))
    cat, dog = (Mixture.mean(text).float() for text in ("a cat", "a dog"))
    levels = ((cat / 2 + 0.5).clamp(0, 1) * 255).round().byte()
    given = Image.fromarray(levels.permute(1, 2, 0).numpy())
    given.resize((16, 16), Image.Resampling.NEAREST).save(tmp_path / "cat.png")
    ends = {}
    for loss in ("dds", "pds"):
        task = Edit(
            prompt="a dog",
            source="a cat",
            picture=tmp_path / "cat.png",
            size=16,
            loss=loss,
            guidance_scale=1.0,
            steps=60,
            learning_rate=3.0,
            device="cpu",
        )
        plan = task.build()
        shown = optimize(plan.generator, plan.losses, plan.settings).images[0]
        ends[loss] = Mixture(linear=True).encode_image(shown)[0]
    assert (ends["dds"] - dog).abs().mean() < 0.2 * (cat - dog).abs().mean()
    assert (ends["pds"] - cat).abs().mean() < 0.9 * (ends["dds"] - cat).abs().mean()
    assert (ends["pds"] - dog).abs().mean() < 0.9 * (cat - dog).abs().mean()


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bits_and_is_rerun_from_its_picture(
    small: dict[str, Any], tmp_path: Path
) -> None:
    """The written configuration holds all options, also those that are refused if given."""

    class Killed(BaseException):
        pass

    def kill(event: Event) -> None:
        if isinstance(event, StepEvent) and event.step == 6:
            raise Killed

    # Random weights lead nowhere; at this rate some state is better than the start.
    given = {**small, "steps": 8, "learning_rate": 100.0, "device": "cpu"}
    whole = Edit(prompt="a heart", **given, output=tmp_path / "whole").run()
    with pytest.raises(Killed):
        run_task(Edit(prompt="a heart", **given, output=tmp_path / "killed"), listeners=[kill])
    (folder,) = (tmp_path / "killed" / "edit").iterdir()
    picture = whole.folder / "image.png"
    for words in (
        ["run", "--resume", str(folder)],
        ["rerun", str(picture), "--device", "cpu", "--output", str(tmp_path / "again")],
        ["eval", str(whole.folder)],
    ):
        with pytest.raises(SystemExit) as end:
            cli.main(words)
        assert not end.value.code
    (again,) = (tmp_path / "again" / "edit").iterdir()
    assert (folder / DATA).read_bytes() == (whole.folder / DATA).read_bytes()
    for other in (folder, again):
        assert pixels(other / "image.png") == pixels(picture)
    assert (whole.folder / "progress.mp4").is_file()
    (sample,) = json.loads((whole.folder / "DONE.json").read_text())["samples"]
    assert sample["judge_before"] != sample["judge_after"]


def pixels(path: Path) -> bytes:
    return Image.open(path).tobytes()
