"""The portraits of the mini StyleGAN2: attributes, correlation, composition of layers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.data import portrait_factors as factors
from recipes.data.portraits import LAYERS, Portraits, draw

DOT = '<circle cx="{}" cy="{}" r="3" fill="{}"/>'


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as `portraits.mjs` writes it, with circles and squares for parts."""
    pytest.importorskip("resvg_py")
    frame = DOT.format(12, 5, "#1B0640")
    found = {
        "head": "M18 13h28v33h-28Z",
        "eyes": {name: DOT.format(5, 5, "#1B0640") for name in ("open", "sleep")},
        "glasses": frame + frame.replace("<circle", "<path d='M0 0h24v10h-24Z' opacity='.5'"),
        "mouth": {name: DOT.format(9, 5, "#1B0640") for name in ("smile", "frown", "surprise")},
        "nose": {
            "mediumRound": '<path d="M4 4h8v4h-8Z" fill="#000" style="mix-blend-mode:overlay" '
            'opacity=".36"/>',
            "wrinkles": '<path opacity=".12" d="M2 4h12v1h-12Z" fill="#000"/>',
        },
        "hair": {
            name: f'<path d="M14 {9 + i}h32v8h-32Z" fill="{{hair}}"/><path d="M14 12h9v3h-9Z" '
            'fill="#fff" style="mix-blend-mode:overlay" opacity=".26"/>'
            for i, name in enumerate(
                ("shortCombover", "curlyHighTop", "shortComboverChops", "bobCut", "curly",
                 "pigtails", "long", "extraLong")
            )
        },
        "body": {
            name: f'<path d="M{3 + i} 7h30v13h-30Z" fill="{{clothes}}"/>'
            for i, name in enumerate(("squared", "rounded", "checkered"))
        },
    }  # fmt: skip
    path = tmp_path_factory.mktemp("parts") / "portraits.json"
    path.write_text(json.dumps(found))
    return path


def test_composed_layers_equal_one_drawing(parts: Path) -> None:
    portraits = Portraits(parts, 32)
    drawn = factors.sample(6, np.random.default_rng(1), 1.0)
    images = portraits.images(drawn)
    assert images.shape == (6, 3, 32, 32)
    for index, image in enumerate(images):
        whole = draw(portraits.svg(drawn, index), 32)
        assert torch.allclose(whole[3], torch.ones(32, 32))
        # resvg rounds to eight bits after each layer.
        assert (whole[:3] - image).abs().max() < 4.5 / 255
    changed = {**drawn, "age": 1 - drawn["age"], "eyes": 1 - drawn["eyes"]}
    moved = (portraits.images(changed) - images).abs().amax((0, 1)) > 0.1
    details = portraits.details()
    assert moved.any() and (details[0][moved] > 0).all()
    assert 0 < (details > 0).float().mean() < 0.5


def test_a_layer_follows_its_attribute_and_its_color(parts: Path) -> None:
    portraits = Portraits(parts, 32)
    drawn = factors.sample(1, np.random.default_rng(2), 1.0)
    before = portraits.images(drawn)
    for name, attribute, color in LAYERS:
        if name == "body":
            drawn[attribute] = (drawn[attribute] + 1) % 3
            moved = portraits.images(drawn)
            changed = (moved - before).abs().amax(1)[0] > 0.02
            assert changed.any() and not changed[:20].any(), "only clothes, at the bottom"
        if color == "hair_color":
            other = {**drawn, "hair_color_rgb": 1 - drawn["hair_color_rgb"]}
            assert (portraits.images(other) - before).abs().max() > 0.05


def test_attributes_are_correlated_as_stated_and_every_pair_occurs() -> None:
    drawn = factors.sample(40_000, np.random.default_rng(3))
    for one, other in factors.CORRELATIONS:
        assert factors.association(drawn, one, other) > 0.12, (one, other)
        assert factors.association(drawn, one, other) == pytest.approx(
            factors.association(drawn, other, one)
        )
    assert factors.association(drawn, "skin", "glasses") < 0.03
    assert factors.association(drawn, "age", "age") == pytest.approx(1)
    for one in factors.NAMES:
        for other in factors.NAMES:
            pairs = set(zip(drawn[one].tolist(), drawn[other].tolist(), strict=True))
            wanted = len(factors.ATTRIBUTES[one]) * len(factors.ATTRIBUTES[other])
            assert one == other or len(pairs) == wanted, (one, other)


def test_exceptions_are_independent_and_equally_frequent() -> None:
    drawn = factors.sample(20_000, np.random.default_rng(4), 1.0)
    for name, values in factors.ATTRIBUTES.items():
        share = np.bincount(drawn[name], minlength=len(values)) / 20_000
        assert np.abs(share - 1 / len(values)).max() < 0.02, name
    assert factors.association(drawn, "age", "glasses") < 0.03


def test_frequencies_and_correlations_are_those_of_the_copula() -> None:
    random = np.random.default_rng(5)
    drawn = factors.draw(random.standard_normal((40_000, factors.NUMBERS)))
    for name, frequencies in factors.FREQUENCIES.items():
        assert set(frequencies) == set(factors.ATTRIBUTES[name])
        assert sum(frequencies.values()) == pytest.approx(1)
        for value, wanted in frequencies.items():
            share = (drawn[name] == factors.ATTRIBUTES[name].index(value)).mean()
            assert share == pytest.approx(wanted, abs=0.012), (name, value)
    matrix = factors.mixing()
    found = matrix @ matrix.T
    for (one, other), wanted in factors.CORRELATIONS.items():
        places = factors.NAMES.index(one), factors.NAMES.index(other)
        assert found[places] == pytest.approx(wanted)
    np.testing.assert_allclose(np.diag(found), 1)


def test_vectors_hold_one_value_per_attribute_and_the_colors() -> None:
    drawn = factors.sample(5, np.random.default_rng(6))
    rows = factors.vectors(drawn)
    assert rows.shape == (5, factors.WIDTH) and rows.dtype == np.float32
    choices = sum(map(len, factors.ATTRIBUTES.values()))
    assert (rows[:, :choices].sum(1) == len(factors.ATTRIBUTES)).all()
    np.testing.assert_allclose(rows[:, -3:], drawn["background_rgb"] * 2 - 1)
    again = factors.vectors(factors.sample(5, np.random.default_rng(6)))
    np.testing.assert_array_equal(rows, again)
    assert set(factors.lengths(drawn).tolist()) <= {0, 1, 2}
