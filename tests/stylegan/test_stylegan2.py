"""StyleGAN2 against slow definitions, by value and gradient; styles, suffixes, additions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.stylegan import Activations, StyleGAN, as_images, load_stylegan
from guidance.stylegan.files.save import save_stylegan
from tests.stylegan import slow
from tests.stylegan.small import small_stylegan2


@pytest.fixture(scope="module")
def network() -> StyleGAN:
    return small_stylegan2()


def _latents(network: StyleGAN, n: int = 3) -> Tensor:
    torch.manual_seed(5)
    return torch.randn(n, network.synthesis.num_ws, network.synthesis.w_dim)


def _gradients(image: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    torch.manual_seed(6)
    return list(torch.autograd.grad((image * torch.randn_like(image)).sum(), leaves))


@pytest.mark.parametrize("clamp", [None, 0.7])
def test_values_and_gradients_are_those_of_the_definition(clamp: float | None) -> None:
    network = small_stylegan2(clamp=clamp)
    state = {name: x.detach().clone() for name, x in network.state_dict().items()}
    names = [name for name, x in network.named_parameters() if name.startswith("synthesis.")]
    for name in names:
        state[name].requires_grad_()
    ws = _latents(network).requires_grad_()
    image, slow_image = network.synthesis(ws), slow.stylegan2(state, ws, clamp)
    assert image.shape == (3, 3, 32, 32)
    torch.testing.assert_close(image, slow_image, atol=1e-5, rtol=1e-5)
    parameters = [network.get_parameter(name) for name in names]
    found = _gradients(image, [ws, *parameters])
    expected = _gradients(slow_image, [ws, *(state[name] for name in names)])
    for each, other in zip(found, expected, strict=True):
        torch.testing.assert_close(each, other, atol=2e-4 * float(other.abs().max()), rtol=0)


def test_mapping_with_labels_and_truncation() -> None:
    network = small_stylegan2(c_dim=4, embedding=5)
    z, labels = torch.randn(3, 9), torch.eye(4)[:3]
    expected = slow.mapping(network.state_dict(), z, labels, 0.01)
    w = network.mapping(z, labels=labels)
    torch.testing.assert_close(w, expected)
    mean = network.mapping.w_avg
    torch.testing.assert_close(
        network.mapping(z, 0.6, labels), 0.6 * expected + 0.4 * mean.expand_as(expected)
    )
    with pytest.raises(InputError, match=r"expected labels \[n, 4\]"):
        network.mapping(z)
    with pytest.raises(InputError, match="expected no labels"):
        small_stylegan2().mapping(z, labels=labels)


def test_the_table_of_layers(network: StyleGAN) -> None:
    layers = network.synthesis.layers
    assert [layer.name for layer in layers[:5]] == [
        "b4.conv1", "b4.torgb", "b8.conv0", "b8.conv1", "b8.torgb"
    ]  # fmt: skip
    assert [layer.w_index for layer in layers[:5]] == [0, 1, 1, 2, 3]
    assert [layer.channels for layer in layers[:5]] == [12, 12, 12, 10, 10]
    assert [layer.is_rgb for layer in layers[:3]] == [False, True, False]
    assert network.synthesis.num_ws == 8
    assert network.synthesis.readable == (4, 8, 16, 32)
    styles = network.synthesis.styles(_latents(network))
    assert [tuple(style.shape) for style in styles] == [(3, layer.channels) for layer in layers]


def test_w_is_w_plus_with_equal_latents(network: StyleGAN) -> None:
    w = _latents(network)[:, 0]
    repeated = w[:, None].repeat(1, network.synthesis.num_ws, 1)
    torch.testing.assert_close(network.synthesis(w), network.synthesis(repeated))


def test_samples_are_independent(network: StyleGAN) -> None:
    ws = _latents(network)
    alone = torch.cat([network.synthesis(each[None]) for each in ws])
    torch.testing.assert_close(network.synthesis(ws), alone, atol=1e-5, rtol=1e-5)


def test_suffixes_continue_from_kept_activations(network: StyleGAN) -> None:
    synthesis = network.synthesis
    styles = synthesis.styles(_latents(network))
    image = synthesis.from_styles(styles)
    states = synthesis.activations(styles, range(len(synthesis.layers)))
    for index, state in states.items():
        assert state.layer == index
        ignored = [torch.full_like(style, torch.nan) for style in styles[:index]]
        again = synthesis.from_styles([*ignored, *styles[index:]], start=state)
        torch.testing.assert_close(again, image, atol=1e-5, rtol=1e-5)
    # one sample, at several styles of a later layer
    one = states[5].select(1).expand(3)
    assert isinstance(one, Activations)
    again = synthesis.from_styles([style[1:2].expand(3, -1) for style in styles], start=one)
    torch.testing.assert_close(again, image[1:2].expand_as(again), atol=1e-5, rtol=1e-5)


def test_images_are_read_at_a_smaller_side(network: StyleGAN) -> None:
    ws = _latents(network)
    states = network.synthesis.activations(network.synthesis.styles(ws), [8])
    small = network.synthesis(ws, max_resolution=20)
    assert states[8].image is not None
    torch.testing.assert_close(small, states[8].image)
    assert small.shape[-1] == 16
    assert network.synthesis(ws, max_resolution=1).shape[-1] == 4
    without = small_stylegan2(skips=False).synthesis
    assert without.readable == (32,)
    assert without(_latents(network), max_resolution=8).shape[-1] == 32


def test_additions_change_one_map(network: StyleGAN) -> None:
    synthesis = network.synthesis
    styles = synthesis.styles(_latents(network))
    at = 5
    layer = synthesis.layers[at]
    shape = (3, layer.out_channels, layer.resolution, layer.resolution)
    addition = torch.zeros(shape, requires_grad=True)
    image = synthesis.from_styles(styles, additions={at: addition})
    torch.testing.assert_close(image, synthesis.from_styles(styles))
    (gradient,) = _gradients(image, [addition])
    assert (gradient.abs().amax(dim=(1, 2, 3)) > 0).all()
    states = synthesis.activations(styles, [at + 1], additions={at: torch.ones(shape)})
    plain = synthesis.activations(styles, [at + 1])
    difference = states[at + 1].features - plain[at + 1].features
    torch.testing.assert_close(difference, torch.ones(shape))


def test_noise(network: StyleGAN) -> None:
    synthesis, ws = network.synthesis, _latents(network)
    noise = synthesis.draw_noise(3, torch.Generator().manual_seed(1))
    assert [x is not None for x in noise] == [not layer.is_rgb for layer in synthesis.layers]
    random, const, none = (synthesis(ws, kind) for kind in (noise, "const", "none"))
    assert min((random - const).abs().max(), (none - const).abs().max()) > 1e-3
    stored = [
        synthesis.get_buffer(f"{layer.name}.noise_const")[None, None] if layer.has_noise else None
        for layer in synthesis.layers
    ]
    torch.testing.assert_close(synthesis(ws, stored), const)
    zeros = [None if x is None else torch.zeros_like(x) for x in noise]
    torch.testing.assert_close(synthesis(ws, zeros), none)
    assert not any(layer.has_noise for layer in small_stylegan2(use_noise=False).synthesis.layers)


def test_saved_networks_are_loaded_again(network: StyleGAN, tmp_path: Path) -> None:
    save_stylegan(network, tmp_path)
    again = load_stylegan(f"local-dir:{tmp_path}")
    assert again is load_stylegan(str(tmp_path))
    assert again.config == network.config
    assert not any(parameter.requires_grad for parameter in again.parameters())
    z = torch.randn(2, 9)
    assert torch.equal(again(z, 0.7), network(z, 0.7))
    torch.testing.assert_close(as_images(torch.tensor([[-1.0, 0.0, 1.0]])[None, None]).flatten(),
                               torch.tensor([0.0, 0.5, 1.0]))  # fmt: skip
