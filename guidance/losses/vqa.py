"""VQAScore: what a vision-language model answers when it is asked whether an image shows a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from guidance.encoders.vlm.model import Answers, load_vlm, question_about
from guidance.errors import InputError
from guidance.losses.images.batches import over_white
from guidance.losses.text.arguments import PromptArgument, as_prompts, broadcast_prompts
from guidance.options import Options as BaseOptions
from guidance.outputs import Images
from guidance.types import Loss, StepContext


class Vqa(Loss):
    """Negative log-probability that a vision-language model answers "Yes".

        sum over phrases of  w * -log P("Yes" | image, 'Does this figure show "{text}"? ...')

    averaged over views, for whole images over white. A phrase with a negative weight is to be
    answered "No". Differentiable in image and alpha; the model is frozen. A call takes 10 to 30
    TFLOP with the models of the hub, so only every k-th step has a gradient of this loss; its value
    in the others is 0. In validation it is always computed.

    Source: Lin et al., "Evaluating Text-to-Visual Generation with Image-to-Text Generation" (2024,
    arXiv 2404.01291), section 3. Deviation: phrases are asked separately.

    Args:
        prompt: one prompt for all samples, or one per sample; see `guidance.prompts`.
        vlm: a name that `load_vlm` takes, or a `VisionLanguageModel`, or another class with its
            method.
        every: a gradient in every k-th step, beginning with the first.

    Raises:
        InputError: no model, an unknown one, or one whose processor passes no gradient.
        MissingWeights: the weights are not on this machine.
    """

    class Options(BaseOptions):
        """Options of "vqa"."""

        vlm: str = ""
        """The vision-language model: hf-hub:org/repository or local-dir:PATH, a LLaVA, Qwen2-VL,
        Idefics3, SmolVLM or InternVL in the format of transformers."""
        every: int = Field(default=10, ge=1)
        """A gradient of --loss vqa in every k-th step."""

    @classmethod
    def from_options(cls, options: Any, context: Any) -> Vqa:
        return cls(context.prompts, options.vlm, options.every)

    name = "vqa"

    def __init__(self, prompt: PromptArgument, vlm: str | Answers, every: int = 10) -> None:
        super().__init__()
        if not vlm:
            raise InputError(
                "--loss vqa: no model; add --vlm hf-hub:HuggingFaceTB/SmolVLM-256M-Instruct, or "
                "another vision-language model"
            )
        if every < 1:
            raise InputError(f"Vqa.every: expected at least 1, got {every}")
        self.prompts, self.vlm, self.every = as_prompts(prompt), vlm, every
        self._loaded: Answers | None = None

    def prepare(self, start: Images) -> None:
        """Loads the model, and checks the number of prompts."""
        broadcast_prompts(self.prompts, len(start.image))
        vlm = self.vlm
        self._loaded = load_vlm(vlm, str(start.image.device)) if isinstance(vlm, str) else vlm

    def parts(
        self, rendering: Images, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """One image and phrase at a time."""
        n, v = rendering.image.shape[:2]
        if context.phase != "validation" and context.step % self.every:
            yield rendering.image.new_zeros(n)
            return
        if self._loaded is None:
            self.prepare(rendering)
        assert self._loaded is not None
        rendering = rendering.whole()
        v = rendering.image.shape[1]
        prompts = broadcast_prompts(self.prompts, n)
        for index in range(n * v):
            for phrase in prompts[index // v].phrases:
                if phrase.image is not None:
                    raise InputError("--loss vqa: asks about texts; remove the image prompt")
                weight = phrase.weight(context.progress)
                if not weight:
                    continue
                image = over_white(rendering, slice(index, index + 1))[0]
                answer = "Yes" if weight > 0 else "No"
                asked = question_about(phrase.text)
                found = self._loaded.log_probability(image, asked, answer)
                value = rendering.image.new_zeros(n)
                yield value.index_add(
                    0,
                    torch.tensor([index // v], device=value.device),
                    (-abs(weight) / v * found).to(value)[None],
                )
