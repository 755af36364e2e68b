"""Images and videos in folders, recognized by their content."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from guidance.errors import InputError
from guidance.media.formats import FORMATS, first_bytes, image_format, opened, video_format
from guidance.media.read_image import DAMAGED, is_animated
from guidance.search.items import IMAGE, VIDEO
from guidance.search.manifest import LOCK, NAME

#: Names of images and videos: a file with such a name and other content is damaged.
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif"),
    *(".heic", ".jxl", ".jp2", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"),
    *(".flv", ".wmv"),
)
#: The most bytes of a file.
MAX_BYTES = 2**36


def find(places: Sequence[Path]) -> list[Path]:
    """All files in folders and their subfolders, and files that are named, as absolute paths.

    Left out are hidden files and folders, search indices, and links to folders.

    Raises:
        InputError: a place does not exist.
    """
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise InputError(f"{place}: no such file or folder")
        if place.is_dir():
            found += _walk(place.absolute())
        else:
            found.append(place.absolute())
    return list(dict.fromkeys(map(normalized, found)))


def normalized(path: Path) -> Path:
    """The absolute path without "..", as `find` returns it."""
    return Path(os.path.normpath(path.absolute()))


def _walk(folder: Path) -> Iterator[Path]:
    for base, folders, files in os.walk(folder):
        if NAME in files and LOCK in files:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(base, name)
            if not name.startswith(".") and path.is_file():
                yield path


def kind_of(path: Path) -> str | None:
    """Whether a file is an image or a video; None if it is neither.

    A GIF with several frames is a video; of other animations, the first frame is an image.

    Raises:
        InputError: its name is that of an image or a video, but its content is not.
    """
    with opened(path, str(path), MAX_BYTES) as file:
        start = first_bytes(file)
        form, video = image_format(start), video_format(start)
        if form == "GIF":
            try:
                return VIDEO if is_animated(file, form) else IMAGE
            except DAMAGED:
                raise InputError(f"{path}: is a damaged GIF") from None
    if form in FORMATS:
        return IMAGE
    if video is not None:
        return VIDEO
    if path.suffix.lower() in SUFFIXES:
        raise InputError(f"{path}: is not a readable image or video ({form or 'unknown format'})")
    return None
