"""Text encoders of transformers in models of open_clip, against open_clip's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from guidance.encoders.files.build import build as build_checked
from guidance.encoders.files.source import Source, find_source
from guidance.errors import InputError
from tests.encoders.tiny import CLIP, build, save, snapshot

transformers = pytest.importorskip("transformers")

BERT = {
    "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 32, "max_position_embeddings": 20, "pad_token_id": 1,
}  # fmt: skip
TOWERS = {
    "bert": BERT | {"pad_token_id": 0},
    "roberta": BERT,
    "xlm-roberta": BERT,
    "mt5": {"vocab_size": 50, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2,
            "num_heads": 2, "pad_token_id": 0},
    "m2m_100": {"vocab_size": 50, "d_model": 16, "encoder_layers": 2, "encoder_ffn_dim": 32,
                "encoder_attention_heads": 2, "decoder_layers": 2, "decoder_ffn_dim": 32,
                "decoder_attention_heads": 2, "max_position_embeddings": 20, "pad_token_id": 1},
}  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def _saved(cache: Path, kind: str, **text: Any) -> tuple[Source, torch.nn.Module, Path]:
    """A model with a text encoder, saved; open_clip's own model; and the encoder's folder."""
    tower = snapshot(cache, "someone/tower")
    config = transformers.AutoConfig.for_model(kind, **TOWERS[kind])
    config.save_pretrained(tower)
    text = {"context_length": 12, "hf_model_pretrained": False} | text
    stock = build(CLIP | {"custom_text": True, "text_cfg": text | {"hf_model_name": str(tower)}})
    stored = CLIP | {"text_cfg": text | {"hf_model_name": "someone/tower"}}
    folder = save(cache / "model", stock, stored)
    return find_source(f"local-dir:{folder}"), stock, tower


@pytest.mark.parametrize("pooler", ["mean_pooler", "cls_pooler"])
@pytest.mark.parametrize("kind", TOWERS)
def test_texts_are_encoded_as_open_clip_does(cache: Path, kind: str, pooler: str) -> None:
    if kind == "mt5" and pooler == "cls_pooler":
        pytest.skip("no model of open_clip has it")
    source, stock, _ = _saved(cache, kind, hf_pooler_type=pooler)
    model = build_checked(source).eval()
    tokens = torch.randint(2, 50, (3, 12), generator=torch.Generator().manual_seed(0))
    tokens[1, 7:] = TOWERS[kind]["pad_token_id"]
    with torch.no_grad():
        want = stock.encode_text(tokens)
        assert (want[0] - want[1]).abs().max() > 1e-4
        torch.testing.assert_close(model.encode_text(tokens), want)
    assert model.vocab_size == 50


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "auto_map is not supported"),
        ({"_attn_implementation": "kernels-community/x"}, "input should be 'eager' or 'sdpa'"),
        ({"quantization_config": {}}, "quantization_config is not supported"),
        ({"model_type": "evil"}, "expected model_type bert or roberta"),
        ({"num_hidden_layers": 2**40}, "num_hidden_layers: input should be less than"),
        ({"num_hidden_layers": 200}, "202 layers, but the weights have only"),
        ({"num_hidden_layers": 3}, "tensor 'text.transformer.encoder.layer.2.* is missing"),
        ({"intermediate_size": 65_536}, r"has shape \[32, 16\], expected \[65536, 16\]"),
        ({"num_attention_heads": 5}, "is not a model that open_clip can build"),
    ],
)
def test_configurations_that_are_refused(cache: Path, changes: dict, message: str) -> None:
    source, _, tower = _saved(cache, "roberta")
    (tower / "modeling_evil.py").write_text("raise SystemExit('executed')")
    path = tower / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=message):
        build_checked(source)


def test_a_decoder_that_is_not_read_costs_nothing(cache: Path) -> None:
    source, stock, tower = _saved(cache, "m2m_100")
    path = tower / "config.json"
    large = {"decoder_layers": 256, "decoder_ffn_dim": 65_536, "decoder_attention_heads": 1024}
    path.write_text(json.dumps(json.loads(path.read_text()) | large))
    model = build_checked(source)
    assert {n: p.shape for n, p in model.named_parameters()} == {
        n: p.shape for n, p in stock.named_parameters()
    }
