"""The embedded StyleGAN2 and the classifier of its portraits, with the weights that ship."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from guidance.evaluate.attributes import AttributeClassifier, load_attributes
from guidance.models.foreign.places import PACKAGED
from guidance.stylegan import StyleGAN, as_images, load_stylegan

# Typical colors, as in `recipes/data/portrait_factors.py`.
SHIRTS = {
    "red": (214, 52, 48), "yellow": (246, 206, 66), "green": (62, 160, 82), "blue": (52, 104, 214),
    "purple": (130, 74, 186), "pink": (242, 128, 178), "black": (44, 44, 50),
    "white": (242, 242, 244),
}  # fmt: skip
SKINS = {
    "light": (246, 208, 182), "tan": (226, 167, 124), "brown": (172, 110, 72), "dark": (106, 66, 48)
}  # fmt: skip


@pytest.fixture(scope="module")
def network() -> StyleGAN:
    return load_stylegan("mini-stylegan")


@pytest.fixture(scope="module")
def images(network: StyleGAN) -> Tensor:
    z = torch.randn(100, network.mapping.z_dim, generator=torch.Generator().manual_seed(5))
    return as_images(network(z)).clamp(0, 1)


def _nearest(color: Tensor, names: dict[str, tuple[int, int, int]]) -> list[str]:
    typical = torch.tensor(list(names.values())) / 255
    return [list(names)[i] for i in torch.cdist(color, typical).argmin(1).tolist()]


def test_the_classifier_names_the_colors_that_pixels_have(images: Tensor) -> None:
    found = load_attributes().names(images)
    plain = [i for i, names in enumerate(found) if names["clothes"] != "checkered"]
    shoulders = images[:, :, 60:63, 20:24].flatten(2).median(2).values
    shirts = _nearest(shoulders, SHIRTS)
    assert sum(shirts[i] == found[i]["clothes_color"] for i in plain) >= 0.95 * len(plain)
    necks = images[:, :, 46:50, 30:34].flatten(2).median(2).values
    free = [i for i, names in enumerate(found) if names["beard"] == "none"]
    skins = _nearest(necks, SKINS)
    assert sum(skins[i] == found[i]["skin"] for i in free) >= 0.9 * len(free)


def test_probabilities_belong_to_the_values_of_the_card(images: Tensor) -> None:
    classifier = load_attributes()
    card = json.loads((PACKAGED / "mini_attributes" / "guidance.json").read_text())
    assert {name: tuple(values) for name, values in card["attributes"].items()} == classifier.values
    found = classifier.probabilities(images[:7])
    assert set(found) == set(classifier.values)
    for name, p in found.items():
        assert p.shape == (7, len(classifier.values[name]))
        torch.testing.assert_close(p.sum(1), torch.ones(7))
    names = classifier.names(images[:7])
    for name, p in found.items():
        best = [classifier.values[name][i] for i in p.argmax(1).tolist()]
        assert best == [each[name] for each in names]


def test_larger_images_have_the_same_attributes(images: Tensor) -> None:
    larger = torch.nn.functional.interpolate(images[:40], (160, 160), mode="bilinear")
    pairs = zip(load_attributes().names(images[:40]), load_attributes().names(larger), strict=True)
    same = [first[name] == second[name] for first, second in pairs for name in first]
    assert sum(same) >= 0.97 * len(same)


def test_samples_are_different_people_of_certain_attributes(images: Tensor) -> None:
    found = load_attributes().probabilities(images)
    for name in ("skin", "hair_color", "glasses", "eyes", "mouth", "clothes_color", "hair_length"):
        counts = torch.bincount(found[name].argmax(1), minlength=found[name].shape[1])
        assert (counts > 0).all(), name
        assert (found[name].amax(1) > 0.8).float().mean() > 0.85, name


def test_truncation_moves_towards_one_mean_face(network: StyleGAN) -> None:
    z = torch.randn(20, network.mapping.z_dim, generator=torch.Generator().manual_seed(6))
    spreads = [as_images(network(z, psi)).std(0).mean() for psi in (1.0, 0.6, 0.2, 0.0)]
    assert spreads[0] > spreads[1] > spreads[2] > spreads[3]
    assert spreads[3] < 1e-5
    w = network.mapping(torch.randn(4000, network.mapping.z_dim))
    assert (w.mean(0) - network.mapping.w_avg).norm() < 0.1 * (w - w.mean(0)).norm(dim=1).mean()


def test_a_classifier_has_as_many_logits_as_values() -> None:
    classifier = AttributeClassifier({"one": ("a", "b"), "two": ("c", "d", "e")}).eval()
    logits = classifier(torch.rand(2, 3, 64, 64))
    assert {name: tuple(each.shape) for name, each in logits.items()} == {
        "one": (2, 2), "two": (2, 3),
    }  # fmt: skip
