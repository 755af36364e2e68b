"""Sizes of images as users write them: "512" or "512x768"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from guidance.errors import InputError
from guidance.parsed import Parsed

#: The least and the most pixels of a side.
LEAST, MOST = 8, 2048
AUTO = "auto"


@dataclass(frozen=True)
class ImageSize(Parsed):
    """Pixels per side, or height and width; None stands for "auto"."""

    pixels: int | tuple[int, int] | None

    accepts = (str, int)

    @classmethod
    def parse(cls, text: str | int) -> ImageSize:
        """Reads 512, "512", "512x768" (width x height) or "auto".

        Raises:
            InputError: anything else, or a side out of range.
        """
        written = str(text).strip().lower()
        if written == AUTO:
            return cls(None)
        found = re.fullmatch(r"(\d{1,9})(?:\s*[x×]\s*(\d{1,9}))?", written)
        if found is None:
            raise InputError(
                f"size {str(text)[:40]!r}: expected pixels per side or width x height, e.g. 512 or "
                f'512x768, or "{AUTO}"'
            )
        width, height = int(found[1]), int(found[2] or found[1])
        for side in (width, height):
            if not LEAST <= side <= MOST:
                raise InputError(f"size {written}: expected {LEAST} to {MOST} pixels, got {side}")
        return cls(width if width == height else (height, width))

    def written(self) -> str | int:
        if self.pixels is None:
            return AUTO
        if isinstance(self.pixels, int):
            return self.pixels
        height, width = self.pixels
        return f"{width}x{height}"

    def __str__(self) -> str:
        return str(self.written())
