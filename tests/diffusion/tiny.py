"""Tiny random-weight diffusion models, saved by diffusers in the layout of the real ones."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch

from guidance.models.torchvision import import_torchvision

import_torchvision()

import diffusers  # noqa: E402
import transformers  # noqa: E402

WIDTH = 16  # of the words, of each tower
LENGTH = 12  # tokens of CLIP's towers


def save(kind: str, folder: Path, **changes: Any) -> Path:
    """Writes a model of one kind; `changes` go to its scheduler's configuration."""
    made = MAKERS[kind](folder / "words", changes)
    made.save_pretrained(folder, safe_serialization=True)
    return folder


def _seeded(kind: Any, *arguments: Any, **options: Any) -> Any:
    torch.manual_seed(len(kind.__name__))
    return kind(*arguments, **options).eval()


def clip_tokenizer(folder: Path) -> Any:
    """A tokenizer that spells everything in bytes, and knows the word "red"."""
    letters = _bytes()
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "re", "red</w>"]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    vocabulary["<|startoftext|>"] = len(vocabulary)
    vocabulary["<|endoftext|>"] = len(vocabulary)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\nr e\nre d</w>\n")
    return transformers.CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=LENGTH
    )


@cache
def _bytes() -> list[str]:
    """The letters that byte-level tokenizers write bytes with."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in plain] + [chr(256 + i) for i in range(256 - len(plain))]


def clip_tower(tokenizer: Any, projected: bool = False) -> Any:
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        projection_dim=WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    return _seeded(kind, config)


def t5() -> tuple[Any, Any]:
    """A tower of T5, and a tokenizer of single letters."""
    letters = [(chr(i), -2.0) for i in range(97, 123)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0), *letters]
    tokenizer = transformers.T5Tokenizer(vocab=pieces, extra_ids=0)
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=WIDTH, d_kv=8, d_ff=32, num_layers=2, num_heads=2
    )
    return tokenizer, _seeded(transformers.T5EncoderModel, config)


def vae(latent_channels: int = 4, **more: Any) -> Any:
    return _seeded(
        diffusers.AutoencoderKL,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        latent_channels=latent_channels,
        sample_size=16,
        **more,
    )


def tiny_vae(folder: Path, latent_channels: int = 4) -> Path:
    """An AutoencoderTiny with the factor of `vae`."""
    made = _seeded(
        diffusers.AutoencoderTiny,
        latent_channels=latent_channels,
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    )
    made.save_pretrained(folder)
    return folder


def unet(channels: int = 4, out: int | None = None, **more: Any) -> Any:
    return _seeded(
        diffusers.UNet2DConditionModel,
        sample_size=8,
        in_channels=channels,
        out_channels=out or channels,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        **more,
    )


def _scheduler(changes: dict[str, Any]) -> Any:
    options = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    return diffusers.DDIMScheduler(**options | {"steps_offset": 1} | changes)


def stable_diffusion(words: Path, changes: dict[str, Any]) -> Any:
    tokenizer = clip_tokenizer(words)
    return diffusers.StableDiffusionPipeline(
        vae=vae(),
        text_encoder=clip_tower(tokenizer),
        tokenizer=tokenizer,
        unet=unet(cross_attention_dim=WIDTH),
        scheduler=_scheduler(changes),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl(words: Path, changes: dict[str, Any]) -> Any:
    tokenizer = clip_tokenizer(words)
    return diffusers.StableDiffusionXLPipeline(
        vae=vae(force_upcast=True, scaling_factor=0.13025),
        text_encoder=clip_tower(tokenizer),
        tokenizer=tokenizer,
        text_encoder_2=clip_tower(tokenizer, projected=True),
        tokenizer_2=tokenizer,
        unet=unet(
            cross_attention_dim=2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=4,
            projection_class_embeddings_input_dim=WIDTH + 6 * 4,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", **changes
        ),
    )


def sd3(words: Path, changes: dict[str, Any]) -> Any:
    tokenizer = clip_tokenizer(words)
    return diffusers.StableDiffusion3Pipeline(
        transformer=_seeded(
            diffusers.SD3Transformer2DModel,
            sample_size=8,
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=32,
            caption_projection_dim=16,
            pooled_projection_dim=2 * WIDTH,
            pos_embed_max_size=16,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, **changes),
        vae=vae(16, scaling_factor=1.5305, shift_factor=0.0609),
        text_encoder=clip_tower(tokenizer, projected=True),
        tokenizer=tokenizer,
        text_encoder_2=clip_tower(tokenizer, projected=True),
        tokenizer_2=tokenizer,
        text_encoder_3=None,
        tokenizer_3=None,
    )


def flux(words: Path, changes: dict[str, Any]) -> Any:
    tokenizer = clip_tokenizer(words)
    tokenizer_2, tower_2 = t5()
    return diffusers.FluxPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(**changes),
        vae=vae(4, scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=clip_tower(tokenizer),
        tokenizer=tokenizer,
        text_encoder_2=tower_2,
        tokenizer_2=tokenizer_2,
        transformer=_seeded(
            diffusers.FluxTransformer2DModel,
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            guidance_embeds=True,
            axes_dims_rope=(4, 4, 8),
        ),
    )


def pixels(words: Path, changes: dict[str, Any]) -> Any:
    tokenizer, tower = t5()
    return diffusers.IFPipeline(
        tokenizer=tokenizer,
        text_encoder=tower,
        unet=unet(3, 6, cross_attention_dim=WIDTH),
        scheduler=diffusers.DDPMScheduler(
            beta_schedule="squaredcos_cap_v2", variance_type="learned_range", **changes
        ),
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )


MAKERS = {
    "StableDiffusionPipeline": stable_diffusion,
    "StableDiffusionXLPipeline": sdxl,
    "StableDiffusion3Pipeline": sd3,
    "FluxPipeline": flux,
    "IFPipeline": pixels,
}
