"""The embedded models without open_clip against the same models of open_clip."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from guidance.encoders.files.build import build
from guidance.encoders.files.source import find_source
from guidance.encoders.towers.tokens import tokenize_texts
from guidance.models.torchvision import import_torchvision


@pytest.mark.parametrize("name", ["mini", "mini-people", "mini-judge"])
def test_vectors_maps_and_gradients_are_those_of_open_clip(name: str) -> None:
    import_torchvision()
    source = find_source(name)
    ours, theirs = build(source).eval(), build(replace(source, name="a folder of a user")).eval()
    images = torch.rand(2, 3, *ours.visual.image_size, generator=torch.Generator().manual_seed(0))
    found = []
    for model in (ours, theirs):
        leaf = images.clone().requires_grad_()
        vectors = model.visual(leaf)
        (gradient,) = torch.autograd.grad(vectors.square().sum(), leaf)
        maps = model.visual.forward_intermediates(leaf, intermediates_only=True)
        texts = model.encode_text(tokenize_texts(["a red apple", "two pears"], context_length=32))
        found.append([vectors, gradient, texts, *maps["image_intermediates"]])
    assert type(ours) is not type(theirs) and found[0][1].abs().sum() > 0
    for own, expected in zip(*found, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-5, atol=1e-6)


def test_tokens_are_those_of_open_clip() -> None:
    import_torchvision()
    from open_clip.tokenizer import tokenize

    texts = ["", "a red apple", "It's 3d; ok?", "x " * 30, "x " * 31, "naïve &amp; new"]
    for length in (32, 77):
        assert torch.equal(tokenize_texts(texts, length), tokenize(texts, length))
        assert torch.equal(tokenize_texts(texts[:-1], length), tokenize(texts[:-1], length))


def test_embedded_models_import_neither_open_clip_nor_timm() -> None:
    """Their import would take a fifth of the time to the first step of a run."""
    code = (
        "import sys; from guidance.encoders import load_encoder; "
        "[load_encoder(name).encode_text(['a pear']) for name in ('mini', 'mini-judge')]; "
        "slow = {'open_clip', 'timm', 'torchvision', 'transformers', 'torch._dynamo'}; "
        "print(slow & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
