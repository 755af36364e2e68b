"""Tiny random vision-language models of transformers, saved as the real ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from guidance.models.torchvision import import_torchvision

WORDS = (
    "USER", "ASSISTANT", "User", "Assistant", "Does", "this", "figure", "show", "a", "red", "blue",
    "apple", "Please", "answer", "yes", "or", "no", "Yes", "No", "user", "system", "assistant",
    "You", "are", "helpful", ":", "?", ".", '"',
)  # fmt: skip
SPECIAL = (
    "<pad>", "<unk>", "<s>", "</s>", "<image>", "<|im_start|>", "<|im_end|>", "<end_of_utterance>",
    "<fake_token_around_image>", "<global-img>", "<|vision_start|>", "<|vision_end|>",
    "<|image_pad|>", "<|video_pad|>", *(f"<row_{r}_col_{c}>" for r in (1, 2) for c in (1, 2)),
)  # fmt: skip
TOKENS = (*SPECIAL, "\n\n", "\n", *WORDS)
TEXT = {
    "vocab_size": len(TOKENS), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
    "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3,
}  # fmt: skip


def tokenizer(**extra: str) -> Any:
    import tokenizers
    from transformers import PreTrainedTokenizerFast

    words = tokenizers.models.WordLevel(
        {each: index for index, each in enumerate(TOKENS)}, unk_token="<unk>"
    )
    inner = tokenizers.Tokenizer(words)
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Split(" ", "removed"),
            tokenizers.pre_tokenizers.Punctuation(),
            tokenizers.pre_tokenizers.Split("\n", "isolated"),
        ]
    )
    inner.add_special_tokens(list(SPECIAL))
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", bos_token="<s>",
        eos_token="</s>", extra_special_tokens=extra or None,
    )  # fmt: skip


def _saved(folder: Path, model: nn.Module, processor: Any) -> Path:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def llava(folder: Path) -> Path:
    import_torchvision()
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        image_size=32, patch_size=8, projection_dim=32,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=vision,
        text_config=LlamaConfig(**TEXT),
        image_token_id=TOKENS.index("<image>"),
        image_seq_length=16,
    )
    torch.manual_seed(0)
    images = CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, resample=3
    )
    processor = LlavaProcessor(
        images, tokenizer(image_token="<image>"), patch_size=8,
        vision_feature_select_strategy="default", num_additional_image_tokens=1,
    )  # fmt: skip
    return _saved(folder, LlavaForConditionalGeneration(config), processor)


def qwen2_vl(folder: Path) -> Path:
    import_torchvision()
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0}
    config = Qwen2VLConfig(
        text_config={**TEXT, "rope_parameters": rope},
        vision_config={
            "depth": 2, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2,
            "patch_size": 4, "spatial_merge_size": 2, "temporal_patch_size": 2,
        },
        image_token_id=TOKENS.index("<|image_pad|>"),
        video_token_id=TOKENS.index("<|video_pad|>"),
        vision_start_token_id=TOKENS.index("<|vision_start|>"),
        vision_end_token_id=TOKENS.index("<|vision_end|>"),
    )  # fmt: skip
    torch.manual_seed(0)
    size = {"shortest_edge": 16 * 16, "longest_edge": 32 * 32}
    images = Qwen2VLImageProcessor(size=size, patch_size=4)
    videos = Qwen2VLVideoProcessor(size=size, patch_size=4)
    extra = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
    processor = Qwen2VLProcessor(images, tokenizer(**extra), videos)
    return _saved(folder, Qwen2VLForConditionalGeneration(config), processor)


def smolvlm(folder: Path) -> Path:
    import_torchvision()
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3ImageProcessor,
        Idefics3Processor,
    )

    config = Idefics3Config(
        vision_config={
            "model_type": "idefics3_vision", "hidden_size": 16, "intermediate_size": 32,
            "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
        },
        text_config={"model_type": "llama", **TEXT},
        image_token_id=TOKENS.index("<image>"),
        scale_factor=2,
        pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    images = Idefics3ImageProcessor(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}, do_image_splitting=True
    )
    processor = Idefics3Processor(
        images, tokenizer(image_token="<image>", fake_image_token="<fake_token_around_image>",
                          global_image_token="<global-img>",
                          end_of_utterance_token="<end_of_utterance>"), image_seq_len=4,
    )  # fmt: skip
    return _saved(folder, Idefics3ForConditionalGeneration(config), processor)
