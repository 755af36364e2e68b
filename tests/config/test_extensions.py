"""One file extends the package: the examples of CONTRIBUTING.md run as they are printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from guidance.config.kinds import IMAGE_GENERATORS, find, names, options_of
from guidance.errors import InputError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"^### [^\n]*: `(\w+\.py)`\n\n```python\n(.*?)```\n\n```\n(.*?)```",
    PAGE,
    re.DOTALL | re.MULTILINE,
)


def guide(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "guidance", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_kind_has_an_example() -> None:
    assert [name for name, _, _ in EXAMPLES] == [
        "corners.py", "dark.py", "pebble.py", "hues.py", "blot.py",
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "code", "command"), EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_the_examples_run_as_printed(name: str, code: str, command: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(code)
    words = shlex.split(command)
    assert words.pop(0) == "guide"
    done = guide(words, tmp_path)
    assert done.returncode == 0, done.stderr
    files = [tmp_path / line for line in done.stdout.splitlines()]
    assert files and all(file.is_file() for file in files)
    folder = files[0].parent
    # Its own option is in the help, and in the configuration of the run.
    flag = next(word for word in words if word in ("--contrast", "--floor", "--reach",
                                                    "--sharpness", "--size"))  # fmt: skip
    told = guide([*words, "--help"], tmp_path).stdout
    assert flag in told and name.removesuffix(".py") in told
    config = (folder / "config.yaml").read_text()
    assert f"{flag.removeprefix('--')}: {words[words.index(flag) + 1]}" in config
    if name == "blot.py":
        return
    # A configuration never runs code: the user names the file again.
    refused = guide(["rerun", str(folder / "config.yaml")], tmp_path)
    assert (
        refused.returncode == 2
        and "only run when it is named on the command line" in refused.stderr
    )
    named = next(word for word in words if name in word)
    before = words[words.index(named) - 1]
    again = guide(
        ["rerun", str(folder / "config.yaml"), before, named, "--output", "again"], tmp_path
    )
    assert again.returncode == 0, again.stderr
    (other,) = (tmp_path / "again").glob("*/*/metrics.jsonl")
    assert other.read_bytes() == (folder / "metrics.jsonl").read_bytes()
    assert yaml.safe_load(config)["schema_version"] == 3


def test_another_package_adds_a_component_by_an_entry_point(monkeypatch) -> None:
    from guidance.generators.image.pixels import Pixels

    class Entry:
        name, dist = "dots", None

        def load(self) -> type:
            return Pixels

    real = metadata.entry_points

    def entry_points(group: str) -> object:
        return [Entry()] if group == IMAGE_GENERATORS.group else real(group=group)

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    assert names(IMAGE_GENERATORS)["dots"] == "from the package ?"
    assert find(IMAGE_GENERATORS, "dots") is Pixels
    assert options_of(IMAGE_GENERATORS, "dots").component is Pixels
    monkeypatch.setattr(Entry, "load", lambda self: int)
    with pytest.raises(InputError, match="which is not a Generator"):
        find(IMAGE_GENERATORS, "dots")
