"""Metrics of captions against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from guidance.errors import InputError
from guidance.evaluate.captions import (
    bleu,
    cider_d,
    clip_score,
    distinct,
    hallucinated,
    ref_clip_score,
)
from tests.captions.stand_ins import Bag, picture


class Judge(Bag):
    name, family = "judge", "another"


def test_bleu_by_hand() -> None:
    captions = ["the cat sat on the mat"]
    references = [["the cat is on the mat", "there is a cat on the mat"]]
    # Unigrams: "sat" has no match: 5 of 6. Bigrams: the cat, on the, the mat: 3 of 5.
    assert bleu(captions, references, 1) == pytest.approx(5 / 6)
    assert bleu(captions, references, 2) == pytest.approx(math.sqrt(5 / 6 * 3 / 5))
    # The closest length of a reference is 4 words: exp(1 - 4 / 2).
    assert bleu(["a cat"], [["a cat on mats"]], 1) == pytest.approx(math.exp(1 - 4 / 2))
    assert bleu(["a dog"], [["the cat"]]) == 0


def test_cider_d_by_hand() -> None:
    references = [["a red apple"], ["a blue star"]]
    # Two documents: "a" is in both and weighs 0; all other n-grams weigh log 2.
    same, near = cider_d(["a red apple", "a red star"], references)
    # The same text: cosine 1 for n = 1, 2, 3, and no 4-grams.
    assert same == pytest.approx(10 * 3 / 4)
    # "star" of two weighted unigrams: 1/2 ("red" counts too, weight log 2); no bigram matches.
    assert near == pytest.approx(10 / 4 * 1 / 2)
    # A longer caption: the penalty of two words, exp(-4 / 72), and clipped counts.
    longer = cider_d(["a red apple apple apple", "a blue star"], references)[0]
    unigram = (1 * 1 + 1 * 1) / math.sqrt(1 + 9) / math.sqrt(2)  # min(3, 1) = 1
    bigram = 2 / math.sqrt(1 + 1 + 4) / math.sqrt(2)  # a red, red apple, twice apple apple
    trigram = 1 / math.sqrt(3)
    expected = 10 / 4 * math.exp(-4 / 72) * (unigram + bigram + trigram)
    assert longer == pytest.approx(expected)


def test_distinct_and_hallucinated() -> None:
    assert distinct(["a red apple", "a red star"], 1) == 4 / 6
    assert distinct(["a red apple", "a red star"], 2) == 3 / 4
    assert hallucinated([["apple", "hat"], ["star"]], [["apple"], ["star", "sky"]]) == 1 / 3
    assert hallucinated([[]], [["apple"]]) == 0


def test_clip_scores_are_those_of_an_independent_judge() -> None:
    images = torch.cat([picture("red", "apple"), picture("dog")])
    scores = clip_score(Judge(), images, ["red apple", "star"], [Bag()])
    assert scores == pytest.approx([2.5, 0], abs=0.02)
    found = ref_clip_score(Judge(), images, ["apple", "dog"], [["red apple"], ["dog"]], [Bag()])
    one = 2.5 * math.sqrt(0.5)
    assert found[0] == pytest.approx(2 * one * math.sqrt(0.5) / (one + math.sqrt(0.5)), abs=0.02)
    assert found[1] == pytest.approx(2 * 2.5 / 3.5, abs=0.02)
    with pytest.raises(InputError, match="family 'bag', which a loss uses"):
        clip_score(Bag(), images, ["a", "b"], [Bag()])


def test_numbers_of_captions_and_references() -> None:
    with pytest.raises(InputError, match="references for each of 1 captions, got 2"):
        cider_d(["a"], [["a"], ["b"]])
    with pytest.raises(InputError, match="a list of at least one reference"):
        bleu(["a"], ["a"])
    with pytest.raises(InputError, match="one caption per image, got 1 for 2"):
        clip_score(Judge(), torch.zeros(2, 3, 4, 4), ["a"], [])
