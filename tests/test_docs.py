"""The page of generators shows each of them, and its images stay small."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from guidance import cli
from guidance.config.discovery import defines, first_line

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "generators.md"
GENERATORS = sorted(
    path for path in (ROOT / "guidance" / "generators").glob("*.py") if defines(path, "Generator")
)
SHOWN = re.findall(r"^### (\S+)$", PAGE.read_text(), re.MULTILINE)


def test_what_a_task_offers_is_shown_and_what_is_shown_exists() -> None:
    from guidance.tasks.stylize import Stylize
    from guidance.tasks.text2image import TextToImage

    offered = {
        choice
        for task in (TextToImage, Stylize)
        for choice in get_args(task.model_fields["generator"].annotation)
    }
    assert offered <= set(SHOWN) <= {path.stem for path in GENERATORS}


@pytest.mark.parametrize("name", SHOWN)
def test_each_section_has_its_picture(name: str) -> None:
    section = re.search(rf"\n### {name}\n\n(.*?)(\n##|\Z)", PAGE.read_text(), re.DOTALL)
    assert section is not None
    image = f"images/generators/{name}.jpg"
    assert section[1].startswith(f"![{name}]({image})\n\n")
    assert "Take it" in section[1]
    with Image.open(PAGE.parent / image) as picture:
        assert picture.size == (160, 160)
        spread = max(high - low for low, high in picture.convert("RGB").getextrema())
        assert spread > 60, "shows nothing"


def test_the_page_shows_nothing_else_and_is_small() -> None:
    images = sorted((ROOT / "docs" / "images" / "generators").iterdir())
    assert [image.stem for image in images] == sorted(SHOWN)
    assert sum(image.stat().st_size for image in images) < 300_000


def test_options_on_the_page_are_those_of_the_tasks() -> None:
    from guidance.tasks.edit import Edit
    from guidance.tasks.stylize import Stylize
    from guidance.tasks.text2image import TextToImage
    from guidance.tasks.text2mesh import TextToMesh

    tasks = (Edit, Stylize, TextToImage, TextToMesh)
    known = {name for task in tasks for name in task.model_fields}
    said = set(re.findall(r"--([a-z-]+)", PAGE.read_text()))
    assert {name.replace("-", "_") for name in said} <= known


def test_the_list_shows_each_with_its_line_and_names_the_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["list"])
    told = capsys.readouterr().out
    for path in GENERATORS:
        assert re.search(rf"\n  {path.stem} +{re.escape(first_line(path))}\n", told)
    assert "docs/generators.md shows an image of each generator" in told


def test_its_command_makes_a_picture_of_each(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = importlib.util.spec_from_file_location("images", ROOT / "docs" / "make_pictures.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert set(made.MAKERS) == set(SHOWN)
    monkeypatch.setattr(made, "IMAGES", tmp_path)
    monkeypatch.setattr(
        made,
        "common",
        lambda preset, folder: {
            "preset": preset,
            "steps": 1,
            "size": 32,
            "judge": False,
            "output": folder,
            "device": "cpu",
        },
    )
    monkeypatch.setattr(sys, "argv", ["make_pictures.py", "fourier", "--preset", "draft"])
    made.main()
    assert [path.name for path in tmp_path.iterdir()] == ["fourier.jpg"]
    monkeypatch.setattr(sys, "argv", ["make_pictures.py", "nonsense"])
    with pytest.raises(SystemExit):
        made.main()
