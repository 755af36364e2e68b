"""The precedence of values: flags, presets named as flags, files, their presets, defaults.

The same for the options of a task and for those of the components that it chooses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from guidance.commands.run import parse_task
from guidance.losses.patches import PatchDirectional
from guidance.rendering.cameras.orbit import Orbit
from guidance.tasks.stylize import Stylize
from guidance.tasks.text2mesh import TextToMesh

PATCHES = PatchDirectional.Options
ORBIT = Orbit.Options


def crops(task: Stylize) -> int:
    """The crops of the first loss."""
    options = task.loss[0].options
    assert isinstance(options, PATCHES)
    return options.crops


def stylize(**given: Any) -> Stylize:
    return Stylize(prompt="a mosaic", **given)


@pytest.mark.parametrize("preset", ["draft", "normal", "best"])
def test_a_preset_sets_options_of_components(preset: Any) -> None:
    usual = PATCHES.PRESETS[preset]["crops"]
    assert crops(stylize(preset=preset)) == usual
    for loss in ("patches", [{"kind": "patches", "crop_size": 0.5}], [PATCHES(crop_size=0.5)]):
        assert crops(stylize(preset=preset, loss=loss)) == usual
    cameras = TextToMesh(prompt="a pear", preset=preset).cameras
    assert cameras == ORBIT(**ORBIT.PRESETS[preset])


@pytest.mark.parametrize("preset", ["draft", "normal", "best"])
def test_explicit_values_take_precedence(preset: Any) -> None:
    for value in (7, PATCHES.model_fields["crops"].default):
        for loss in ({"kind": "patches", "crops": value}, PATCHES(crops=value)):
            assert crops(stylize(preset=preset, loss=[loss])) == value
    for cameras in ({"kind": "orbit", "resolution": 48}, ORBIT(resolution=48)):
        found = TextToMesh(prompt="a pear", preset=preset, cameras=cameras).cameras
        assert found == ORBIT(**ORBIT.PRESETS[preset] | {"resolution": 48})


def test_what_takes_precedence_over_what(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"

    def parsed(written: dict[str, Any], *words: str) -> tuple[int, int, int]:
        path.write_text(yaml.safe_dump({"prompt": "a pear", **written}))
        task = parse_task(TextToMesh, "text2mesh", ["--config", str(path), *words])
        assert isinstance(task, TextToMesh) and isinstance(task.cameras, ORBIT)
        return task.steps, task.cameras.views, task.cameras.resolution

    for written in (
        {"preset": "draft", "steps": 9, "cameras": {"kind": "orbit", "views": 5}},
        {"preset": "draft", "steps": 9, "views": 5},
    ):
        # The file over its own preset, over the defaults.
        assert parsed(written) == (9, 5, 112)
        # A preset as a flag over the file, and flags over both.
        assert parsed(written, "--preset", "best") == (400, 6, 224)
        assert parsed(written, "--preset", "best", "--views", "7") == (400, 7, 224)
        assert parsed(written, "--views", "7") == (9, 7, 112)
        # The same component again keeps its options from the file.
        assert parsed(written, "--cameras", "orbit") == (9, 5, 112)
    assert parsed({"preset": "best", "resolution": 64}) == (400, 6, 64)
    assert parsed({"resolution": 64}, "--preset", "draft") == (60, 3, 64)


def test_another_component_does_not_inherit_options(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("prompt: a pear\nmode:\n  kind: deform\n  edge_length: 0.3\n")
    words = ["--config", str(path), "--mode", "stylize"]
    task = parse_task(TextToMesh, "text2mesh", words)
    assert task == TextToMesh(prompt="a pear", mode="stylize")
