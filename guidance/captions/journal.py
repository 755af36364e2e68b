"""A JSONL file of captions that is continued: lines that are done are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.runs.atomic import os_errors, write_text

#: The most bytes of a file that is continued.
MAX_BYTES = 2**30


class Journal:
    """Appends one JSON object per line, and knows the files that it has lines for.

    A last line that was cut off by a crash is removed. The lines of a file are written together,
    so that a video has all its segments or none.

    Args:
        path: of the file; it is created if it is missing.
        settings: what all lines must have been made with; stored in each line as `made_by`.

    Raises:
        InputError: the file is damaged, too large, or was made with other settings.
    """

    def __init__(self, path: Path, settings: str) -> None:
        self.path, self.settings = path, settings
        self.done: set[str] = set()
        refuse_special_file(path)
        if path.exists():
            self._read()
        with os_errors(path):
            self._file: IO[str] = path.open("a", encoding="utf-8")

    def _read(self) -> None:
        if self.path.stat().st_size > MAX_BYTES:
            raise InputError(f"{self.path}: is larger than {MAX_BYTES // 2**20} MB; name a new one")
        content = self.path.read_bytes()
        kept = content[: content.rfind(b"\n") + 1]
        for number, line in enumerate(kept.splitlines(), 1):
            try:
                found = json.loads(line)
                file, settings = found["file"], found["made_by"]
            except (ValueError, KeyError, TypeError, RecursionError):
                raise InputError(
                    f"{self.path}: line {number} is not a caption; name a new file"
                ) from None
            if settings != self.settings:
                raise InputError(
                    f"{self.path}: was made with {str(settings)!r:.80}, not with "
                    f"{self.settings!r:.80}; name a new file"
                )
            self.done.add(str(file))
        if len(kept) < len(content):
            write_text(self.path, kept.decode("utf-8", "replace"))

    def add(self, file: str, lines: list[dict[str, Any]]) -> None:
        """Writes all lines of a file."""
        text = "".join(
            json.dumps({"file": file, **line, "made_by": self.settings}, ensure_ascii=False) + "\n"
            for line in lines
        )
        with os_errors(self.path):
            self._file.write(text)
            self._file.flush()
        self.done.add(file)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
