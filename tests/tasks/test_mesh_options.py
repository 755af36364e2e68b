"""Options of the mesh modes and of the cameras: each changes the run, and each is in one place."""

from __future__ import annotations

import itertools
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from guidance.config.commandline import task_help, task_of
from guidance.config.files import as_mapping, as_yaml, strip_header
from guidance.config.kinds import CAMERAS, MESH_MODES, names, options_of
from guidance.errors import InputError
from guidance.geometry.io.files import load_mesh, save_mesh
from guidance.loop.optimize import optimize
from guidance.meshes import Mesh
from guidance.options import Options
from guidance.tasks.base import Task
from guidance.tasks.text2mesh import TextToMesh
from tests.tasks.options import differ, flags, made

MODES = tuple(names(MESH_MODES))
COMMON: dict[str, Any] = {"steps": 2, "crops": 2, "views": 2, "resolution": 32, "device": "cpu"}
#: What makes the run of each mode small.
SMALL: dict[str, dict[str, Any]] = {
    "stylize": {"edge_length": 0.6},
    "texture": {"finest": 4, "texels": 32, "map_size": 32},
    "deform": {"edge_length": 0.4},
    "deform_normals": {"edge_length": 0.4},
    "generate": {"edge_length": 0.2, "finest": 4, "map_size": 32},
    "generate_grid": {"cells": 8},
}
#: Another value of each option of a mode.
SHADED: dict[str, Any] = {
    "ambient": 0.9,
    "ambient_jitter": 0.3,
    "bare": "normals",
    "textureless": 0.5,
    "normal_consistency": 7.0,
}
CHANGED: dict[str, dict[str, Any]] = {
    "stylize": {
        **SHADED,
        "paint": "vertices",
        "frequency": 2.0,
        "max_displacement": 0.3,
        "edge_length": 0.05,
        "symmetric": True,
        "laplacian": 5.0,
    },
    "texture": {
        "texels": 64,
        "map_size": 64,
        "finest": 8,
        "relief": 0.0,
        "environment": "sunset",
        "symmetric": True,
        "unwrap": True,
    },
    "deform": {**SHADED, "edge_length": 0.05, "symmetric": True, "rigidity": 4.0},
    "deform_normals": {**SHADED, "edge_length": 0.05, "symmetric": True},
    "generate": {
        **SHADED,
        "edge_length": 0.1,
        "reach": 0.4,
        "finest": 8,
        "map_size": 64,
        "symmetric": False,
    },
    "generate_grid": {
        **SHADED,
        "cells": 10,
        "finest": 4,
        "frequency": 2.0,
        "symmetric": False,
        "eikonal": 7.0,
    },
}
#: Options of cameras, in each mode.
OF_CAMERAS: dict[str, dict[str, Any]] = {
    "orbit": {
        "views": 3,
        "resolution": 48,
        "front": 90,
        "anchor": 60,
        "offset": 0.4,
        "fov_jitter": 20,
        "light_jitter": 1.0,
        "strength_jitter": 0.5,
    }
}
#: What an option needs to have an effect.
NEEDS: dict[str, dict[str, Any]] = {"bare": {"textureless": 0.5}}
SQUARE = (
    "v -1 -1 0\nv 1 -1 0\nv 1 1 0\nv -1 1 0\nvt 0 0\nvt 0.5 0\nvt 0.5 1\nvt 0 1\n"
    "f 1/1 2/2 3/3\nf 1/1 3/3 4/4\n"
)


@pytest.fixture(scope="module")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A mesh for each mode that takes one: with colors, and with UV coordinates."""
    folder = tmp_path_factory.mktemp("meshes")
    given = load_mesh("cone").mesh
    red = torch.tensor([1.0, 0, 0]).expand_as(given.vertices)
    colored = str(save_mesh(Mesh(given.vertices, given.faces, red), folder / "red.ply"))
    (folder / "square.obj").write_text(SQUARE)
    return {
        "stylize": "cube",
        "deform": colored,
        "deform_normals": colored,
        "texture": str(folder / "square.obj"),
    }


def run(mode: str, mesh: str, *changes: tuple[str, Any]) -> list[Any]:
    """Losses, images, and parameters with the exported map, of two steps."""
    given = {"mesh": mesh} if mesh else {}
    options = {**COMMON, **SMALL[mode], **given, **dict(changes)}
    plan = made(TextToMesh, prompt="a red heart", mode=mode, **options).build()
    result = optimize(plan.generator, plan.losses, plan.settings, views=plan.views)
    state = dict(result.generator.state_dict())
    if "map_size" in CHANGED[mode]:
        material = plan.generator.mesh(0).material
        assert material is not None
        state["exported map"] = material.base_color
    return [torch.tensor(result.losses), state, result.images]


plain = cache(run)


def option_pairs(changed: dict[str, dict[str, Any]], kind: Any) -> list[tuple[str, str]]:
    """Each component of a kind with each of its options, from the classes of options."""
    return [(name, key) for name in names(kind) for key in options_of(kind, name).model_fields]


@pytest.mark.parametrize(("mode", "option"), option_pairs(CHANGED, MESH_MODES))
def test_every_option_of_a_mode_changes_the_run(
    mode: str, option: str, meshes: dict[str, str]
) -> None:
    mesh, needs = meshes.get(mode, ""), tuple(NEEDS.get(option, {}).items())
    assert option in CHANGED[mode], f"add a value of --{option} to CHANGED[{mode!r}]"
    assert differ(
        plain(mode, mesh, *needs), run(mode, mesh, *needs, (option, CHANGED[mode][option]))
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("cameras", "option"), option_pairs(OF_CAMERAS, CAMERAS))
def test_every_option_of_the_cameras_changes_the_run(
    cameras: str, option: str, mode: str, meshes: dict[str, str]
) -> None:
    mesh = meshes.get(mode, "")
    assert option in OF_CAMERAS[cameras], f"add a value of --{option} to OF_CAMERAS"
    changed = ("cameras", cameras), (option, OF_CAMERAS[cameras][option])
    assert differ(plain(mode, mesh), run(mode, mesh, *changed))


def test_other_values_of_options_are_values_of_options() -> None:
    for changed, kind in ((CHANGED, MESH_MODES), (OF_CAMERAS, CAMERAS)):
        tried = [(name, key) for name, values in changed.items() for key in values]
        assert sorted(tried) == sorted(option_pairs(changed, kind))


@pytest.mark.parametrize("mode", MODES)
def test_a_configuration_loads_as_an_equal_task(mode: str) -> None:
    changed = {**CHANGED[mode], **OF_CAMERAS["orbit"]}
    for options in ({}, changed):
        task = made(TextToMesh, prompt="a pear: 0.5", mode=mode, **options)
        text = as_yaml(as_mapping(task, "text2mesh"))
        name, version, values = strip_header(yaml.safe_load(text), "it")
        again, notes = task_of(TextToMesh, str(name), [], values, version=version)
        assert again == task and not notes
        assert type(again.mode) is options_of(MESH_MODES, mode)
        assert as_yaml(as_mapping(again, "text2mesh")) == text


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_is_a_name_or_a_mapping_or_its_options(mode: str) -> None:
    cls = options_of(MESH_MODES, mode)
    changed = CHANGED[mode]
    task = made(TextToMesh, prompt="a pear", mode=mode, **changed)
    assert task == TextToMesh(prompt="a pear", mode={"kind": mode, **changed})
    assert task == TextToMesh(prompt="a pear", mode=cls(**changed))
    assert TextToMesh(mode=mode) == TextToMesh(mode=cls()) == TextToMesh(mode={"kind": mode})


def groups(page: str) -> dict[str, list[str]]:
    """The flags of a help page by the headings that they stand under, in order."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in page.splitlines():
        if line and not line.startswith(" "):
            heading = line
        elif match := re.match(r"  --(?:no-)?([a-z0-9-]+)", line):
            found.setdefault(heading, []).append(match[1].replace("-", "_"))
    return found


@pytest.mark.parametrize("mode", MODES)
def test_help_lists_the_options_of_the_task_and_of_the_mode(mode: str) -> None:
    page = task_help(TextToMesh, "text2mesh", ["--mode", mode, "--help"], Task, {})
    shared = list(Task.model_fields)
    assert groups(page) == {
        "options of text2mesh:": [key for key in TextToMesh.model_fields if key not in shared],
        f"options of --mode {mode}:": list(options_of(MESH_MODES, mode).model_fields),
        "options of every task:": [*shared, "config"],
    }


def test_help_without_a_mode_lists_the_modes() -> None:
    page = task_help(TextToMesh, "text2mesh", ["--help"], Task, {})
    own = [key for key in TextToMesh.model_fields if key not in Task.model_fields]
    assert groups(page) == {
        "options of text2mesh:": own,
        "options of every task:": [*Task.model_fields, "config"],
    }
    for name, line in names(MESH_MODES).items():
        assert re.search(rf"^  {name}( \*)? +{re.escape(line[:30])}", page, re.M)


def foreign(mode: str) -> list[str]:
    """Options that other modes have and this one has not."""
    every = (options_of(MESH_MODES, other).model_fields for other in MODES)
    own = options_of(MESH_MODES, mode).model_fields
    return sorted(set(itertools.chain(*every)) - set(own))


@pytest.mark.parametrize(
    ("mode", "option"), [(mode, option) for mode in MODES for option in foreign(mode)]
)
def test_options_of_other_modes_are_refused(mode: str, option: str) -> None:
    owners = [name for name in MODES if option in options_of(MESH_MODES, name).model_fields]
    flag = f"--{option.replace('_', '-')}"
    belongs = f"--mode {', '.join(owners)}"
    with pytest.raises(InputError, match=f"^{flag} belongs to {belongs}; see `guide run text2mesh"):
        flags(TextToMesh, "--mode", mode, flag, "1")
    with pytest.raises(ValueError, match=f"{mode} has no such option; its options: "):
        TextToMesh(mode={"kind": mode, option: 1})


def test_options_are_checked_when_they_are_made(tmp_path: Path) -> None:
    for options, message in (
        ({"mode": {"kind": "texture", "texels": 3}}, "expected at least 16"),
        ({"mode": {"kind": "deform", "rigidity": "strong"}}, "rigidity"),
        ({"mode": "textur"}, "unknown mode 'textur'; did you mean 'texture'?"),
        ({"cameras": {"kind": "orbit", "views": 0}}, "expected at least 1"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            TextToMesh(**options)
    with pytest.raises(InputError, match="--texels: expected at least 16"):
        flags(TextToMesh, "--mode", "texture", "--texels", "3")
    mode = options_of(MESH_MODES, "texture")()
    assert isinstance(mode, Options)
    with pytest.raises(ValueError, match="frozen"):
        mode.texels = 64  # type: ignore[attr-defined]
