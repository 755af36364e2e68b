"""The recipe of the mini StyleGAN2: what z means, the loss, and the classifier's data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import leaky_relu

from guidance.stylegan.networks.dense import ROOT_2, SLOPE, Mapping, normalized
from recipes import mini_attributes, mini_stylegan, portrait_mapping
from recipes.data import portrait_factors as factors
from recipes.portrait_loss import DETAIL_WEIGHT, EDGE_WEIGHT, difference


def test_z_determines_portraits_of_the_same_distribution() -> None:
    z = torch.randn(20_000, mini_stylegan.CONFIG.z_dim, generator=torch.Generator().manual_seed(0))
    drawn, wanted = (
        mini_stylegan.latents(z),
        factors.sample(20_000, np.random.default_rng(0), 0.0),
    )
    for name, values in factors.ATTRIBUTES.items():
        shares = [np.bincount(each[name], minlength=len(values)) for each in (drawn, wanted)]
        assert np.abs(shares[0] - shares[1]).max() / 20_000 < 0.02, name
    for pair in (("age", "glasses"), ("skin", "hair_color"), ("eyes", "mouth")):
        related = [factors.association(each, *pair) for each in (drawn, wanted)]
        assert related[0] == pytest.approx(related[1], abs=0.03), pair
    again = mini_stylegan.latents(3 * z[:10])
    for name, each in again.items():
        np.testing.assert_allclose(each, drawn[name][:10], rtol=1e-5, atol=1e-5)


def test_numbers_read_orthonormal_directions_of_z() -> None:
    rotation = portrait_mapping.rotation(mini_stylegan.CONFIG.z_dim, mini_stylegan.SEED)
    assert rotation.shape == (factors.NUMBERS, mini_stylegan.CONFIG.z_dim)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(factors.NUMBERS))


@torch.no_grad()
def test_composed_layers_compute_the_attributes_of_z() -> None:
    """Exactly, except for z closer to a border than half the width of a ramp."""
    torch.manual_seed(0)
    config = mini_stylegan.CONFIG
    mapping = Mapping(config.z_dim, config.w_dim, config.mapping_widths, learning_rate=1.0)
    known = Mapping(factors.WIDTH, config.w_dim, portrait_mapping.ENTANGLING, learning_rate=1.0)
    portrait_mapping.compose(
        mapping, known, portrait_mapping.rotation(config.z_dim, mini_stylegan.SEED)
    )
    z = torch.randn(500, config.z_dim)
    wanted = torch.from_numpy(factors.vectors(mini_stylegan.latents(z)))
    x = normalized(z)
    for index in range(2):
        x = leaky_relu(mapping.get_submodule(f"fc{index}")(x), SLOPE) * ROOT_2
    found = x / ROOT_2
    choices = sum(map(len, factors.ATTRIBUTES.values()))
    found[:, choices:] -= 1
    error = (found - wanted)[:, :choices].abs().amax(1)
    far = error < 0.05
    assert far.float().mean() > 0.7
    assert error[far].max() < 1e-3 or error[far].mean() < 1e-3
    colors = (found - wanted)[far][:, choices:].abs()
    assert colors.mean() < 0.01 and colors.max() < 0.2  # `draw` clips colors, these layers do not
    w, exact = mapping(z), known(wanted)
    assert (w - exact)[far].square().mean() < 0.01 * exact.var()


def test_the_loss_is_the_sum_over_pixels_and_edges_by_weight() -> None:
    draw = torch.Generator().manual_seed(1)
    images = torch.rand(2, 3, 6, 5, generator=draw, requires_grad=True)
    wanted = torch.rand(2, 3, 6, 5, generator=draw)
    details = torch.zeros(1, 6, 5)
    details[0, 4, 4] = 2
    weights = np.ones((2, 6, 5))
    weights[:, 3:, 3:] += 2 * DETAIL_WEIGHT
    weights /= weights.mean()
    error = (images - wanted).detach().numpy()
    total = 0.0
    for n in range(2):
        for c in range(3):
            for y in range(6):
                for x in range(5):
                    here, weight = error[n, c, y, x], weights[n, y, x]
                    total += weight * abs(here) / (2 * 3 * 6 * 5)
                    if x:
                        step = abs(here - error[n, c, y, x - 1])
                        total += EDGE_WEIGHT * weight * step / (2 * 3 * 6 * 4)
                    if y:
                        step = abs(here - error[n, c, y - 1, x])
                        total += EDGE_WEIGHT * weight * step / (2 * 3 * 5 * 5)
    loss = difference(images, wanted, details)
    assert loss.item() == pytest.approx(total, rel=1e-5)
    loss.backward()
    assert images.grad is not None and images.grad.abs().min() > 0


def test_a_batch_depends_on_its_step_only() -> None:
    first, second = (factors.sample(4, mini_stylegan.seeded(7, 0)) for _ in range(2))
    other = factors.sample(4, mini_stylegan.seeded(8, 0))
    np.testing.assert_array_equal(first["background_rgb"], second["background_rgb"])
    assert (first["background_rgb"] != other["background_rgb"]).all()


def test_labels_name_every_attribute_of_the_classifier() -> None:
    drawn = factors.sample(50, np.random.default_rng(2))
    right = mini_attributes.labels(drawn)
    assert list(right) == list(mini_attributes.VALUES)
    for name, values in mini_attributes.VALUES.items():
        assert right[name].min() >= 0 and right[name].max() < len(values)
    long = right["hair_length"] == factors.LENGTHS.index("long")
    styles = [factors.ATTRIBUTES["hair_style"][i] for i in right["hair_style"][long].tolist()]
    assert set(styles) <= {"long", "very_long"}


def test_worn_images_change_little_and_repeat() -> None:
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    images = torch.nn.functional.avg_pool2d(images, 9, 1, 4)
    first, second = (
        mini_attributes.worn(images, torch.Generator().manual_seed(5)) for _ in range(2)
    )
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert first.shape == images.shape and first.min() >= 0 and first.max() <= 1
    assert 0.01 < (first - images).abs().mean() < 0.2
