"""The configurations that people copy must be ones that run."""

from __future__ import annotations

from pathlib import Path

import pytest

from guidance.config.commandline import parse
from guidance.config.discovery import find_task

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = sorted(path for path in CONFIGS.rglob("*.yaml") if path.parent.name != "assets")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_it_is_read_by_the_task_whose_folder_it_lies_in(path: Path) -> None:
    name = path.parent.name
    task = parse(find_task(name), name, ["--config", str(path)]).task
    assert task.sample_prompts
    if task.encoder == ["mini"]:
        task.build()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_its_own_command_is_in_it(path: Path) -> None:
    assert f"--config configs/{path.relative_to(CONFIGS).as_posix()}" in path.read_text()
