"""Masks of images: a file, or the words that describe the part that is inside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from guidance.errors import InputError
from guidance.parsed import Parsed

WORDS = "words:"


@dataclass(frozen=True)
class Mask(Parsed):
    """A mask: the path of an image, white = inside, or words such as "words:the hair"."""

    accepts: ClassVar[tuple[type, ...]] = (str, Path)

    text: str  # as written
    words: str | None = None

    @classmethod
    def parse(cls, text: Any) -> Mask:
        """Reads a path or "words:...".

        Raises:
            InputError: no words, an empty path, or a path with a null character.
        """
        text = str(text)
        if (words := words_of(text)) is not None:
            return cls(text, words)
        if not text.strip() or "\x00" in text:
            raise InputError(
                f"mask {text[:60]!r}: is not the path of an image; give mask.png or "
                '"words:the hair"'
            )
        return cls(text)

    @classmethod
    def names_file(cls, text: str) -> bool:
        return not text.startswith(WORDS)

    def written(self) -> str:
        return self.text

    @property
    def path(self) -> Path:
        """The file. Only for masks without words."""
        assert self.words is None
        return Path(self.text)


def words_of(text: str) -> str | None:
    """The words after "words:", or None for another text.

    Raises:
        InputError: nothing follows.
    """
    if not text.startswith(WORDS):
        return None
    words = " ".join(text.removeprefix(WORDS).split())
    if not words:
        raise InputError(f'mask {text[:60]!r}: has no words; e.g. "words:the hair"')
    return words
