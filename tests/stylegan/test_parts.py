"""Many samples are rendered in parts, whose results and gradients are those of the whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from guidance.directions.effects import mean_effects
from guidance.directions.samples import images_of, sample_ws
from guidance.stylegan import StyleGAN, parts
from guidance.stylegan.latents import Latents
from tests.directions.toy import ToyEncoder
from tests.stylegan.small import small_stylegan2, small_stylegan3

NETWORKS = pytest.mark.parametrize("make", [small_stylegan2, small_stylegan3])


def limit(monkeypatch: pytest.MonkeyPatch, network: StyleGAN, samples: int) -> list[int]:
    """Lets so many samples fit into memory; the list gets the samples of each pass."""
    each = network.synthesis.bytes_of_graph()
    monkeypatch.setattr(parts, "BUDGET", samples * each + each // 2)
    passes: list[int] = []
    real = network.synthesis.from_styles

    def from_styles(styles: Any, *args: Any, **options: Any) -> Tensor:
        passes.append(len(styles[0]))
        return real(styles, *args, **options)

    monkeypatch.setattr(network.synthesis, "from_styles", from_styles)
    return passes


def kept_bytes(network: StyleGAN, latents: Latents) -> int:
    """The memory that waits for the backward pass, without the weights."""
    weights = {x.untyped_storage().data_ptr() for x in network.state_dict().values()}
    found: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            found[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        latents.images(network.synthesis)
    return sum(tensor.untyped_storage().nbytes() for tensor in found.values())


@NETWORKS
def test_the_estimate_bounds_what_is_kept(make: Any) -> None:
    network = make().frozen()
    latents = Latents.of(network.synthesis, sample_ws(network, 3, 0).requires_grad_())
    each = kept_bytes(network, latents) / 3
    assert 0.3 * network.synthesis.bytes_of_graph() < each < network.synthesis.bytes_of_graph()


@NETWORKS
def test_parts_equal_the_whole(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    network = make().frozen()
    synthesis = network.synthesis
    ws = synthesis.broadcast(sample_ws(network, 5, 0)).clone().requires_grad_()
    features = synthesis.activations(synthesis.styles(ws), [2])[2].features
    added = (0.1 * torch.randn_like(features)).requires_grad_()
    noise = synthesis.draw_noise(5, torch.Generator().manual_seed(1))
    weight = torch.randn(5, 3, synthesis.resolution, synthesis.resolution)

    def render() -> tuple[Tensor, tuple[Tensor, ...], int]:
        latents = replace(Latents.of(synthesis, ws), additions={1: added}, noise=noise)
        images = latents.images(synthesis)
        gradients = torch.autograd.grad((images * weight).sum(), (ws, added))
        return images.detach(), gradients, kept_bytes(network, latents)

    images, gradients, kept = render()
    passes = limit(monkeypatch, network, 2)
    in_parts, gradients_in_parts, kept_in_parts = render()
    assert passes[:6] == [2, 2, 1, 1, 2, 2], "each part again in backward"
    assert kept_in_parts < 0.3 * kept
    torch.testing.assert_close(in_parts, images, rtol=1e-4, atol=1e-5)
    for one, other in zip(gradients_in_parts, gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()))


@NETWORKS
def test_directions_in_parts(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of effects, and images that continue from the features before a layer."""
    network, basis = make().frozen(), torch.eye(8)[:, :3]
    ws = sample_ws(network, 5, 0)
    table = mean_effects(network, ToyEncoder(), ws, basis).table
    styles = [style.requires_grad_() for style in network.synthesis.styles(ws)]
    start = network.synthesis.activations(styles, [2])[2]

    def suffix() -> tuple[Tensor, Tensor]:
        images = images_of(network.synthesis, styles, start)
        return images.detach(), torch.autograd.grad(images.square().sum(), styles[3])[0]

    images, gradient = suffix()
    passes = limit(monkeypatch, network, 2)
    found = mean_effects(network, ToyEncoder(), ws, basis).table
    assert passes == [2, 2, 1]
    torch.testing.assert_close(found, table, rtol=1e-2, atol=1e-2 * float(table.abs().max()))
    monkeypatch.setattr(parts, "BUDGET", 1)
    passes.clear()
    images_in_parts, gradient_in_parts = suffix()
    assert passes == [1] * 10
    torch.testing.assert_close(images_in_parts, images, rtol=1e-2, atol=1e-2)
    most = float(gradient.abs().max())
    torch.testing.assert_close(gradient_in_parts, gradient, rtol=2e-2, atol=2e-2 * most)
