"""Prompts as the rows that each kind of diffusion model reads, by diffusers' own text towers."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from guidance.diffusion.base import Condition
from guidance.diffusion.files.source import Source, tokenizer_of
from guidance.diffusion.parts.quiet import quiet
from guidance.errors import InputError

#: The longest texts that T5 is given, in tokens. Source: diffusers' pipelines' own defaults.
T5_TOKENS = {"StableDiffusion3Pipeline": 256, "FluxPipeline": 512, "IFPipeline": 77}
#: Of a pipeline, what reading texts does not need.
PARTS = (
    "unet",
    "transformer",
    "vae",
    "scheduler",
    "safety_checker",
    "feature_extractor",
    "image_encoder",
    "watermarker",
)


class TextTowers:
    """Tokenizers and text towers of one model, loaded to encode prompts and dropped after.

    Args:
        source: the model's files.
        network: the model's network, which tells how wide words are where a tower is absent.
        device, dtype: where, and in which precision, the towers run.
    """

    def __init__(
        self, source: Source, network: nn.Module, device: torch.device, dtype: torch.dtype
    ) -> None:
        import diffusers

        self.source = source
        kind = getattr(diffusers, source.kind)
        read = {name for tower in source.towers for name in (tower, tokenizer_of(tower))}
        parts = set(inspect.signature(kind.__init__).parameters) - {"self"}
        parts = {part for part in parts if part in PARTS or part.startswith(("text_", "token"))}
        halves = {source.variants[tower] for tower in source.towers}
        with quiet():
            self._pipe: Any = kind.from_pretrained(
                source.folder,
                **dict.fromkeys(parts - read),  # they stay on the disk
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                variant="fp16" if "fp16" in halves else None,
            )
        for tower in source.towers:
            getattr(self._pipe, tower).to(device).eval().requires_grad_(False)
        setattr(self._pipe, source.network, network)
        self.device = device

    @torch.no_grad()
    def encode(self, text: str) -> Condition:
        """One row of what the network reads, in float32.

        Raises:
            InputError: a text longer than the model reads.
        """
        self._check_length(text)
        answer = self._ask(text)
        if text == "" and getattr(self._pipe.config, "force_zeros_for_empty_prompt", False):
            answer = {name: torch.zeros_like(tensor) for name, tensor in answer.items()}
        return Condition({name: tensor.float() for name, tensor in answer.items()})

    def _ask(self, text: str) -> dict[str, Tensor]:
        kind, pipe = self.source.kind, self._pipe
        options: dict[str, Any] = {"device": self.device, "num_images_per_prompt": 1}
        if kind == "FluxPipeline":
            words, pooled, _ = pipe.encode_prompt([text], None, **options)
            return {"words": words, "pooled": pooled}
        options["do_classifier_free_guidance"] = False
        if kind == "StableDiffusionXLPipeline":
            words, _, pooled, _ = pipe.encode_prompt([text], **options)
            return {"words": words, "pooled": pooled}
        if kind == "StableDiffusion3Pipeline":
            words, _, pooled, _ = pipe.encode_prompt([text], None, None, **options)
            return {"words": words, "pooled": pooled}
        return {"words": pipe.encode_prompt([text], **options)[0]}

    def _check_length(self, text: str) -> None:
        """The tower that reads furthest decides; the pipelines would cut off without an error."""
        tokenizer = getattr(self._pipe, tokenizer_of(self.source.towers[-1]))
        reads_t5 = type(getattr(self._pipe, self.source.towers[-1])).__name__.startswith("T5")
        limit = T5_TOKENS[self.source.kind] if reads_t5 else tokenizer.model_max_length
        if len(tokenizer(text, truncation=False, verbose=False).input_ids) > limit:
            raise InputError(
                f"prompt {text[:40]!r}...: is longer than the {limit} tokens that "
                f"{self.source.name} reads; shorten it"
            )
