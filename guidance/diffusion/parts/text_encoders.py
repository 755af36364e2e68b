"""Encoding of prompts for each kind of diffusion model, by the pipelines of diffusers."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from guidance.diffusion.base import Condition
from guidance.diffusion.files.load import load_text_encoder, load_tokenizer
from guidance.diffusion.files.source import Source, tokenizer_of
from guidance.diffusion.parts.quiet import quiet
from guidance.errors import InputError
from guidance.models.foreign.libraries import library_errors
from guidance.models.foreign.places import check_subfolder

#: The maximum number of tokens for T5. Source: the defaults of diffusers' pipelines.
T5_TOKENS = {"StableDiffusion3Pipeline": 256, "FluxPipeline": 512, "IFPipeline": 77}
#: Parts of a pipeline that are not needed to encode texts.
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


class TextEncoders:
    """Tokenizers and text encoders of a model.

    Args:
        source: the model's files.
        network: the model's network, from which diffusers reads the width of absent encoders.
        device: where the text encoders run.
        dtype: their precision.
    """

    def __init__(
        self, source: Source, network: nn.Module, device: torch.device, dtype: torch.dtype
    ) -> None:
        import diffusers

        self.source = source
        kind = getattr(diffusers, source.kind)
        parts = set(inspect.signature(kind.__init__).parameters) - {"self"}
        parts = {part for part in parts if part in PARTS or part.startswith(("text_", "token"))}
        read: dict[str, Any] = dict.fromkeys(parts)  # None: not needed, and not loaded
        for tower in source.towers:
            encoder = load_text_encoder(source.classes[tower], source.folder / tower, dtype)
            read[tower] = encoder.to(device).eval().requires_grad_(False)
            name = tokenizer_of(tower)
            folder = check_subfolder(source.folder, name)
            read[name] = load_tokenizer(source.classes[name], folder, encoder)
        with quiet(), library_errors(source.folder):
            self._pipe: Any = kind.from_pretrained(
                source.folder, **read, local_files_only=True, trust_remote_code=False
            )
        setattr(self._pipe, source.network, network)
        self.device = device

    @torch.no_grad()
    def encode(self, text: str) -> Condition:
        """The condition of one text, in float32.

        Raises:
            InputError: the text has more tokens than the model accepts.
        """
        self._check_length(text)
        encoded = self._encode(text)
        if text == "" and getattr(self._pipe.config, "force_zeros_for_empty_prompt", False):
            encoded = {name: torch.zeros_like(tensor) for name, tensor in encoded.items()}
        return Condition({name: tensor.float() for name, tensor in encoded.items()})

    def _encode(self, text: str) -> dict[str, Tensor]:
        kind, pipe = self.source.kind, self._pipe
        options: dict[str, Any] = {"device": self.device, "num_images_per_prompt": 1}
        if kind == "FluxPipeline":
            embeddings, pooled, _ = pipe.encode_prompt([text], None, **options)
            return {"embeddings": embeddings, "pooled": pooled}
        options["do_classifier_free_guidance"] = False
        if kind == "StableDiffusionXLPipeline":
            embeddings, _, pooled, _ = pipe.encode_prompt([text], **options)
            return {"embeddings": embeddings, "pooled": pooled}
        if kind == "StableDiffusion3Pipeline":
            embeddings, _, pooled, _ = pipe.encode_prompt([text], None, None, **options)
            return {"embeddings": embeddings, "pooled": pooled}
        return {"embeddings": pipe.encode_prompt([text], **options)[0]}

    def _check_length(self, text: str) -> None:
        """Raises InputError for a text that the pipeline would truncate silently.

        The last text encoder accepts the longest texts.
        """
        tokenizer = getattr(self._pipe, tokenizer_of(self.source.towers[-1]))
        is_t5 = type(getattr(self._pipe, self.source.towers[-1])).__name__.startswith("T5")
        limit = T5_TOKENS[self.source.kind] if is_t5 else tokenizer.model_max_length
        if len(tokenizer(text, truncation=False, verbose=False).input_ids) > limit:
            raise InputError(
                f"prompt {text[:40]!r}...: is longer than the {limit} tokens that "
                f"{self.source.name} accepts; shorten it"
            )
