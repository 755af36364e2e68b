"""The methods that write with a language model: context counts its encodes, fast projects."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from guidance.captions.methods.context import ContextCaptioner, original_encodes
from guidance.captions.methods.fast import Fast
from guidance.captions.scores import TextScores
from guidance.encoders import load_encoder
from guidance.errors import InputError
from guidance.language.causal import LanguageModel
from tests.captions.stand_ins import Bag, picture, save_language_model


class Counting(Bag):
    """Counts the texts that it encodes."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded: list[str] = []

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        self.encoded += texts
        return super().encode_text(texts)


def test_the_count_of_the_original() -> None:
    assert original_encodes(15, 5) == 181_760


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_context_writes_what_the_image_shows(kind: str, tmp_path: Path) -> None:
    """With a random language model, only the gradient steps can choose the words."""
    encoder = Counting()
    model = LanguageModel.load(str(save_language_model(tmp_path, kind)))
    options = ContextCaptioner.Options(length=3, beams=2, candidates=12, step_size=1.0, steps=20)
    method = ContextCaptioner(encoder, model, options)
    images = torch.cat([picture("dog"), picture("red", "heart")])
    dog, heart = method.caption(encoder.encode_image(images))
    assert "dog" in dog.text
    if kind == "gpt2":  # the random Llama repeats its words whatever the image is
        assert {"red", "heart"} <= set(heart.text.split())
    assert len(encoder.encoded) == len(set(encoder.encoded)), "a text is encoded twice"
    assert dog.encodes <= len(encoder.encoded) / 2 + 1
    assert len(encoder.encoded) <= 2 * original_encodes(3, 2) / 10


def test_context_refuses_more_tokens_than_the_model_reads(tmp_path: Path) -> None:
    model = LanguageModel.load(str(save_language_model(tmp_path, "gpt2")))
    with pytest.raises(InputError, match="reads 32 tokens; use a --length of at most 27"):
        ContextCaptioner(Bag(), model, ContextCaptioner.Options(length=40))


def test_scores_encode_each_text_once() -> None:
    encoder = Counting()
    scores = TextScores(encoder)
    vector = encoder.encode_image(picture("dog"))[0]
    values = scores(vector, ["dog", "star", "dog"])
    assert torch.equal(values[0], values[2]) and scores.encodes == 2
    assert torch.equal(scores(vector, ["star"]), values[1:2]) and encoder.encoded == ["dog", "star"]


def test_fast_projects_into_the_space_of_texts() -> None:
    mini = load_encoder("mini")
    method = Fast.load(mini, Fast.Options())
    vector = mini.encode_text(["a red heart"])
    weights = [math.exp(100 * (float(vector[0] @ text) - 1)) for text in method._memory]
    slow = sum(w * text for w, text in zip(weights, method._memory, strict=True))
    assert torch.allclose(method.project(vector)[0], slow / slow.norm(), atol=1e-4)
    caption = method.caption(vector)[0]
    assert "red" in caption.text and "heart" in caption.text
    with pytest.raises(InputError, match="embeddings of mini only"):
        Fast.load(Bag(), Fast.Options())
