"""Atoms of prompts, the judge's answers about them, and the list of distractors."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from guidance.evaluate.atoms import find_atoms
from guidance.evaluate.cost import encoder_flops, image_flops
from guidance.evaluate.hard_list import hard_list
from guidance.evaluate.judge import normalize_text
from guidance.evaluate.questions import answer
from tests.evaluate.stand_ins import ColorJudge


@pytest.mark.parametrize(
    ("prompt", "atoms"),
    [
        ("a red apple", [("color", "red"), ("object", "apple")]),
        (
            "Two cats on top of a wooden chair",
            [("count", "Two"), ("object", "cats"), ("relation", "on top of"),
             ("attribute", "wooden"), ("object", "chair")],
        ),
        ("an orange", [("object", "orange")]),
        ("an orange cat", [("color", "orange"), ("object", "cat")]),
        ("fire", []),
    ],
)  # fmt: skip
def test_atoms_are_found(prompt: str, atoms: list[tuple[str, str]]) -> None:
    assert [(atom.kind, atom.text) for atom in find_atoms(prompt)] == atoms


def test_alternatives_change_one_thing_and_the_article() -> None:
    color, thing = find_atoms("a red apple")
    assert "an orange apple" in color.alternatives
    assert "a red apple" not in color.alternatives + thing.alternatives
    assert "a red car" in thing.alternatives
    relation = find_atoms("a cat under a dog")[1]
    assert relation.alternatives[-1] == "a dog under a cat"
    assert "a cat on top of a dog" in relation.alternatives


def test_answers_are_softmax_over_alternatives() -> None:
    """The judge of colors knows the last word only: of objects it knows none."""
    judge = ColorJudge()
    views = F.normalize(torch.tensor([[1.0, 0.2, 0.0, 0.0]]), dim=-1)
    found = answer(judge, views, "a car that is red")
    by_atom = {each.atom: each for each in found.each}
    assert by_atom["red"].chance == pytest.approx(1 / 12)
    known = {"red": 1 / 1.04**0.5, "green": 0.2 / 1.04**0.5, "blue": 0.0,
             "yellow": 1.2 / 2.08**0.5}  # fmt: skip
    total = sum(math.exp(10 * known.get(c, 0.0)) for c in (*known, *"12345678"))
    assert by_atom["red"].probability == pytest.approx(
        math.exp(10 * known["red"]) / total, rel=1e-4
    )
    assert by_atom["car"].probability == pytest.approx(1 / 16)  # all end with "red"
    a, b = (each.probability for each in found.each)
    assert found.mean == pytest.approx((a + b) / 2)
    assert found.geometric == pytest.approx(math.sqrt(a * b), rel=1e-5)
    assert answer(judge, views, "fire") is None


def test_the_list_is_hard_and_has_no_repetition() -> None:
    texts = [normalize_text(text) for text in hard_list()]
    assert len(set(texts)) == len(texts) == 476
    for text in ("red apple", "green apple", "apple"):
        assert text in texts


def test_operations_are_counted_once_per_crop_and_step() -> None:
    one = image_flops("mini")
    assert one is not None
    assert 2e8 < one < 2e9
    config = {"steps": 10, "crops": 6, "loss": [{"kind": "clip", "encoder": ["mini"]}]}
    assert encoder_flops(config) == 60 * one
    assert encoder_flops({**config, "loss": [*config["loss"], {"kind": "fsd"}]}) is None
    assert encoder_flops({"steps": 10, "loss": config["loss"]}) is None
