"""How results show themselves in notebooks: a small gallery without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guidance.errors import InputError
from guidance.reports.media import FACES, kind_of, pixels_of, thumbnail

#: The most images in a notebook's cell.
MOST = 24


@dataclass(frozen=True)
class Tile:
    """One result: its files, and the lines below its image."""

    files: Sequence[Path]
    lines: tuple[str, ...]


def gallery(folder: Path, tiles: Sequence[Tile]) -> str:
    """HTML of small images with their lines, and the folder below; texts are escaped."""
    from guidance.reports.page import environment

    shown = [(_uri(folder, tile), tile.lines) for tile in tiles[:MOST]]
    page = environment().get_template("notebook.html")
    return page.render(tiles=shown, folder=folder, more=max(0, len(tiles) - MOST))


def _uri(folder: Path, tile: Tile) -> str:
    """The image of a result as a data URI; empty if it has none that can be read."""
    files = {path.name: path for path in tile.files if kind_of(path) in ("image", "video")}
    for name in (*FACES, *files):
        if name in files:
            try:
                return thumbnail(pixels_of(folder, files[name]), name).uri
            except InputError:
                continue  # the next file may show the result
    return ""
