"""Encoders against open_clip's own models and transforms."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from guidance.encoders import load_encoder
from guidance.encoders.files.card import Card
from guidance.encoders.files.source import PREPROCESSING
from guidance.encoders.openclip import OpenClip
from guidance.encoders.towers.frozen import FrozenAttention, FrozenPatches, speed_up
from guidance.encoders.towers.preprocessing import Preprocessing
from guidance.errors import InputError
from tests.encoders.tiny import CLIP, SIGLIP, build, save

TOLERANCE = 1e-5


def _stock_vectors(model: torch.nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    mean = torch.tensor(PREPROCESSING["mean"]).view(3, 1, 1)
    std = torch.tensor(PREPROCESSING["std"]).view(3, 1, 1)
    return model.encode_image((pictures - mean) / std, normalize=True)


def test_pictures_and_texts_are_open_clips(tmp_path: Path) -> None:
    stock = build(CLIP)
    import open_clip

    encoder = load_encoder(f"local-dir:{save(tmp_path, stock, CLIP)}", precision="fp32")
    pictures = torch.rand(3, 3, 32, 32)
    texts = ["a cat", "a dog in the rain"]
    tokens = open_clip.SimpleTokenizer(context_length=12)(texts)
    want = _stock_vectors(stock, pictures)
    assert (want[0] - want[1]).abs().max() > 1e-3  # the comparison can fail
    torch.testing.assert_close(encoder.encode_image(pictures), want, atol=TOLERANCE, rtol=0)
    want_texts = stock.encode_text(tokens, normalize=True)
    torch.testing.assert_close(encoder.encode_text(texts), want_texts, atol=TOLERANCE, rtol=0)
    assert encoder.logit_scale == pytest.approx(float(stock.logit_scale.detach().exp()))
    assert encoder.logit_bias is None
    assert encoder.image_size == 32


def test_the_pictures_gradient_is_open_clips(tmp_path: Path) -> None:
    stock = build(CLIP)
    encoder = load_encoder(f"local-dir:{save(tmp_path, stock, CLIP)}", precision="fp32")
    pictures = torch.rand(2, 3, 32, 32, requires_grad=True)
    direction = torch.randn(16)
    want, have = (
        torch.autograd.grad((vectors @ direction).sum(), pictures)[0]
        for vectors in (_stock_vectors(stock, pictures), encoder.encode_image(pictures))
    )
    torch.testing.assert_close(have, want, atol=TOLERANCE, rtol=1e-3)


def test_weights_are_frozen_and_in_evaluation_mode(tmp_path: Path) -> None:
    encoder = load_encoder(f"local-dir:{save(tmp_path, build(CLIP), CLIP)}")
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not encoder.visual.training


@pytest.mark.parametrize("tower", ["open_clip", "timm"])
def test_the_fast_ways_are_taken_and_equal_stock(tower: str) -> None:
    config = CLIP
    if tower == "timm":
        vision = {"timm_model_name": "test_vit", "image_size": 160, "timm_pool": ""}
        config = CLIP | {"vision_cfg": vision}
    model = build(config)
    pictures = (
        torch.randn(2, 3, *model.visual.image_size)
        if tower == "timm"
        else torch.randn(2, 3, 32, 32)
    )
    with torch.no_grad():
        want = model.visual(pictures)
        assert speed_up(model.visual) == (1 if tower == "timm" else 3)
        have = model.visual(pictures)
    kinds = {type(module) for module in model.visual.modules()}
    assert FrozenPatches in kinds and (tower == "timm" or FrozenAttention in kinds)
    torch.testing.assert_close(have, want, atol=TOLERANCE, rtol=TOLERANCE)


def test_plain_attention_in_bfloat16_is_near_float32() -> None:
    stock = torch.nn.MultiheadAttention(32, 2, batch_first=True).requires_grad_(False)
    tokens = torch.randn(3, 7, 32)
    want = stock(tokens, tokens, tokens)[0]
    half = tokens.bfloat16()
    have = FrozenAttention(stock.bfloat16())(half, half, half)[0].float()
    assert F.cosine_similarity(have, want, dim=-1).min() > 0.999


def test_batch_norms_are_folded_into_convolutions() -> None:
    tower = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, bias=False), torch.nn.BatchNorm2d(4))
    tower[1].running_mean.normal_()
    tower[1].running_var.uniform_(0.5, 2)
    tower.eval()
    pictures = torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        want = tower(pictures)
        assert speed_up(torch.nn.Sequential(tower)) == 1
        torch.testing.assert_close(tower(pictures), want, atol=TOLERANCE, rtol=0)
    assert isinstance(tower[1], torch.nn.Identity)


def test_low_precision_is_near_and_gives_float32(tmp_path: Path) -> None:
    name = f"local-dir:{save(tmp_path, build(CLIP), CLIP)}"
    pictures = torch.rand(4, 3, 32, 32)
    exact = load_encoder(name, precision="fp32").encode_image(pictures)
    half = load_encoder(name, precision="bf16").encode_image(pictures)
    assert half.dtype == torch.float32
    assert 0 < (1 - F.cosine_similarity(exact, half)).abs().max() < 1e-3
    assert (half.norm(dim=-1) - 1).abs().max() < TOLERANCE


def test_texts_are_encoded_once_and_outlive_their_tower(tmp_path: Path) -> None:
    encoder = load_encoder(f"local-dir:{save(tmp_path, build(CLIP), CLIP)}")
    before = encoder.encode_text(["a cat", "a dog", "a cat"])
    assert torch.equal(before[0], before[2])
    tower = weakref.ref(encoder._text)
    table = weakref.ref(encoder._text.token_embedding.weight)
    encoder.free_text_tower()
    gc.collect()
    assert tower() is None and table() is None
    assert torch.equal(encoder.encode_text(["a dog"])[0], before[1])
    assert encoder._text is None
    bird = encoder.encode_text(["a bird"])
    assert torch.equal(bird, load_encoder(encoder.name, precision="fp32").encode_text(["a bird"]))


def test_a_dropped_tower_that_no_file_holds_is_gone() -> None:
    preprocessing = Preprocessing.parse(PREPROCESSING | {"size": 32}, "here")
    encoder = OpenClip(build(CLIP), preprocessing, Card(family="clip"), "clip")
    encoder.free_text_tower()
    with pytest.raises(InputError, match="'a bird', because the text tower was released"):
        encoder.encode_text(["a bird"])


def test_a_text_that_would_be_cut_off_is_refused(tmp_path: Path) -> None:
    encoder = load_encoder(f"local-dir:{save(tmp_path, build(CLIP), CLIP)}")
    encoder.encode_text(["word " * 10])  # with start and end that is twelve
    for length in (11, 12, 22, 23, 60):
        with pytest.raises(InputError, match="longer than the 12 tokens"):
            encoder.encode_text(["word " * length])


def test_siglips_numbers_come_from_the_checkpoint() -> None:
    model = build(SIGLIP)
    with torch.no_grad():
        model.logit_bias.fill_(-12.5)
        model.logit_scale.fill_(torch.tensor(100.0).log())
    preprocessing = Preprocessing.parse(PREPROCESSING | {"size": 32}, "here")
    encoder = OpenClip(model, preprocessing, Card(family="siglip"), "siglip")
    assert encoder.logit_bias == -12.5
    assert encoder.logit_scale == pytest.approx(100.0)


def test_encoders_are_shared_while_they_live(tmp_path: Path) -> None:
    name = f"local-dir:{save(tmp_path, build(CLIP), CLIP)}"
    first = load_encoder(name)
    assert load_encoder(name) is first
    assert load_encoder(name, precision="bf16") is not load_encoder(name, precision="fp32")
