"""StyleGAN3 against slow definitions, by value and gradient; its styles and suffixes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from guidance.stylegan import StyleGAN, StyleGAN3Config, load_stylegan
from guidance.stylegan.files.save import save_stylegan
from guidance.stylegan.networks.lowpass import kaiser_lowpass, radial_lowpass
from tests.stylegan import slow
from tests.stylegan.small import small_stylegan3

CONFIGURATIONS = {"t": {}, "r": {"kernel": 1, "radial": True}}


def _latents(network: StyleGAN, n: int = 2) -> Tensor:
    torch.manual_seed(5)
    return torch.randn(n, network.synthesis.num_ws, network.synthesis.w_dim)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_values_and_gradients_are_those_of_the_definition(configuration: str) -> None:
    network = small_stylegan3(**CONFIGURATIONS[configuration])
    state = {name: x.detach().clone() for name, x in network.state_dict().items()}
    names = [name for name, x in network.named_parameters() if name.startswith("synthesis.")]
    for name in names:
        state[name].requires_grad_()
    ws = _latents(network).requires_grad_()
    options = {"critical": 2, "resolution": 32, "margin": 4, "radial": configuration == "r"}
    image, slow_image = network.synthesis(ws), slow.stylegan3(state, ws, options)
    assert image.shape == (2, 3, 32, 32)
    assert image.std() > 0.02
    torch.testing.assert_close(image, slow_image, atol=1e-5, rtol=1e-5)
    weights = torch.randn_like(image)
    found = torch.autograd.grad(
        (image * weights).sum(), [ws, *(network.get_parameter(name) for name in names)]
    )
    expected = torch.autograd.grad(
        (slow_image * weights).sum(), [ws, *(state[name] for name in names)]
    )
    for each, other in zip(found, expected, strict=True):
        torch.testing.assert_close(each, other, atol=1e-3 * float(other.abs().max()), rtol=0)


def test_the_layout_of_the_published_networks() -> None:
    """The names, and with them the sizes and channels, of the layers of published networks."""
    names = [
        "L0_36_512",
        "L1_36_512",
        "L2_36_512",
        "L3_52_512",
        "L4_52_512",
        "L5_84_512",
        "L6_84_512",
        "L7_148_512",
        "L8_148_512",
        "L9_148_362",
        "L10_276_256",
        "L11_276_181",
        "L12_276_128",
        "L13_256_128",
        "L14_256_3",
    ]
    channels = tuple(int(name.split("_")[2]) for name in names[:-1])
    with torch.device("meta"):
        network = StyleGAN(StyleGAN3Config(resolution=256, channels=channels))
    assert [layer.name for layer in network.synthesis.layers] == ["input", *names]
    assert network.synthesis.num_ws == 16
    assert [layer.w_index for layer in network.synthesis.layers] == list(range(16))


def test_the_filters_pass_low_frequencies_only() -> None:
    taps = kaiser_lowpass(24, 8.0, 8.0, 64.0)
    assert float(taps.sum()) == pytest.approx(1)
    gain = [
        abs(sum(float(t) * complex(math.cos(a * i), math.sin(a * i)) for i, t in enumerate(taps)))
        for a in (0.0, 2 * math.pi * 2 / 64, 2 * math.pi * 8 / 64, 2 * math.pi * 16 / 64)
    ]
    assert gain[0] == pytest.approx(1)
    assert gain[1] == pytest.approx(1, abs=0.05)
    assert gain[2] == pytest.approx(0.5, abs=0.05)
    assert gain[3] < 0.02
    assert torch.equal(kaiser_lowpass(1, 8.0, 8.0, 64.0), torch.ones(1))
    radial = radial_lowpass(12, 8.0, 8.0, 64.0)
    torch.testing.assert_close(radial, radial.T)
    torch.testing.assert_close(radial, radial.flip(0))
    torch.testing.assert_close(radial, slow.lowpass(12, 8.0, 4.0, 64.0, radial=True))
    torch.testing.assert_close(taps, slow.lowpass(24, 8.0, 4.0, 64.0, radial=False))


def test_suffixes_and_additions() -> None:
    network = small_stylegan3()
    synthesis = network.synthesis
    styles = synthesis.styles(_latents(network))
    image = synthesis.from_styles(styles)
    for state in synthesis.activations(styles, range(1, len(synthesis.layers))).values():
        again = synthesis.from_styles(styles, start=state)
        torch.testing.assert_close(again, image)
    assert synthesis.readable == (32,)
    assert synthesis.from_styles(styles, max_resolution=8).shape[-1] == 32
    layer = synthesis.layers[3]
    addition = torch.ones(2, layer.out_channels, layer.resolution, layer.resolution)
    assert not torch.equal(synthesis.from_styles(styles, additions={3: addition}), image)


def test_samples_are_independent() -> None:
    network = small_stylegan3()
    ws = _latents(network)
    alone = torch.cat([network.synthesis(each[None]) for each in ws])
    torch.testing.assert_close(network.synthesis(ws), alone, atol=1e-5, rtol=1e-5)


def test_saved_networks_are_loaded_again(tmp_path: Path) -> None:
    network = small_stylegan3(**CONFIGURATIONS["r"])
    save_stylegan(network, tmp_path)
    z = torch.randn(2, 9)
    assert torch.equal(load_stylegan(str(tmp_path))(z), network(z))
