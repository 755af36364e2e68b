"""Names to models: what is found, what is refused, and that nothing is ever downloaded."""

from __future__ import annotations

import json
import pickle
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from guidance.encoders import load_encoder, load_judge
from guidance.encoders.files.card import ALTERNATIVES, TEMPLATES
from guidance.encoders.files.source import find_source
from guidance.errors import InputError, MissingWeights
from tests.encoders.tiny import CLIP, SIGLIP, build, save, snapshot

INCEPTION = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, on a machine where any connection is an error."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_folder_with_a_card(tmp_path: Path) -> None:
    card = {
        "family": "mini-clip",
        "templates": ["a drawing of {}"],
        "alternatives": ["a car", "a tree"],
        "preprocessing": {"size": 32, "interpolation": "bicubic", "mean": [0.5, 0.5, 0.5]},
        "trained_on": "what people want to know",
    }
    save(tmp_path, build(CLIP), CLIP, preprocessing=INCEPTION, card=card)
    encoder = load_encoder(f"local-dir:{tmp_path}")
    assert encoder.family == "mini-clip"
    assert encoder.templates == ("a drawing of {}",)
    assert encoder.alternatives == ("a car", "a tree")
    assert encoder.preprocessing.resize_mode == "squash"
    assert encoder.preprocessing.std == (0.5, 0.5, 0.5)


def test_a_folder_without_a_card(tmp_path: Path) -> None:
    encoder = load_encoder(f"local-dir:{save(tmp_path, build(CLIP), CLIP)}")
    assert encoder.family == "clip"
    assert (encoder.templates, encoder.alternatives) == (TEMPLATES, ALTERNATIVES)


def test_a_card_that_contradicts_the_configuration(tmp_path: Path) -> None:
    save(tmp_path, build(CLIP), CLIP, card={"preprocessing": {"mean": [0.5, 0.5, 0.5]}})
    with pytest.raises(InputError, match=r"guidance.json: preprocessing mean is .*make the two"):
        load_encoder(f"local-dir:{tmp_path}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "expected an object"),
        ('{"templates": "a photo of {}"}', "expected templates as a list"),
        ('{"templates": ["a photo"]}', "needs a {} where the text goes"),
        ('{"family": 3}', "expected family as text"),
    ],
)
def test_a_broken_card(tmp_path: Path, text: str, message: str) -> None:
    save(tmp_path, build(CLIP), CLIP)
    (tmp_path / "guidance.json").write_text(text)
    with pytest.raises(InputError, match=message):
        load_encoder(f"local-dir:{tmp_path}")


def test_a_tag_is_found_in_the_hubs_cache(cache: Path) -> None:
    stock = build({**CLIP, **_architecture("ViT-B-32")})
    folder = snapshot(cache, "timm/vit_base_patch32_clip_224.openai")
    save(folder, stock, {})
    source = find_source("ViT-B-32/openai")
    assert source.folder == folder
    assert source.family == "clip"
    assert source.config["quick_gelu"] is True  # open_clip only warns, and builds the wrong one
    assert source.preprocessing["resize_mode"] == "shortest"


def _architecture(name: str) -> dict:
    """A small stand-in: finding does not look into the weights."""
    return {"vision_cfg": CLIP["vision_cfg"] | {"layers": 1}} if name else {}


@pytest.mark.parametrize("revision", ["main", "v2", "c0ffee"])
def test_a_repository_at_a_revision(cache: Path, revision: str) -> None:
    folder = snapshot(cache, "someone/tiny-clip", revision="v2" if revision == "v2" else "main")
    save(folder, build(CLIP), CLIP)
    at = "" if revision == "main" else f"@{revision}"
    encoder = load_encoder(f"hf-hub:someone/tiny-clip{at}")
    assert encoder.encode_image(torch.rand(1, 3, 40, 50)).shape == (1, 16)


def test_hf_home_is_understood_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    folder = snapshot(tmp_path / "hub", "someone/tiny-clip")
    save(folder, build(CLIP), CLIP)
    assert find_source("hf-hub:someone/tiny-clip").folder == folder


@pytest.mark.parametrize(
    "name", ["ViT-B-32/openai", "hf-hub:someone/else", "hf-hub:someone/else@v1", "local-dir:/none"]
)
def test_missing_weights_are_told_at_once(cache: Path, name: str) -> None:
    start = time.monotonic()
    with pytest.raises(MissingWeights) as caught:
        load_encoder(name)
    assert time.monotonic() - start < 30  # not a measurement: a connection would wait for longer
    assert caught.value.exit_code == 3
    message = str(caught.value)
    assert ("/none" if name.startswith("local") else str(cache)) in message
    if not name.startswith("local"):
        assert f"guide models fetch {name}" in message


def test_a_snapshot_without_its_checkpoint_is_missing_weights(cache: Path) -> None:
    folder = save(snapshot(cache, "someone/half"), build(CLIP), CLIP)
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(MissingWeights, match="guide models fetch hf-hub:someone/half"):
        load_encoder("hf-hub:someone/half")


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".pkl"])
def test_pickles_are_refused(tmp_path: Path, suffix: str) -> None:
    model = build(CLIP)
    save(tmp_path, model, CLIP)
    (tmp_path / "open_clip_model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / f"open_clip_pytorch_model{suffix}")
    with pytest.raises(InputError, match="is a pickle, which can execute arbitrary code"):
        load_encoder(f"local-dir:{tmp_path}")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_under_a_safe_name_is_refused(tmp_path: Path, zipped: bool) -> None:
    path = save(tmp_path, build(CLIP), CLIP) / "open_clip_model.safetensors"
    if zipped:
        torch.save({"a": torch.zeros(3)}, path)
    else:
        path.write_bytes(pickle.dumps({"a": list(range(100))}))
    with pytest.raises(InputError, match="is a pickle"):
        load_encoder(f"local-dir:{tmp_path}")


def test_a_checkpoint_that_was_cut_off(tmp_path: Path) -> None:
    path = save(tmp_path, build(CLIP), CLIP) / "open_clip_model.safetensors"
    whole = path.read_bytes()
    for length in (len(whole) // 2, 20, 0):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"is incomplete|does not match"):
            load_encoder(f"local-dir:{tmp_path}")


def test_weights_of_another_architecture(tmp_path: Path) -> None:
    save(tmp_path, build(CLIP), CLIP | {"embed_dim": 8})
    with pytest.raises(InputError, match=r"does not match .*open_clip_config.json"):
        load_encoder(f"local-dir:{tmp_path}")


def test_several_checkpoints_without_a_usual_name(tmp_path: Path) -> None:
    path = save(tmp_path, build(CLIP), CLIP) / "open_clip_model.safetensors"
    path.rename(tmp_path / "a.safetensors")
    load_encoder(f"local-dir:{tmp_path}")
    (tmp_path / "b.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"got a.safetensors, b.safetensors"):
        find_source(f"local-dir:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nonsense", "encoder 'nonsense' is unknown; use mini"),
        ("ViT-B-32/nonsense", "has no such tag; its tags are: openai"),
        ("hf-hub:a/b/c", "expected hf-hub:org/repository"),
        ("hf-hub:../..", "expected hf-hub:org/repository"),
    ],
)
def test_names_that_are_none(cache: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_encoder(name)


@pytest.mark.parametrize("text", [None, "{", "{}", '{"model_cfg": 3}'])
def test_a_folder_without_a_configuration(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "open_clip_config.json").write_text(text)
    with pytest.raises(InputError, match="open_clip"):
        load_encoder(f"local-dir:{tmp_path}")


def test_the_embedded_models() -> None:
    mini, judge = load_encoder("mini"), load_judge()
    assert mini.family == "mini-clip"
    assert judge.family == "mini-judge"
    pictures = torch.rand(2, 3, 100, 100, requires_grad=True)
    for encoder in (mini, judge):
        vectors = encoder.encode_image(pictures)
        assert vectors.shape[0] == 2
        assert (vectors.norm(dim=-1) - 1).abs().max() < 1e-5
        assert torch.autograd.grad(vectors[:, 0].sum(), pictures)[0].abs().max() > 0
        texts = encoder.encode_text([encoder.templates[0].replace("{}", "an apple")])
        assert texts.shape[-1] == vectors.shape[-1]


def test_siglips_tokenizer_is_read_from_the_models_folder(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    words = {"<pad>": 0, "</s>": 1, "<unk>": 2, "a": 3, "cat": 4, "dog": 5}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        "$A </s>", special_tokens=[("</s>", 1)]
    )
    config = SIGLIP | {"text_cfg": SIGLIP["text_cfg"] | {"hf_tokenizer_name": "someone/siglip"}}
    stock = build(SIGLIP)
    save(tmp_path, stock, config)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    facts = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(facts))
    encoder = load_encoder(f"local-dir:{tmp_path}", precision="fp32")
    tokens = torch.tensor([[3, 4, 1] + [0] * 9])
    want = stock.encode_text(tokens, normalize=True)
    torch.testing.assert_close(encoder.encode_text(["a cat"]), want, atol=1e-5, rtol=0)
    assert encoder.family == "siglip"
    assert encoder.logit_bias == -10
    with pytest.raises(InputError, match="longer than the 12 tokens"):
        encoder.encode_text(["a cat " * 7])


def test_a_tokenizer_that_is_not_here(cache: Path, tmp_path: Path) -> None:
    config = SIGLIP | {"text_cfg": SIGLIP["text_cfg"] | {"hf_tokenizer_name": "someone/siglip"}}
    save(tmp_path / "model", build(SIGLIP), config)
    with pytest.raises(MissingWeights, match="models--someone--siglip"):
        load_encoder(f"local-dir:{tmp_path / 'model'}")


def test_the_mend_leaves_a_working_torchvision(tmp_path: Path) -> None:
    code = (
        "from guidance.models.torchvision import import_torchvision\n"
        "import_torchvision(); import_torchvision()\n"
        "import torchvision, timm, open_clip\n"
        "torchvision.transforms.Resize(4)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
