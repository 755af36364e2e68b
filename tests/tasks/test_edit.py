"""The task of edits: unchanged pixels, independent samples, the direction of the change, errors."""

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
from guidance.errors import InputError
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize
from guidance.losses.distillation import Distillation
from guidance.runs.checkpoint import DATA
from guidance.tasks.edit import Edit
from guidance.types import StepContext, Terms
from tests.diffusion.stand_ins import Mixture
from tests.tasks.options import differ, flags, made, trace

#: Options of other losses, which the denoiser of an edit has no use for.
OF_OTHERS = ["at", "region_prompt", "encoder", "contrastive_weight", "templates"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """PHOTO of 24 x 24 pixels, WIDE of 40 x 16, and a MASK that is white in the middle."""
    folder = tmp_path_factory.mktemp("edit")
    random = np.random.default_rng(0)
    for name, size in (("photo", (24, 24)), ("wide", (40, 16))):
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
        coarse.resize(size, Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    mask = np.zeros((24, 24), np.uint8)
    mask[6:18, 8:20] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    return {path.stem.upper(): path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def small(files: dict[str, Path], denoisers: dict[str, str]) -> dict[str, Any]:
    return {
        "image": files["PHOTO"],
        "source": "a photo",
        "size": 24,
        "steps": 2,
        "denoiser": denoisers["one"],
    }


@pytest.mark.parametrize("loss", ["dds", "pds"])
def test_the_same_run_gives_the_same_bits(loss: str, small: dict[str, Any]) -> None:
    assert not differ(trace(Edit, **small, loss=loss), trace(Edit, **small, loss=loss))


def test_a_sample_does_not_depend_on_other_samples(small: dict[str, Any]) -> None:
    """To the bit, one by one; in batches of another size a network rounds in another way."""
    found = []
    for prompts in (["a red heart", "a pizza"], ["a red heart"]):
        plan = made(Edit, prompt=prompts, micro_batch=1, device="cpu", **small).build()
        optimize(plan.generator, plan.losses, plan.settings)
        found.append(plan.generator.change[0])
    assert torch.equal(*found)


@pytest.mark.parametrize("option", OF_OTHERS)
def test_options_of_other_losses_are_refused(option: str) -> None:
    flag = f"--{option.replace('_', '-')}"
    with pytest.raises(InputError, match=f"^{flag} belongs to --loss "):
        flags(Edit, "--prompt", "a heart", flag, "1")


def test_help_lists_the_options_of_the_denoiser_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["run", "edit", "--loss", "dds", "--help"])
    told = capsys.readouterr().out
    assert "--guidance-scale" in told
    assert not [name for name in OF_OTHERS if f"--{name.replace('_', '-')}" in told]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": None}, "edit: no image; add --image photo.jpg"),
        ({"source": None}, 'no source; say what the image shows now: --source "a red apple"'),
        (
            {"source": "a heart"},
            "--source 'a heart' is equal to the prompt, so nothing would change",
        ),
        ({"source": "a heart:1.0"}, "is equal to the prompt"),
        ({"source": "image:PHOTO"}, "denoisers do not support image prompts"),
        ({"mask": "WIDE"}, "expected the image's 24 x 24 pixels, got 40 x 16"),
        ({"mask": "BLACK"}, "mask: is black everywhere, so nothing would change"),
    ],
)
def test_mistakes_are_reported(
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
        made(Edit, prompt="a heart", **{**small, **given}).build()


def test_a_loss_without_a_denoiser_is_refused(small: dict[str, Any]) -> None:
    given = {key: value for key, value in small.items() if key != "denoiser"}
    with pytest.raises(
        InputError, match="--loss: edit needs a loss with a denoiser; use dds or pds"
    ):
        made(Edit, prompt="a heart", **given, loss="clip").build()


@pytest.mark.parametrize("loss", ["dds:2", "dds,total_variation", "dds,clip:0.1"])
def test_other_losses_may_be_added(loss: str, small: dict[str, Any]) -> None:
    assert differ(trace(Edit, **small), trace(Edit, **small, loss=loss))


def test_a_style_alone_makes_a_difference(small: dict[str, Any]) -> None:
    made(Edit, prompt="a photo", style="a sketch", **small).build()


def test_it_starts_from_the_image_and_compares_with_it(
    small: dict[str, Any], files: dict[str, Any]
) -> None:
    plan = made(Edit, prompt="a heart", device="cpu", **small).build()
    given = torch.from_numpy(np.array(Image.open(files["PHOTO"]))).permute(2, 0, 1) / 255
    assert (plan.generator().image[0, 0] - given).abs().mean() < 0.01
    (term,) = Terms.of(plan.losses)
    assert isinstance(term.loss, Distillation) and term.loss.reference is not None
    assert (term.loss.reference.mean() - given.mean()).abs() < 0.01


@pytest.mark.parametrize("size", [24, "image"])
def test_pixels_outside_the_mask_do_not_change(
    size: int | str, small: dict[str, Any], files: dict[str, Any], tmp_path: Path
) -> None:
    """At a given size, and at the size of the image, which the run itself does not have."""
    task = made(
        Edit,
        prompt="a heart",
        mask=files["MASK"],
        **{**small, "size": size},
        loss="dds,total_variation",
        judge=False,
        device="cpu",
        output=tmp_path,
    )
    result = task.run()
    (sample,) = result.samples
    models = json.loads((result.folder / "environment.json").read_text())["models"]
    weights = models[small["denoiser"]]
    assert {Path(file).parent.name for file in weights} >= {"unet", "vae", "text_encoder"}
    given = np.asarray(Image.open(files["PHOTO"]))
    outside = np.asarray(Image.open(files["MASK"])) == 0
    found = np.asarray(Image.open(sample.folder / "image.png"))
    assert found.shape == given.shape
    assert (found[outside] == given[outside]).all()
    assert (found[~outside] != given[~outside]).any()


@pytest.mark.parametrize("loss", ["dds", "pds"])
def test_all_of_an_oblong_image_is_changed(
    loss: str, small: dict[str, Any], files: dict[str, Any]
) -> None:
    """42 x 17 pixels, which the autoencoder does not divide, as 24 x 12."""
    given = {**small, "image": files["WIDE"], "size": 42, "loss": loss}
    plan = made(Edit, prompt="a heart", device="cpu", **given).build()
    generator = plan.generator
    assert generator.before().shape == (1, 1, 3, 12, 24)
    (term,) = Terms.of(plan.losses)
    shown = generator()
    term.loss.prepare(shown.detach())
    leaf = shown.leaf()
    (gradient,) = torch.autograd.grad(
        term.loss(leaf, StepContext((0,), 1, 0.5)).sum(), leaf.leaves()
    )
    assert gradient.shape == (1, 1, 4, 6, 12)
    assert (gradient.abs().sum(2) > 0).all()
    with torch.no_grad():
        generator.change.sub_(100 * gradient[:, 0])
    moved = (generator().image - shown.image).abs()
    assert moved.shape == (1, 1, 3, 17, 42) and (moved.amax((0, 1, 2)) > 0).all()


def test_the_image_moves_from_the_source_to_the_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a denoiser of Gaussians, an image near one mean moves to the other.

    At guidance scale 1, DDS converges where the difference from the mean of the prompt equals the
    difference of the image from the mean of the source. PDS also pulls back to the image.
    """
    monkeypatch.setattr(
        "guidance.diffusion.options.load_denoiser", lambda *_, **__: Mixture(linear=True)
    )
    cat, dog = (Mixture.mean(text).float() for text in ("a cat", "a dog"))
    levels = ((cat / 2 + 0.5).clamp(0, 1) * 255).round().byte()
    given = Image.fromarray(levels.permute(1, 2, 0).numpy())
    given.resize((16, 16), Image.Resampling.NEAREST).save(tmp_path / "cat.png")
    ends = {}
    for loss in ("dds", "pds"):
        task = made(
            Edit,
            prompt="a dog",
            source="a cat",
            image=tmp_path / "cat.png",
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
def test_a_killed_run_resumes_to_the_same_bits_and_is_rerun_from_its_image(
    small: dict[str, Any], tmp_path: Path
) -> None:
    """The written configuration contains all options."""

    class Killed(BaseException):
        pass

    def kill(event: Event) -> None:
        if isinstance(event, StepEvent) and event.step == 6:
            raise Killed

    # Random weights lead nowhere; at this rate some state is better than the start.
    given = {**small, "steps": 8, "learning_rate": 100.0, "device": "cpu"}
    whole = made(Edit, prompt="a heart", **given, output=tmp_path / "whole").run()
    killed = made(Edit, prompt="a heart", **given, output=tmp_path / "killed")
    with pytest.raises(Killed):
        killed.run([kill])
    (folder,) = (tmp_path / "killed" / "edit").iterdir()
    image = whole.folder / "image.png"
    for words in (
        ["run", "--resume", str(folder)],
        ["rerun", str(image), "--device", "cpu", "--output", str(tmp_path / "again")],
        ["eval", str(whole.folder)],
    ):
        with pytest.raises(SystemExit) as end:
            cli.main(words)
        assert not end.value.code
    (again,) = (tmp_path / "again" / "edit").iterdir()
    assert (folder / DATA).read_bytes() == (whole.folder / DATA).read_bytes()
    for other in (folder, again):
        assert pixels(other / "image.png") == pixels(image)
    assert (whole.folder / "progress.mp4").is_file()
    (sample,) = json.loads((whole.folder / "DONE.json").read_text())["samples"]
    assert sample["judge_before"] != sample["judge_after"]


def pixels(path: Path) -> bytes:
    return Image.open(path).tobytes()
