"""SigLIP 2 and BiomedCLIP from the hub's cache, in the layout of their repositories."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from guidance.encoders import load_encoder
from guidance.encoders.files.source import find_source
from guidance.errors import InputError
from tests.encoders.tiny import CLIP, SIGLIP, build, save, snapshot

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

PROMPTS = ["a red apple", "ein roter Apfel", "赤いりんご", "красное яблоко"]
#: "▁" stands for a space.
PIECES = [
    "<pad>",
    "<eos>",
    "<bos>",
    "<unk>",
    "▁",
    "a",
    "▁red",
    "▁apple",
    "▁roter",
    "りんご",
    "赤い",
]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def gemma_tokenizer(folder: Path) -> None:
    """A byte-fallback BPE like Gemma's, which any language can be written with."""
    pieces = {piece: i for i, piece in enumerate(PIECES)}
    letters = [each for each in sorted(set("".join(PROMPTS[:3]))) if each != " "]
    for piece in [*(f"<0x{byte:02X}>" for byte in range(256)), *letters]:
        pieces.setdefault(piece, len(pieces))
    merges = [("り", "ん"), ("りん", "ご"), ("赤", "い")]
    pieces.setdefault("りん", len(pieces))
    model = tokenizers.models.BPE(
        pieces, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True
    )
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = tokenizers.normalizers.Replace(" ", "▁")
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        "$A <eos>", special_tokens=[("<eos>", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    facts = {
        "tokenizer_class": "GemmaTokenizer", "pad_token": "<pad>", "eos_token": "<eos>",
        "bos_token": "<bos>", "unk_token": "<unk>", "padding_side": "right",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(facts))


def test_siglip_2_with_prompts_of_several_languages(cache: Path) -> None:
    """The tokenizer lies in the same repository, lowercases, and pads to the whole context."""
    folder = snapshot(cache, "timm/ViT-B-16-SigLIP2")
    text = SIGLIP["text_cfg"] | {
        "context_length": 64, "vocab_size": 400, "hf_tokenizer_name": "timm/ViT-B-16-SigLIP2",
        "tokenizer_kwargs": {"clean": "canonicalize"}, "norm_kwargs": {"eps": 1e-6},
        "act_kwargs": {"approximate": "tanh"},
    }  # fmt: skip
    stock = build(SIGLIP | {"text_cfg": text})
    squash = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
    save(folder, stock, SIGLIP | {"text_cfg": text}, preprocessing=squash)
    gemma_tokenizer(folder)
    encoder = load_encoder("hf-hub:timm/ViT-B-16-SigLIP2", precision="fp32")
    assert encoder.family == "siglip" and encoder.logit_bias == -10
    found = encoder.encode_text(PROMPTS)

    raw = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    rows = [raw.encode(prompt.lower()).ids for prompt in PROMPTS]
    assert PIECES.index("りんご") in rows[2] and 3 not in rows[3]  # bytes, not the unknown token
    tokens = torch.tensor([row + [0] * (64 - len(row)) for row in rows])
    with torch.no_grad():
        torch.testing.assert_close(found, stock.encode_text(tokens, normalize=True))
    assert (found @ found.T - torch.eye(4)).abs().max() < 1 - 1e-4  # four different texts
    torch.testing.assert_close(found[:1], encoder.encode_text(["A Red Apple!"]))


def biomedclip(cache: Path, text: dict) -> tuple[Path, torch.nn.Module]:
    """The model, whose text tower's configuration is in another repository."""
    tower = snapshot(cache, "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "chest", "x", "-", "ray", "a", "tumor"]
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    config.save_pretrained(tower)
    text = {
        "hf_model_pretrained": False, "hf_proj_type": "mlp",
        "hf_pooler_type": "cls_last_hidden_state_pooler", "context_length": 32,
    } | text  # fmt: skip
    model = build(CLIP | {"custom_text": True, "text_cfg": text | {"hf_model_name": str(tower)}})
    name = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"
    stored = CLIP | {"text_cfg": text | {"hf_model_name": name, "hf_tokenizer_name": name}}
    folder = save(snapshot(cache, "microsoft/BiomedCLIP-PubMedBERT_256"), model, stored)
    (tower / "vocab.txt").write_text("\n".join(words))
    facts = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
    (tower / "tokenizer_config.json").write_text(json.dumps(facts))
    return folder, model


def test_biomedclip(cache: Path) -> None:
    _, stock = biomedclip(cache, {})
    encoder = load_encoder("hf-hub:microsoft/BiomedCLIP-PubMedBERT_256", precision="fp32")
    found = encoder.encode_text(["a chest x-ray", "a tumor"])
    tokens = torch.tensor([[2, 9, 5, 6, 7, 8, 3] + [0] * 25, [2, 9, 10, 3] + [0] * 28])
    with torch.no_grad():
        torch.testing.assert_close(found, stock.encode_text(tokens, normalize=True))
    assert (found[0] - found[1]).abs().max() > 1e-3
    image = torch.rand(1, 3, 40, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(encoder.encode_image(image)[0] @ found[0], image)
    assert gradient.abs().max() > 0


def test_the_pickle_of_the_published_biomedclip_is_refused(cache: Path) -> None:
    folder, _ = biomedclip(cache, {})
    (folder / "open_clip_model.safetensors").unlink()
    (folder / "open_clip_pytorch_model.bin").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match="is a pickle, which can execute arbitrary code"):
        find_source("hf-hub:microsoft/BiomedCLIP-PubMedBERT_256")
