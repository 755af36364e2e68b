"""Configurations of schema version 1, and flags by their old names.

The files in `version_1/` were written by real runs of the last version with that schema, with the
flags in `OLD`. They must load to the task that the flags in `NOW` give.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from guidance.commands.run import find_task, parse_task
from guidance.config.commandline import task_of
from guidance.config.files import as_mapping, as_yaml, read_config, strip_header
from guidance.tasks.base import Task

FOLDER = Path(__file__).parent / "version_1"
COMMON = "--preset draft --steps 2 --crops 2 --no-judge --device cpu --output out "
MESH = COMMON + "--views 2 --resolution 32 "
CUTOUT = (
    '--prompt "a red heart:1 -> 0.5" --prompt "a pizza" --negative "a face" --at "50% a pear" '
    '--templates plain --seed 3 --learning-rate "1 -> 0.1 cosine" --size 32 --finest 16 '
    '--outline "0.5 -> 1" --total-variation 0.2 --palette red --palette "#1a1c2c" '
)
GRID = (
    '--prompt "a red heart" --generator grid --cells 8 --palette red --palette blue --size 32 '
    "--export-size 72 --frames 3 --steps-per-frame 1 --zoom 1 --pan 0.125,0 "
)
NOISE = (
    '--prompt "a red heart" --generator noise --loss clip,sds:0.5 --denoiser mini-diffusion '
    '--guidance-scale "20 -> 7.5" --sampler-steps 2 --sampler-scale 2 --noise-norm 0.02 '
)
GENERATE_GRID = (
    '--prompt "a pear" --cells 8 --eikonal 0.2 --textureless 0.5 --bare normals --anchor 30 '
)
GENERATE = (
    '--prompt "a pear" --mode generate --reach 0.2 --edge-length 0.3 --finest 8 --map-size 64 '
)
DEFORM = '--prompt "a pig" --mesh cow.obj --symmetric --fov-jitter 10 --region "box:,60%,,,," '
STYLIZE = (
    '--prompt "a mosaic" --source "a landscape" --size 32 --crop-size 0.5 --threshold 0.5 '
    "--total-variation 0.1 "
)
EDIT = (
    '--prompt "a green apple" --source "a red apple" --mask mask.png --guidance-scale 5 --size 32 '
)
#: The flags of the runs that wrote the files, and those with the same meaning now.
OLD = {
    "cutout": "--loss spherical --sharpen 0 --image-prompt apple.png --style 'a sketch:0.5' "
    "--region 'sky.png=\"a blue sky\"' --smoothness 0.3 --symmetry '1 -> 0' --palette-weight 0.5 "
    "--edge lime --edge-weight 2 " + CUTOUT + COMMON,
    "grid": "--tileable --sharpen 0.3 " + GRID + COMMON,
    "noise": NOISE + COMMON,
    "generate_grid": "--surface grid --mode generate --asymmetric --view-words "
    + GENERATE_GRID
    + MESH,
    "generate": GENERATE + MESH,
    "deform_normals": "--mode deform --deform-by normals --sharpen 0.2 " + DEFORM + MESH,
    "stylize": "--picture photo.jpg --patch 0.8 --direction 0 --content '0.4 -> 0.2' --sharpen 0.3 "
    "--full-size " + STYLIZE + COMMON,
    "edit": "--picture apple.png --loss pds --total-variation 0.5 "
    + EDIT
    + COMMON.replace("--crops 2 ", ""),
}
NOW = {
    "cutout": "--loss 'spherical,palette:0.5,border:2,smoothness:0.3,symmetry:1 -> 0' "
    "--contrastive-weight 0 --style 'image:apple.png | a sketch:0.5' --border-color lime "
    "--region-prompt 'sky.png=\"a blue sky\"' " + CUTOUT + COMMON,
    "grid": "--tileable --contrastive-weight 0.3 " + GRID + COMMON,
    "noise": NOISE + COMMON,
    "generate_grid": "--mode generate_grid --no-symmetric --view-prompts " + GENERATE_GRID + MESH,
    "generate": GENERATE + MESH,
    "deform_normals": "--mode deform_normals --contrastive-weight 0.2 " + DEFORM + MESH,
    "stylize": "--image photo.jpg --loss 'patches:0.8,content:0.4 -> 0.2,contrastive:0.3' "
    "--full-size " + STYLIZE + COMMON,
    "edit": "--image apple.png --loss pds,total_variation:0.5 "
    + EDIT
    + COMMON.replace("--crops 2 ", ""),
}
#: The old names in each command.
RENAMED = {
    "cutout": {"sharpen", "image-prompt", "region", "palette", "palette-weight", "edge"}
    | {"edge-weight", "smoothness", "symmetry"},
    "grid": {"sharpen"},
    "noise": set(),
    "generate_grid": {"surface", "asymmetric", "view-words"},
    "generate": set(),
    "deform_normals": {"deform-by", "sharpen"},
    "stylize": {"picture", "patch", "direction", "content", "sharpen"},
    "edit": {"picture", "total-variation"},
}


def loaded(name: str) -> tuple[type[Task], Task]:
    """The class of the task of a file, and the task."""
    task, version, values = strip_header(read_config(FOLDER / f"{name}.yaml"), name)
    assert version == 1 and task is not None
    cls = find_task(task)
    return cls, task_of(cls, task, [], values, where=name, version=version)[0]


def normal(task: Task) -> dict[str, object]:
    """All options, with the losses in any order."""
    found = task.model_dump(mode="json")
    return found | {"loss": sorted(found["loss"], key=lambda loss: str(loss["kind"]))}


def test_every_file_is_tested() -> None:
    names = {path.stem for path in FOLDER.iterdir()}
    assert names == set(OLD) == set(NOW) == set(RENAMED)


@pytest.mark.parametrize("name", NOW)
def test_a_file_loads_to_the_task_of_the_same_flags(name: str) -> None:
    cls, task = loaded(name)
    assert normal(task) == normal(parse_task(cls, cls.task_name(), shlex.split(NOW[name])))


@pytest.mark.parametrize("name", OLD)
def test_old_flags_give_the_same_task_and_a_line_each(name: str) -> None:
    cls, task = loaded(name)
    found, notes = task_of(cls, cls.task_name(), shlex.split(OLD[name]), {})
    assert normal(found) == normal(task)
    assert {note.split()[0].removeprefix("--") for note in notes} == RENAMED[name]
    assert all(" is an old name; use --" in note and "\n" not in note for note in notes)


@pytest.mark.parametrize("name", NOW)
def test_it_is_written_in_the_present_version(name: str, tmp_path: Path) -> None:
    cls, task = loaded(name)
    path = tmp_path / "config.yaml"
    path.write_text(as_yaml(as_mapping(task, cls.task_name())))
    assert "schema_version: 3" in path.read_text()
    assert parse_task(cls, cls.task_name(), ["--config", str(path)]) == task
