"""The speed and the exactness of StyleGAN networks.

    PYTHONPATH=. python benchmarks/stylegan.py [speed] [exact]

Lines of JSON of the output are the results.

`speed`: forward pass and gradient with respect to the styles of StyleGAN2, in configuration F at
256 pixels and with few channels at 64, against the same network with a kernel of its own for each
sample in one grouped convolution. Both in one process, in alternating pairs; the result is the
median ratio.

`exact`: the largest difference between images of random networks of 256 pixels and those of the
slow definitions in `tests/stylegan/slow.py`, relative to the standard deviation of the images.
StyleGAN3-R has an eighth of the published channels, because its slow definition takes minutes.
"""

from __future__ import annotations

import sys

import torch
from measure import ratio_of_alternating, report
from torch import Tensor

from guidance.stylegan import StyleGAN, StyleGAN2Config, StyleGAN3Config
from guidance.stylegan.networks import stylegan2
from guidance.stylegan.networks.resampling import upfirdn
from tests.stylegan import slow

CONFIG_F = StyleGAN2Config(channels=(512,) * 5 + (256, 128))
CONFIG_R = StyleGAN3Config(
    resolution=256,
    channels=tuple(c // 8 for c in (1024,) * 7 + (724, 512, 362, 256, 181, 128, 128)),
    kernel=1,
    radial=True,
)
MINI = StyleGAN2Config(channels=(128, 128, 128, 64, 32), z_dim=128, w_dim=128)
UNIT = "1e-6 of the standard deviation"
#: Network and samples.
CASES = {
    "config F, 256 px, one sample": (CONFIG_F, 1),
    "128 channels, 64 px, 16 samples": (MINI, 16),
}
PAIRS = 4


def grouped(x: Tensor, weight: Tensor, style: Tensor, *, taps: Tensor | None = None) -> Tensor:
    """A modulated convolution with a kernel of its own for each sample."""
    n, (o, i, k, _) = len(x), weight.shape
    kernels = weight[None] * style[:, None, :, None, None]
    flat = x.reshape(1, n * i, *x.shape[2:])
    if taps is None:
        kernels = kernels.reshape(n * o, i, k, k)
        out = torch.nn.functional.conv2d(flat, kernels, padding=k // 2, groups=n)
        return out.reshape(n, o, *out.shape[2:])
    kernels = kernels.transpose(1, 2).reshape(n * i, o, k, k)
    out = torch.nn.functional.conv_transpose2d(flat, kernels, stride=2, groups=n)
    return upfirdn(out.reshape(n, o, *out.shape[2:]), taps, padding=(1, 1), gain=4.0)


def step(network: StyleGAN, ws: Tensor) -> Tensor:
    """The image, and the gradient with respect to the styles."""
    styles = [style.requires_grad_() for style in network.synthesis.styles(ws)]
    image = network.synthesis.from_styles(styles)
    torch.autograd.grad(image.square().mean(), styles)
    return image.detach()


def speed() -> None:
    """Prints the time of grouped convolution divided by that of scaled activations."""
    for name, (config, n) in CASES.items():
        network = StyleGAN(config).frozen()
        ws = torch.randn(n, network.synthesis.w_dim)

        def scaled(network: StyleGAN = network, ws: Tensor = ws) -> Tensor:
            return step(network, ws)

        def by_groups(network: StyleGAN = network, ws: Tensor = ws) -> Tensor:
            own = stylegan2.modulated_convolution
            stylegan2.modulated_convolution = grouped  # type: ignore[assignment]
            try:
                return step(network, ws)
            finally:
                stylegan2.modulated_convolution = own

        torch.testing.assert_close(by_groups(), scaled(), atol=1e-3, rtol=1e-3)
        ratio = ratio_of_alternating(by_groups, scaled, PAIRS, warm_up=0)
        title = f"grouped convolution / scaled activations, {name}"
        report(title, ratio, "ratio", 1.0, lower_is_better=False)


def exact() -> None:
    """Prints the largest difference from the slow definitions."""
    for title, config in (("StyleGAN2-F", CONFIG_F), ("StyleGAN3-R", CONFIG_R)):
        torch.manual_seed(0)
        network = StyleGAN(config).frozen()
        for layer in network.synthesis.layers:
            if layer.has_noise:
                module = network.synthesis.get_submodule(layer.name)
                module.noise_strength.fill_(0.1)
        ws, state = torch.randn(1, network.synthesis.num_ws, config.w_dim), network.state_dict()
        with torch.no_grad():
            image = network.synthesis(ws)
            if isinstance(config, StyleGAN3Config):
                options = {"critical": 2, "resolution": 256, "margin": 10, "radial": True}
                expected = slow.stylegan3(state, ws, options)
            else:
                expected = slow.stylegan2(state, ws)
        difference = 1e6 * float((image - expected).abs().max() / expected.std())
        report(f"{title} against its slow definition, 256 px", difference, UNIT, 100.0)


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["speed", "exact"]
    if "speed" in chosen:
        speed()
    if "exact" in chosen:
        exact()
