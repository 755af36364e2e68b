"""The pages: each generator is shown, images stay small, and every printed command can be read."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest
from PIL import Image

import guidance as gd
from guidance import cli
from guidance.commands.run import find_task, parse_task
from guidance.config.kinds import IMAGE_GENERATORS, MESH_MODES, names

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "generators.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = re.findall(r"^### (\S+)$", PAGE.read_text(), re.MULTILINE)
#: Generators of images that start from a given one.
OF_IMAGES = ("unet", "video", "masked", "latent_edit")


def test_each_generator_and_mode_is_shown_once() -> None:
    assert sorted(SHOWN) == sorted([*names(IMAGE_GENERATORS), *OF_IMAGES, *names(MESH_MODES)])


@pytest.mark.parametrize("name", SHOWN)
def test_each_section_has_its_image(name: str) -> None:
    section = re.search(rf"\n### {name}\n\n(.*?)(\n##|\Z)", PAGE.read_text(), re.DOTALL)
    assert section is not None
    image = f"images/generators/{name}.jpg"
    assert section[1].startswith(f"![{name}]({image})\n\n")
    assert "Use it" in section[1] or name in ("stylize", "video")
    with Image.open(PAGE.parent / image) as opened:
        assert opened.size == (160, 160)
        spread = max(high - low for low, high in opened.convert("RGB").getextrema())
        assert spread > 60, "shows nothing"


def test_the_page_shows_nothing_else_and_is_small() -> None:
    images = sorted((ROOT / "docs" / "images" / "generators").iterdir())
    assert [image.stem for image in images] == sorted(SHOWN)
    assert sum(image.stat().st_size for image in images) < 300_000


def commands() -> list[tuple[str, str]]:
    """The `guide run` lines of all pages, without comments and without placeholders."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^```\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                command = re.split(r"\s{2,}#", line)[0].strip()
                if command.startswith("guide run") and "..." not in command:
                    found.append((page.name, command))
    return found


@pytest.mark.parametrize(("page", "command"), commands(), ids=lambda text: text[-50:])
def test_every_printed_command_can_be_read(page: str, command: str, monkeypatch, capsys) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(command)[2:]
    if "--help" in words:
        with pytest.raises(SystemExit) as end:
            cli.main(["run", *words])
        assert not end.value.code
        return
    if words[0].endswith(".py") or "--resume" in words:
        return
    task = parse_task(find_task(words[0]), words[0], words[1:])
    assert capsys.readouterr().err == "", "uses an old name"
    for key in ("image", "mask", "scene"):
        path = getattr(task, key, None)
        if getattr(path, "words", None) is not None:
            continue
        path = getattr(path, "path", path)
        assert path is None or path.is_file(), f"{page} names {path}, which is not shipped"
    mesh = getattr(task, "mesh", "sphere")
    assert "." not in mesh or Path(mesh).is_file(), f"{page} names {mesh}, which is not shipped"


def test_python_on_the_pages_uses_what_exists() -> None:
    for page in PAGES:
        for block in re.findall(
            r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE
        ):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    assert node.value.id != "gd" or hasattr(gd, node.attr), f"{page}: {node.attr}"


def test_links_and_images_exist() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "recipes" / "README.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            assert "://" in target or (page.parent / target).exists(), f"{page}: {target}"


def test_its_command_makes_an_image_of_each(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = importlib.util.spec_from_file_location("images", ROOT / "docs" / "make_images.py")
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
    monkeypatch.setattr(sys, "argv", ["make_images.py", "fourier", "--preset", "draft"])
    made.main()
    assert [path.name for path in tmp_path.iterdir()] == ["fourier.jpg"]
    monkeypatch.setattr(sys, "argv", ["make_images.py", "nonsense"])
    with pytest.raises(SystemExit):
        made.main()
