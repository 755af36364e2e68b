"""The configurations that users copy can be run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guidance.commands.run import find_task, parse_task
from guidance.config.kinds import TASKS, names
from guidance.tasks.base import Task

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
#: Sweeps are tested in tests/sweeps.
OTHERS = ("assets", "sweeps")
FILES = sorted(path for path in CONFIGS.rglob("*.yaml") if path.parent.name not in OTHERS)
EMBEDDED = {"mini", "mini-diffusion"}


def name_of(path: Path) -> str:
    return path.relative_to(CONFIGS).as_posix()


def parsed(path: Path, words: list[str]) -> Task:
    name = path.parent.name
    return parse_task(find_task(name), name, ["--config", str(path), *words])


def test_every_task_has_one() -> None:
    assert {path.parent.name for path in FILES} == set(names(TASKS))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_it_configures_the_task_of_its_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    printed = re.search(r"--image (configs/\S+)", path.read_text())
    task = parsed(path, ["--image", printed[1]] if printed else [])
    assert task.sample_prompts
    if set(task.models) <= EMBEDDED:
        task.build()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_its_command_is_in_it(path: Path) -> None:
    command = f"# guide run {path.parent.name} --config configs/{name_of(path)}"
    assert command in path.read_text().splitlines() or f"{command} " in path.read_text()
