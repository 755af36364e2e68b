"""Vision-language models: their inputs against transformers' own processor, and gradients."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from guidance.encoders.vlm.model import VisionLanguageModel, load_vlm, question_about, vqa_score
from guidance.errors import InputError, MissingWeights
from guidance.losses.vqa import Vqa
from guidance.outputs import Rendering
from guidance.tasks.text2image import TextToImage
from guidance.types import StepContext
from tests.encoders import tiny_vlm
from tests.tasks.options import flags

KINDS = ("llava", "qwen2_vl", "smolvlm")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, VisionLanguageModel]:
    root = tmp_path_factory.mktemp("vlm")
    return {kind: load_vlm(f"local-dir:{getattr(tiny_vlm, kind)(root / kind)}") for kind in KINDS}


def picture(seed: int = 0) -> Tensor:
    """Levels of 8 bits, as those of a file."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, 45, 70), generator=generator) / 255


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_those_of_the_processor_to_the_bit(
    models: dict[str, VisionLanguageModel], kind: str
) -> None:
    from transformers import AutoProcessor

    model, image = models[kind], picture()
    folder = model.name.removeprefix("local-dir:")
    token = {"qwen2_vl": "<|image_pad|>"}.get(kind, "<image>")
    question = question_about("a red apple")
    chats = {
        "llava": f"USER: {token}\n{question} ASSISTANT:",
        "qwen2_vl": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        f"<|vision_start|>{token}<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n",
        "smolvlm": f"<|im_start|>User:{token}{question}<end_of_utterance>\nAssistant:",
    }
    levels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    want = AutoProcessor.from_pretrained(folder)(
        text=[chats[kind]], images=[levels], return_tensors="pt"
    )
    for asked in (image, image.clone().requires_grad_()):
        found = model.inputs(asked, question)
        assert found.keys() == want.keys()
        assert all(torch.equal(found[key], want[key]) for key in want)
    # Without rounding to 8 bits, a resized pixel differs by at most half a level, and what bicubic
    # filters leave of the clamping.
    soft = model.processor(
        text=[chats[kind]], images=[image], do_rescale=False, return_tensors="pt"
    )["pixel_values"]
    off = (soft - want["pixel_values"]).abs()
    assert 0 < off.mean() < 0.6 / 255 / 0.26 and off.median() < 0.5 / 255 / 0.26


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_the_model(models: dict[str, VisionLanguageModel], kind: str) -> None:
    model, image = models[kind], picture()
    question = question_about("a red apple")
    found = model.log_probability(image, question)
    inputs = model.inputs(image, question)
    with torch.no_grad():
        logits = model.model(**inputs).logits[0, -1]
    want = logits.log_softmax(-1)[tiny_vlm.TOKENS.index("Yes")]
    torch.testing.assert_close(found, want, rtol=1e-4, atol=1e-4)
    assert found != model.log_probability(image, question_about("a blue apple"))
    both = [question, question_about("a blue apple")]
    one, other = (vqa_score(model, image, each) for each in both)
    assert vqa_score(model, image, both) == pytest.approx((one * other) ** 0.5, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_match_finite_differences_of_the_path_without_rounding(
    models: dict[str, VisionLanguageModel], kind: str
) -> None:
    """Along the gradient, of the processor on images in floating point."""
    model = models[kind]
    question = question_about("a red apple")
    # A smooth image far from 0 and 1, where the filters of the processor clamp nothing.
    image = torch.nn.functional.interpolate(picture()[None, :, :4, :4], (45, 70), mode="bilinear")[
        0
    ]
    image = (0.3 + 0.4 * image).requires_grad_()
    (gradient,) = torch.autograd.grad(model.log_probability(image, question), image)
    assert gradient.abs().max() > 0
    inputs = model.inputs(image, question)
    answer = tiny_vlm.TOKENS.index("Yes")

    def score(images: Tensor) -> float:
        soft = model.processor.image_processor(
            images=[images], do_rescale=False, return_tensors="pt"
        )["pixel_values"]
        with torch.no_grad():
            logits = model.model(**inputs | {"pixel_values": soft}).logits[0, -1]
        return float(logits.double().log_softmax(-1)[answer])

    direction = gradient / gradient.norm()
    step = 0.3
    slope = (score(image + step * direction) - score(image - step * direction)) / (2 * step)
    assert slope == pytest.approx(float(gradient.norm()), rel=0.15)


def test_the_loss(models: dict[str, VisionLanguageModel]) -> None:
    model = models["llava"]
    images = torch.stack([picture(0), picture(1)])[:, None].requires_grad_()
    loss = Vqa(["a red apple", "a blue apple:2 | a red apple:-1"], model, every=3)
    loss.prepare(Rendering(images.detach()))
    found = loss(Rendering(images), StepContext((0, 1), step=3))
    ask = model.log_probability
    blue = ask(images[1, 0].detach(), question_about("a blue apple"))
    red = ask(images[1, 0].detach(), question_about("a red apple"), "No")
    want = [-ask(images[0, 0].detach(), question_about("a red apple")), -2 * blue - red]
    torch.testing.assert_close(found.detach(), torch.stack(want), rtol=1e-4, atol=1e-4)
    (gradient,) = torch.autograd.grad(found[0], images)
    assert gradient[0].abs().max() > 0 and gradient[1].abs().max() == 0
    assert not loss(Rendering(images), StepContext((0, 1), step=4)).any()
    again = loss(Rendering(images.detach()), StepContext((0, 1), step=4, phase="validation"))
    torch.testing.assert_close(again, found.detach(), rtol=1e-4, atol=1e-4)


def test_the_loss_of_a_task(models: dict[str, VisionLanguageModel]) -> None:
    vlm = models["llava"].name
    words = ["--prompt", "a red apple", "--loss", "clip,vqa:0.5", "--vlm", vlm, "--every", "2"]
    terms = flags(TextToImage, *words)._losses()
    [(loss, weight)] = [(term.loss, term.weight) for term in terms if isinstance(term.loss, Vqa)]
    assert loss.vlm == vlm and loss.every == 2 and weight(0.0) == 0.5
    assert [prompt.text for prompt in loss.prompts] == ["a red apple"]


def test_models_that_are_refused(models: dict[str, VisionLanguageModel], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--loss vqa: no model; add --vlm hf-hub:"):
        Vqa("an apple", "")
    with pytest.raises(MissingWeights, match="guide models fetch hf-hub:someone/vlm"):
        load_vlm("hf-hub:someone/vlm")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(InputError, match=r"expected model_type idefics3 or .*llava.*, got 'gpt2'"):
        load_vlm(f"local-dir:{tmp_path}")
