"""Images above 512 pixels: the views of each step, and that the rest is as for small images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from guidance.config.kinds import IMAGE_GENERATORS, names, options_of
from guidance.generators.image.cutout import Cutout
from guidance.generators.image.param.canvas import IN_ONE
from guidance.generators.image.pyramid import Pyramid
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize
from guidance.loop.result import Result
from guidance.losses.border import Border
from guidance.losses.outline import Outline
from guidance.losses.symmetry import Symmetry
from guidance.losses.total_variation import TotalVariation
from guidance.outputs import Rendering
from guidance.runs.plan import Plan
from guidance.tasks.text2image import TextToImage
from guidance.types import Loss, StepContext
from guidance.views import Windows
from tests.tasks.options import differ, made

#: 576 is the least multiple of twice 32 cells above 512.
LARGE: dict[str, Any] = {"size": 576, "crops": 2, "steps": 4, "device": "cpu"}
#: Generators that are optimized through windows.
WINDOWED = [
    name
    for name in names(IMAGE_GENERATORS)
    if getattr(options_of(IMAGE_GENERATORS, name), "renders_windows", False)
]


def plan_of(**fields: Any) -> Plan:
    plan = made(TextToImage, **{"prompt": "a red heart", **LARGE, **fields}).build()
    return replace(plan, settings=replace(plan.settings, validations=2))


def run(plan: Plan, resume: dict[str, Tensor] | None = None, keep: Any = None) -> Result:
    return optimize(
        plan.generator,
        plan.losses,
        plan.settings,
        views=plan.views,
        resume=resume,
        listeners=[keep] if keep else [],
    )


def trace(plan: Plan) -> list[Any]:
    result = run(plan)
    return [torch.tensor(result.losses), result.generator.state_dict(), result.images]


@pytest.mark.parametrize("size", [576, 1024, 2048])
def test_the_views_of_a_step_have_at_most_the_pixels_of_one_small_image(size: int) -> None:
    plan = plan_of(size=size, prompt=["a red heart", "a pizza"])
    assert plan.views is not None
    seen = []
    for progress in (0.0, 0.4, 0.6, 1.0):
        windows = plan.views(StepContext((0, 1), step=3, progress=progress))
        assert isinstance(windows, Windows) and bool((windows.side[:, 0] == 1).all())
        assert windows.side.shape[1] * windows.pixels**2 <= IN_ONE**2
        seen.append(windows.side.shape[1])
    assert seen[:2] == [1, 1] and min(seen[2:]) > 1
    fixed = plan.views(StepContext((0, 1), progress=1.0, phase="validation"))
    assert isinstance(fixed, Windows) and fixed.side.tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize("generator", ["cutout", "pyramid"])
def test_the_number_of_parameters_depends_on_finest_and_not_on_size(generator: str) -> None:
    def count(**fields: Any) -> int:
        return sum(p.numel() for p in plan_of(generator=generator, **fields).generator.parameters())

    assert count(size=576) == count(size=2048) < count(size=2048, finest=128)


def test_up_to_512_pixels_the_image_is_rendered_whole() -> None:
    for generator, kind in (("cutout", Cutout), ("pyramid", Pyramid)):
        plan = plan_of(size=512, generator=generator)
        assert plan.views is None and isinstance(plan.generator, kind)
        assert plan.generator.coarse == plan.generator.finest == 32


@pytest.mark.parametrize("generator", ["pixels", "fourier", "wavelet"])
def test_generators_without_windows_render_the_whole_image_at_any_size(generator: str) -> None:
    plan = plan_of(generator=generator)
    assert plan.views is None
    assert plan.generator().image.shape[-2:] == (576, 576)


@pytest.mark.parametrize("generator", WINDOWED)
def test_files_have_the_full_size_and_previews_do_not(generator: str, tmp_path: Path) -> None:
    more = {"strokes": {"num_strokes": 8}, "grid": {"tileable": True}}.get(generator, {})
    plan = plan_of(generator=generator, steps=2, **more)
    result = run(plan)
    assert result.images.shape[-1] < 576
    for path in plan.generator.export(tmp_path, 0):
        if path.suffix == ".png" and path.name != "cells.png":
            picture = Image.open(path)
            assert picture.size == (576, 576)
            assert len(set(picture.convert("L").resize((64, 64)).tobytes())) > 5
    assert plan.views(StepContext((0,), progress=1.0)).some(slice(1)).side.tolist() == [[1.0]]


@pytest.mark.parametrize("kept", [1, 3, 4])
def test_a_resumed_run_gives_the_same_bits(kept: int) -> None:
    snapshots: dict[int, dict[str, Tensor]] = {}

    def keep(event: Event) -> None:
        if isinstance(event, StepEvent):
            snapshots[event.step] = event.snapshot()

    whole = run(plan_of(), keep=keep)
    resumed = run(plan_of(), resume=snapshots[kept])
    assert torch.equal(whole.images, resumed.images)
    assert whole.losses == resumed.losses


@pytest.mark.parametrize(
    ("option", "value"), [("finest", 32), ("size", 640), ("seed", 7), ("crops", 3)]
)
def test_options_change_large_images_too(option: str, value: int) -> None:
    assert differ(trace(plan_of()), trace(plan_of(**{option: value})))


def test_samples_do_not_appear_in_windows_of_others() -> None:
    # Adam would enlarge the rounding of gradients near 0.
    plain = {"generator": "pyramid", "optimizer": "sgd", "learning_rate": 1000.0}
    alone = plan_of(**plain)
    start = alone.generator().image[0].detach()
    together = run(plan_of(prompt=["a red heart", "a pizza"], **plain)).generator().image[0]
    apart = run(alone).generator().image[0]
    assert (apart - start).abs().mean() > 0.01
    assert torch.allclose(together, apart, atol=1e-4)


def test_regions_are_parts_of_the_whole_image(tmp_path: Path) -> None:
    mask = Image.new("L", (40, 40), "black")
    mask.paste(255, (0, 0, 20, 40))
    mask.save(tmp_path / "mask.png")
    region = f'{tmp_path / "mask.png"}="a blue sky"'
    assert differ(trace(plan_of()), trace(plan_of(region_prompt=region)))


@pytest.mark.parametrize(
    "loss", [Outline((0.6, 0.8), crispness=1.0, perimeter=1.0), Symmetry(), Border("red")]
)
def test_losses_of_the_composition_ignore_windows(loss: Loss) -> None:
    torch.manual_seed(0)
    image, alpha = torch.rand(1, 2, 3, 8, 8), torch.rand(1, 2, 1, 8, 8)
    side = torch.tensor([[1.0, 0.5]])
    windows = Windows(1 - side, 1 - side, side, 8)
    now = StepContext((0,), progress=1.0)
    both = loss(Rendering(image, alpha, windows=windows), now)
    assert torch.equal(both, loss(Rendering(image[:, :1], alpha[:, :1]), now))
    assert not torch.equal(both, loss(Rendering(image, alpha), now))


def test_total_variation_includes_windows() -> None:
    image = torch.zeros(1, 2, 3, 8, 8)
    image[:, 1, ..., ::2] = 1
    windows = Windows(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([[1.0, 0.5]]), 8)
    assert TotalVariation()(Rendering(image, windows=windows), StepContext((0,))).item() == 0.5
