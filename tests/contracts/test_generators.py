"""What every generator must do. A new file in guidance/generators/ is found by itself."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import guidance.generators
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.motion.output import MotionOutput
from guidance.outputs import Images, Rendering
from guidance.types import Generator, Loss, StepContext


def generators() -> list[type[Generator]]:
    """All of them; those of denoisers where the extra [diffusion] is installed."""
    found = set()
    for info in pkgutil.walk_packages(guidance.generators.__path__, "guidance.generators."):
        module = importlib.import_module(info.name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            is_ours = issubclass(kind, Generator) and kind.__module__ == module.__name__
            if is_ours and kind.tiny.__func__ is not Generator.tiny.__func__:  # no base class
                found.add(kind)
    if importlib.util.find_spec("diffusers") is None:
        found = {k for k in found if "denoiser" not in inspect.signature(k).parameters}
    return sorted(found, key=lambda kind: kind.__name__)


ALL = pytest.mark.parametrize("kind", generators(), ids=lambda kind: kind.__name__)


class Resemble(Loss):
    """Mean squared difference from target images, over white, or from joints of a motion."""

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.target = target

    def forward(self, rendering: Images, context: StepContext) -> Tensor:
        return (seen(rendering) - self.target).square().flatten(1).mean(1)


def seen(output: Images) -> Tensor:
    """What a generator is fitted to: images, or joints, whose images hide what is behind."""
    return output.joints if isinstance(output, MotionOutput) else output.over()


def views(kind: type[Generator], num_samples: int):  # type: ignore[no-untyped-def]
    """What the generator is looked at with: None for flat images."""
    tiny_views = getattr(kind, "tiny_views", None)
    return None if tiny_views is None else tiny_views(num_samples)


def show(generator: Generator) -> Rendering:
    return generator(views(type(generator), generator.num_samples))


def perturbed(kind: type[Generator], num_samples: int = 2, amount: float = 0.2) -> Generator:
    """A tiny instance away from its start, where everything that can be seen is seen."""
    generator = kind.tiny(num_samples)
    random = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in generator.parameters():
            # One draw for a sample and a copy for the others: samples alike but for their seeds.
            noise = torch.randn(parameter.shape[1:], generator=random)
            parameter.add_(amount * noise * parameter.abs().mean().clamp_min(0.5))
        generator.project()
    return generator


def test_the_shipped_generators_are_found() -> None:
    names = {kind.__name__ for kind in generators()}
    assert {"Pyramid", "Fourier", "Pixels", "Cutout", "StylizedMesh"} <= names


@ALL
@pytest.mark.parametrize("num_samples", [1, 3])
def test_shape_and_range(kind: type[Generator], num_samples: int) -> None:
    rendering = show(perturbed(kind, num_samples))
    n, v, channels, h, w = rendering.image.shape
    assert (n, channels) == (num_samples, 3) and v >= 1 and h == w
    assert rendering.image.dtype == torch.float32
    assert rendering.image.min() >= 0 and rendering.image.max() <= 1
    if rendering.alpha is not None:
        assert rendering.alpha.shape == (n, v, 1, h, w)
        assert rendering.alpha.min() >= 0 and rendering.alpha.max() <= 1
        assert (rendering.image <= rendering.alpha + 1e-5).all(), "image is not premultiplied"


@ALL
def test_every_parameter_belongs_to_samples_and_is_in_a_group(kind: type[Generator]) -> None:
    generator = kind.tiny(3)
    grouped = [id(p) for group in generator.param_groups() for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in generator.parameters())
    for name, parameter in generator.named_parameters():
        assert parameter.shape[0] == 3, name


@ALL
def test_gradient_reaches_every_parameter(kind: type[Generator]) -> None:
    generator = perturbed(kind)
    generator.advance(1.0)
    rendering = show(generator)
    weights = torch.rand(rendering.image.shape, generator=torch.Generator().manual_seed(0))
    (rendering.over() * weights).sum().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        for sample in range(2):
            assert parameter.grad[sample].isfinite().all(), name
            assert parameter.grad[sample].abs().sum() > 0, name


@ALL
def test_fits_a_target(kind: type[Generator]) -> None:
    target = seen(show(perturbed(kind, amount=1.0))).detach()
    generator = kind.tiny(2)
    before = (seen(show(generator)) - target).square().mean()
    cameras = views(kind, 2)
    optimize(
        generator,
        Resemble(target),
        Settings(steps=200, validations=10),
        views=None if cameras is None else lambda context: cameras,
    )
    after = (seen(show(generator)) - target).square().mean()
    assert after < 0.25 * before


@ALL
def test_repeats_under_one_seed_and_differs_under_another(kind: type[Generator]) -> None:
    first, again, others = kind.tiny(2), kind.tiny(2), kind.tiny(3)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    state = others.state_dict()
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, state[name][:2]), f"{name}: sample i depends on n"
    if any(not torch.equal(p[0], p[1]) for p in first.parameters()):
        return
    pytest.fail("two seeds start alike")


@ALL
def test_samples_are_independent_to_the_bit(kind: type[Generator]) -> None:
    ours, other = perturbed(kind), perturbed(kind)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter[1] += 0.37
    pictures = []
    for generator in (ours, other):
        rendering = show(generator)
        rendering.over().square().sum().backward()
        pictures.append(rendering.over().detach())
    assert torch.equal(pictures[0][0], pictures[1][0])
    assert not torch.equal(pictures[0][1], pictures[1][1])
    for mine, theirs in zip(ours.parameters(), other.parameters(), strict=True):
        assert mine.grad is not None and theirs.grad is not None
        assert torch.equal(mine.grad[0], theirs.grad[0])


@ALL
def test_state_loads_again(kind: type[Generator]) -> None:
    generator, fresh = perturbed(kind), kind.tiny(2)
    fresh.load_state_dict(generator.state_dict())
    assert torch.equal(show(generator).image, show(fresh).image)


@ALL
def test_export_loads_again_and_shows_the_same(kind: type[Generator], tmp_path: Path) -> None:
    generator = perturbed(kind)
    files = generator.export(tmp_path, 1)
    assert files and all(file.is_file() and file.parent == tmp_path for file in files)
    reload_exported = getattr(kind, "tiny_reload", None)
    if reload_exported is None:
        from PIL import Image

        picture = torch.from_numpy(np.asarray(Image.open(tmp_path / "image.png")).copy())
        loaded = picture.permute(2, 0, 1)[None].float() / 255
    else:
        loaded = reload_exported(tmp_path)
    difference = (loaded - show(generator).over()[1]).abs()
    assert difference.max() <= 0.5 / 255 + 1e-6 or difference.mean() < 2e-3
