"""Tiny random segmenters of transformers, saved as the real ones are."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from guidance.models.torchvision import import_torchvision

WORDS = ("the", "hair", "red", "hat", ".", "a")


def _trained(model: nn.Module, seed: int) -> nn.Module:
    """Random weights with larger differences, so that images and texts change the result."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
    return model.eval()


def clip_tokenizer(folder: Path) -> None:
    """The files of a CLIPTokenizer of whole words and letters."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(each) for each in range(97, 123)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{each}</w>" for each in letters)]
    (folder / "vocab.json").write_text(json.dumps({each: i for i, each in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")


def clipseg(folder: Path) -> Path:
    import_torchvision()
    from transformers import (
        CLIPSegConfig,
        CLIPSegForImageSegmentation,
        CLIPSegProcessor,
        CLIPTokenizer,
        ViTImageProcessor,
    )

    text = {
        "vocab_size": 54, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 16, "bos_token_id": 0,
        "eos_token_id": 1, "pad_token_id": 1,
    }  # fmt: skip
    vision = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3,
        "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
    }  # fmt: skip
    config = CLIPSegConfig(
        text_config=text, vision_config=vision, projection_dim=12, reduce_dim=8,
        extract_layers=[0, 1, 2], decoder_num_attention_heads=2, decoder_intermediate_size=16,
        conditional_layer=0,
    )  # fmt: skip
    torch.manual_seed(0)
    _trained(CLIPSegForImageSegmentation(config), 1).save_pretrained(folder)
    clip_tokenizer(folder)
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    images = ViTImageProcessor(size={"height": 32, "width": 32})
    CLIPSegProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def grounding_dino(folder: Path) -> Path:
    import_torchvision()
    from transformers import (
        BertTokenizer,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    backbone = SwinConfig(
        image_size=64, patch_size=4, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 2],
        window_size=4, out_indices=[2, 3, 4],
    )  # fmt: skip
    text = {
        "model_type": "bert", "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 64,
    }  # fmt: skip
    config = GroundingDinoConfig(
        backbone_config=backbone, text_config=text, num_queries=6, encoder_layers=1,
        encoder_ffn_dim=16, encoder_attention_heads=2, decoder_layers=2, decoder_ffn_dim=16,
        decoder_attention_heads=2, d_model=32, num_feature_levels=3, max_text_len=16,
        encoder_n_points=2, decoder_n_points=2,
    )  # fmt: skip
    torch.manual_seed(0)
    _trained(GroundingDinoForObjectDetection(config), 2).save_pretrained(folder)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "?"]
    (folder / "vocab.txt").write_text("\n".join(tokens))
    tokenizer = BertTokenizer(vocab=str(folder / "vocab.txt"))
    images = GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def sam(folder: Path) -> Path:
    import_torchvision()
    from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

    config = SamConfig(
        vision_config={
            "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_dim": 16,
            "image_size": 64, "patch_size": 8, "window_size": 4, "output_channels": 16,
            "global_attn_indexes": [1], "num_pos_feats": 8,
        },
        prompt_encoder_config={
            "hidden_size": 16, "image_size": 64, "patch_size": 8, "mask_input_channels": 4,
            "image_embedding_size": 8,
        },
        mask_decoder_config={
            "hidden_size": 16, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "attention_downsample_rate": 1, "iou_head_hidden_dim": 16,
        },
    )  # fmt: skip
    torch.manual_seed(0)
    _trained(SamModel(config), 3).save_pretrained(folder)
    images = SamImageProcessor(
        size={"longest_edge": 64}, pad_size={"height": 64, "width": 64},
        mask_size={"longest_edge": 16}, mask_pad_size={"height": 16, "width": 16},
    )  # fmt: skip
    SamProcessor(images).save_pretrained(folder)
    return folder


def sam3(folder: Path) -> Path:
    import_torchvision()
    from transformers import CLIPTokenizer, Sam3Config, Sam3ImageProcessor, Sam3Model, Sam3Processor

    small = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 32}
    config = Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 32,
                "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 112,
                "patch_size": 14, "window_size": 4, "global_attn_indexes": [1],
                "pretrain_image_size": 112,
            },
            "fpn_hidden_size": 32,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        text_config={
            "vocab_size": 54, "hidden_size": 32, "intermediate_size": 32, "projection_dim": 32,
            "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32,
            "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
        },
        geometry_encoder_config={**small, "num_layers": 1},
        detr_encoder_config={**small, "num_layers": 1},
        detr_decoder_config={**small, "num_layers": 1, "num_queries": 5},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 4},
    )  # fmt: skip
    torch.manual_seed(0)
    _trained(Sam3Model(config), 4).save_pretrained(folder)
    clip_tokenizer(folder)
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    images = Sam3ImageProcessor(
        size={"height": 112, "width": 112}, mask_size={"height": 32, "width": 32}
    )
    Sam3Processor(images, tokenizer).save_pretrained(folder)
    return folder
