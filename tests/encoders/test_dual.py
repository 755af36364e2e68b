"""Image-text models of transformers, saved by transformers itself and compared with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from guidance.encoders import load_encoder
from guidance.errors import InputError
from guidance.models.torchvision import import_torchvision
from guidance.search.identity import identity

import_torchvision()
transformers = pytest.importorskip("transformers")
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
         "num_attention_heads": 2}  # fmt: skip
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "dog", "photo", "of"]


def _tokenizer(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)


def _saved(folder: Path, kind: str) -> Any:
    torch.manual_seed(0)
    size = {"image_size": 32, "patch_size": 8}
    if kind == "clip":
        text = SMALL | {"vocab_size": 9, "max_position_embeddings": 12, "eos_token_id": 3}
        text |= {"bos_token_id": 2, "pad_token_id": 0}
        config = transformers.CLIPConfig(
            text_config=text, vision_config=SMALL | size, projection_dim=8
        )
        model = transformers.CLIPModel(config)
    else:
        vision = transformers.ViTConfig(**SMALL, **size)
        text = transformers.BertConfig(**SMALL, vocab_size=9, max_position_embeddings=12)
        config = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(
            vision, text, projection_dim=8
        )
        model = transformers.VisionTextDualEncoderModel(config)
    model.eval().save_pretrained(folder)
    _tokenizer(folder)
    images = {
        "size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "resample": 3,
        "do_center_crop": True, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3],
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    return model


@pytest.mark.parametrize("kind", ["clip", "vision-text-dual-encoder"])
def test_a_model_of_transformers(tmp_path: Path, kind: str) -> None:
    stock = _saved(tmp_path, kind)
    encoder = load_encoder(f"local-dir:{tmp_path}", precision="fp32")
    texts = ["a cat", "a photo of a dog"]
    tokens = transformers.BertTokenizerFast.from_pretrained(tmp_path)(
        texts, padding="max_length", max_length=12, return_tensors="pt"
    )
    images = torch.rand(2, 3, 32, 32)
    shift = torch.tensor([0.4, 0.5, 0.6])[:, None, None]
    scaled = (images - shift) / torch.tensor([0.2, 0.25, 0.3])[:, None, None]
    mask = {} if kind == "clip" else {"attention_mask": tokens["attention_mask"]}
    with torch.no_grad():
        found = stock(input_ids=tokens["input_ids"], pixel_values=scaled, **mask)
    torch.testing.assert_close(encoder.encode_text(texts), found.text_embeds, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder.encode_image(images), found.image_embeds, atol=1e-5, rtol=0)
    assert encoder.encode_image(torch.rand(1, 3, 40, 70)).shape == (1, 8)
    assert abs(encoder.logit_scale - float(stock.logit_scale.detach().exp())) < 1e-3
    assert len(identity(f"local-dir:{tmp_path}").digest) == 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "auto_map is not supported"),
        ({"model_type": "llava"}, "expected model_type clip or vision-text-dual-encoder"),
        ({"projection_dim": 9}, r"has shape \[8, 16\], expected \[9, 16\]"),
        ({"text_config": {"model_type": "evil"}}, "expected a part of type clip_text_model or"),
    ],
)
def test_configurations_that_are_refused(tmp_path: Path, changes: dict, message: str) -> None:
    _saved(tmp_path, "clip")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=message):
        load_encoder(f"local-dir:{tmp_path}")
