"""Pipes, devices and folders in place of files: refused at once by every reader."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from guidance.config.files import read_config
from guidance.config.kinds import TASKS, load_file
from guidance.errors import InputError
from guidance.evaluate.finished import read_texts
from guidance.files import refuse_special_file
from guidance.geometry.io.files import load_mesh
from guidance.media.metadata import carries
from guidance.media.read_image import load_image
from guidance.media.read_video import is_video
from guidance.prompts import read_templates
from guidance.tasks.mesh.scene_file import read_scene

READERS: dict[str, Callable[[Path], object]] = {
    "image": load_image,
    "video": is_video,
    "configuration": read_config,
    "metadata": carries,
    "templates": lambda path: read_templates(str(path)),
    "mesh": load_mesh,
    "scene.yaml": read_scene,
    "scene.toml": read_scene,
    "texts": read_texts,
    "task.py": lambda path: load_file(TASKS, str(path)),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_named_pipe_is_no_file(tmp_path: Path, reader: str) -> None:
    path = tmp_path / reader
    os.mkfifo(path)
    with pytest.raises(InputError, match="is not a plain file but a named pipe; give the path"):
        READERS[reader](path)


def test_what_is_no_plain_file(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
    for path, what in [
        (tmp_path, "a folder"),
        (Path("/dev/zero"), "a device"),
        (tmp_path / "socket", "a socket"),
    ]:
        with pytest.raises(InputError, match=f"{path}: is not a plain file but {what}"):
            refuse_special_file(path)


def test_paths_that_cannot_be_looked_up(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    for path, reason in [
        (tmp_path / ("a" * 300), "cannot be opened: file name too long"),
        (tmp_path / "loop", "cannot be opened: too many levels of symbolic links"),
        (tmp_path / "file" / "x", "cannot be opened: not a directory"),
        (Path("a\0b"), "contains a null character"),
    ]:
        with pytest.raises(InputError, match=reason) as error:
            refuse_special_file(path, f"image {path}")
        assert len(str(error.value)) < 300
    refuse_special_file(tmp_path / "nowhere")
    refuse_special_file(tmp_path / "file")
