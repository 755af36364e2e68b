"""Directions: what they do to styles, arithmetic, thresholds and files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import guidance as gd
from guidance.errors import InputError
from guidance.stylegan import StyleGAN, StyleGAN2Config

TINY = StyleGAN2Config(z_dim=8, w_dim=8, mapping_widths=(8,), channels=(6, 5, 4))


def tiny(seed: int = 0, config: StyleGAN2Config = TINY) -> StyleGAN:
    torch.manual_seed(seed)
    return StyleGAN(config).frozen()


def direction_of(network: StyleGAN, seed: int = 0, text: str = "a -> b") -> gd.StyleDirection:
    draws = torch.Generator().manual_seed(seed)
    sizes = [layer.channels for layer in network.synthesis.layers]
    steps = [torch.randn(c, generator=draws) for c in sizes]
    stds = [torch.rand(c, generator=draws) + 0.5 for c in sizes]
    return gd.StyleDirection.of(network, steps, stds, text=text)


def test_apply_adds_steps_times_deviations() -> None:
    network = tiny()
    direction = direction_of(network)
    styles = network.synthesis.styles(network.mapping(torch.randn(3, 8)))
    edited = direction.apply(styles, torch.tensor([0.0, 1.0, -2.0]))
    for before, after, step, std in zip(
        styles, edited, direction.steps, direction.stds, strict=True
    ):
        assert torch.equal(after[0], before[0])
        torch.testing.assert_close(after[1], before[1] + step * std)
        torch.testing.assert_close(after[2], before[2] - 2 * step * std)
    assert all(map(torch.equal, direction.apply(styles, 0.0), styles))


def test_arithmetic() -> None:
    network = tiny()
    one, two = direction_of(network, 0, "one"), direction_of(network, 1, "two")
    both = 0.5 * one + two
    assert both.text == "one + two"
    for vector, a, b in zip(both.vectors, one.vectors, two.vectors, strict=True):
        torch.testing.assert_close(vector, 0.5 * a + b)
    assert not (one - one).flat.any()
    assert float(one.normalized().flat.abs().max()) == 1
    with pytest.raises(InputError, match="two networks"):
        one + direction_of(tiny(1))


def test_thresholds_keep_the_strongest_channels() -> None:
    direction = direction_of(tiny())
    flat = direction.flat
    few = direction.thresholded(count=4)
    strongest = set(flat.abs().argsort(descending=True)[:4].tolist())
    assert set(few.flat.nonzero().flatten().tolist()) == strongest and few.count == 4
    half = direction.thresholded(beta=0.5).flat
    kept = flat.abs() >= 0.5 * flat.abs().max()
    assert torch.equal(half, torch.where(kept, flat, 0)) and 0 < int(kept.sum()) < len(flat)
    assert torch.equal(direction.thresholded(beta=0.0).flat, flat)
    assert torch.equal(direction.thresholded(count=10_000).flat, flat)
    for wrong in ({}, {"count": 1, "beta": 0.1}, {"count": 0}, {"beta": 1.5}):
        with pytest.raises(InputError):
            direction.thresholded(**wrong)  # type: ignore[arg-type]


def test_first_layer_is_where_the_edit_begins() -> None:
    network = tiny()
    direction = direction_of(network)
    steps = [torch.zeros_like(s) if i < 3 else s for i, s in enumerate(direction.steps)]
    late = gd.StyleDirection.of(network, steps, direction.stds)
    assert direction.first_layer == 0 and late.first_layer == 3
    styles = network.synthesis.styles(network.mapping(torch.randn(2, 8)))
    start = network.synthesis.activations(styles, [3])[3]
    edited = late.apply(styles, 2.0)
    torch.testing.assert_close(
        network.synthesis.from_styles(edited, start=start), network.synthesis.from_styles(edited)
    )
    assert (0.0 * late).first_layer == len(network.synthesis.layers)


def test_round_trip_of_a_file(tmp_path: Path) -> None:
    network = tiny()
    direction = direction_of(network).thresholded(count=5)
    path = direction.save(tmp_path / "new" / "smile.safetensors")
    loaded = gd.StyleDirection.load(path, network)
    assert torch.equal(loaded.flat, direction.flat) and loaded.text == "a -> b"
    assert all(map(torch.equal, loaded.stds, direction.stds))
    assert loaded.network == direction.network and loaded.layers == direction.layers


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = direction_of(tiny()).save(tmp_path / "d.safetensors")
    with pytest.raises(InputError, match="another network, with other weights"):
        gd.StyleDirection.load(path, tiny(1))
    wider = StyleGAN2Config(z_dim=8, w_dim=8, mapping_widths=(8,), channels=(7, 5, 4))
    with pytest.raises(InputError, match=r"8 layers with .* channels instead of 8 with"):
        gd.StyleDirection.load(path, tiny(0, wider))


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.safetensors"
    with pytest.raises(InputError, match="no such file"):
        gd.StyleDirection.load(path)
    with pytest.raises(InputError, match="a folder"):
        gd.StyleDirection.load(tmp_path)
    path.write_bytes(b"\x80\x02 a pickle")
    with pytest.raises(InputError, match="is a pickle"):
        gd.StyleDirection.load(path)
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="was not written by this package"):
        gd.StyleDirection.load(path)
    save_file({"x": torch.zeros(2)}, path, {"guidance": '{"format": "style-dictionary"}'})
    with pytest.raises(InputError, match="is not a style-direction"):
        gd.StyleDirection.load(path)
    layers = '"layers": ["a"], "network": "", "text": "", "notes": []'
    about = {"guidance": '{"format": "style-direction", "version": 1, ' + layers + "}"}
    save_file({"step.a": torch.zeros(2), "std.a": torch.zeros(3)}, path, about)
    with pytest.raises(InputError, match="differ in shape"):
        gd.StyleDirection.load(path)
    save_file({"step.a": torch.full((2,), torch.nan), "std.a": torch.zeros(2)}, path, about)
    with pytest.raises(InputError, match="NaN"):
        gd.StyleDirection.load(path)
