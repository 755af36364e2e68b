"""A frozen vision-language model that says how probable an answer about an image is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.models.foreign.hub_models import folders, load_model, load_processor, model_type
from guidance.models.foreign.libraries import library_errors
from guidance.models.torchvision import import_torchvision

#: What surrounds a question, by `model_type`. The templates in a model's folder are programs, so
#: they are not used. {image} is the place of the image, {question} that of the question.
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
CHATS = {
    "llava": "USER: {image}\n{question} ASSISTANT:",
    "qwen2_vl": SYSTEM + "<|im_start|>user\n<|vision_start|>{image}<|vision_end|>{question}"
    "<|im_end|>\n<|im_start|>assistant\n",
    "idefics3": "<|im_start|>User:{image}{question}<end_of_utterance>\nAssistant:",
    "internvl": "<|im_start|>user\n{image}\n{question}<|im_end|>\n<|im_start|>assistant\n",
}
CHATS |= {"qwen2_5_vl": CHATS["qwen2_vl"], "smolvlm": CHATS["idefics3"]}


@runtime_checkable
class Answers(Protocol):
    """What the loss and a judge need of a model."""

    def log_probability(
        self, image: Float[Tensor, "3 h w"], question: str, answer: str = "Yes"
    ) -> Float[Tensor, ""]:
        """See `VisionLanguageModel.log_probability`."""
        ...


class VisionLanguageModel:
    """Log-probabilities of answers to questions about images; differentiable in the images.

    The pixels that the model gets are exactly those that its own processor computes of the image in
    8 bits, which resizes and rounds. The gradient is that of the same processor on the image in
    floating point, which does not round.

    Args:
        name: for messages.
        kind: the `model_type`, a key of `CHATS`.
        processor: of transformers.
        model: of transformers; frozen.
    """

    def __init__(self, name: str, kind: str, processor: Any, model: Any) -> None:
        self.name, self.kind, self.processor, self.model = name, kind, processor, model
        self.device = next(model.parameters()).device
        self.family = kind

    def inputs(self, image: Float[Tensor, "3 h w"], question: str) -> dict[str, Tensor]:
        """What the model gets for a question about an image in [0, 1], as its processor gives it.

        Raises:
            InputError: the processor cannot read the image, or its result has no gradient.
        """
        text = CHATS[self.kind].format(image=self._image_token, question=question)
        with library_errors(Path(self.name), "cannot process the image"):
            levels = (image.detach().clamp(0, 1) * 255).round().to(torch.uint8)
            exact = dict(self.processor(text=[text], images=[levels], return_tensors="pt"))
            soft = self.processor(
                text=[text], images=[image], do_rescale=False, return_tensors="pt"
            )
        found = {key: each.to(self.device) for key, each in exact.items()}
        if image.requires_grad:
            pixels = soft["pixel_values"].to(self.device)
            if not pixels.requires_grad or pixels.shape != found["pixel_values"].shape:
                raise InputError(
                    f"{self.name}: its image processor passes no gradient; use it to judge, not as "
                    "a loss"
                )
            found["pixel_values"] = found["pixel_values"] + (pixels - pixels.detach())
        return found

    def log_probability(
        self, image: Float[Tensor, "3 h w"], question: str, answer: str = "Yes"
    ) -> Float[Tensor, ""]:
        """The log-probability that the model answers a question about an image with this word.

        Args:
            image: sRGB in [0, 1], of any size; the result is differentiable in it.
            question: e.g. 'Does this figure show "a red apple"? Please answer yes or no.'
            answer: its tokens follow the question; the log-probabilities of several are added.
        """
        inputs = self.inputs(image, question)
        tokens = self.processor.tokenizer(answer, add_special_tokens=False, return_tensors="pt")
        own: Tensor = tokens["input_ids"].to(self.device)
        if own.shape[1] == 0:
            raise InputError(f"{self.name}: its tokenizer has no tokens for the answer {answer!r}")
        start = inputs["input_ids"].shape[1]
        longer = {key: _continued(key, each, own) for key, each in inputs.items()}
        with library_errors(Path(self.name), "cannot answer"):
            logits: Tensor = self.model(**longer).logits
        scores = F.log_softmax(logits[0, start - 1 : -1].float(), dim=-1)
        return scores.gather(1, own[0, :, None]).sum()

    @property
    def _image_token(self) -> str:
        token = self.processor.image_token
        return str(getattr(token, "content", token))


def _continued(key: str, values: Tensor, answer: Tensor) -> Tensor:
    """Inputs of the texts, with the tokens of an answer after them."""
    if key == "input_ids":
        return torch.cat([values, answer], 1)
    if key == "attention_mask":
        return torch.cat([values, torch.ones_like(answer)], 1)
    if key in ("mm_token_type_ids", "token_type_ids"):
        return torch.cat([values, torch.zeros_like(answer)], 1)
    return values


@cache
def load_vlm(name: str, device: str = "cpu") -> VisionLanguageModel:
    """A frozen vision-language model, from weights on this machine; never downloads.

    Args:
        name: "hf-hub:org/repository" or "local-dir:PATH", a folder of LLaVA, Qwen2-VL, Qwen2.5-VL,
            Idefics3, SmolVLM or InternVL in the format of transformers.

    Raises:
        InputError: an unknown name, or a model that cannot be read or trusted.
        MissingWeights: the weights are not on this machine.
    """
    [(_, folder)] = list(folders(name))
    kind = model_type(folder, CHATS)
    import_torchvision()
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = load_processor(AutoProcessor, folder)
    return VisionLanguageModel(
        name, kind, processor, load_model(AutoModelForImageTextToText, folder, device)
    )


@torch.no_grad()
def vqa_score(vlm: Answers, image: Float[Tensor, "3 h w"], questions: Sequence[str] | str) -> float:
    """VQAScore of an image: the probability of "Yes", or its geometric mean over atom questions.

    This is what a judge calls; see `question_about` for the question of a prompt.

    Source: Lin et al., arXiv 2404.01291; for atoms, their geometric mean as in GenEval 2 (arXiv
    2512.16853).
    """
    asked = [questions] if isinstance(questions, str) else list(questions)
    logs = [float(vlm.log_probability(image, question)) for question in asked]
    return float(torch.tensor(logs).mean().exp())


def question_about(text: str) -> str:
    """The question of VQAScore about a text."""
    return f'Does this figure show "{text}"? Please answer yes or no.'
