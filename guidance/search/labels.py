"""The labels of a classification, from a list or a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.texts import is_encodable, is_visible

MAX_BYTES = 2**22
MAX_LABELS = 20_000
MAX_LENGTH = 1000


@dataclass(frozen=True)
class Labels:
    """Names of classes, and the texts that describe each: by default, its name."""

    names: tuple[str, ...]
    wordings: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, lines: Iterable[str], where: str = "labels") -> Labels:
        """Reads lines such as `apple`, or `cat = a cat's face`; a name may have several lines.

        Raises:
            InputError: no label, too many, or one that is empty or given twice.
        """
        found: dict[str, list[str]] = {}
        bare: set[str] = set()
        for line in lines:
            name, equals, text = (part.strip() for part in line.partition("="))
            text = text if equals else name
            if not (is_visible(name) and is_visible(text)) or not is_encodable(line):
                raise InputError(f"{where}: {line[:60]!a}: expected a label, or LABEL = TEXT")
            if len(line) > MAX_LENGTH:
                raise InputError(f"{where}: a label has more than {MAX_LENGTH} characters")
            if not equals and name in bare:
                raise InputError(f"{where}: {name[:60]!r} is given twice")
            bare |= set() if equals else {name}
            found.setdefault(name, []).append(text)
        if not found:
            raise InputError(f"{where}: no labels; give --labels a,b,c or a file with one per line")
        if len(found) > MAX_LABELS:
            raise InputError(f"{where}: {len(found)} labels; at most {MAX_LABELS} are read")
        return cls(tuple(found), tuple(map(tuple, found.values())))

    @classmethod
    def read(cls, text: str) -> Labels:
        """Labels of a file, or of a text with commas.

        Raises:
            InputError: see `of`; or the file cannot be read.
        """
        path = Path(text)
        if "," in text or not path.exists():
            if "," not in text and path.suffix:
                raise InputError(f"labels {text:.200}: no such file; give a,b,c or a file")
            return cls.of([part for part in text.split(",") if part.strip()])
        refuse_special_file(path, f"labels {text}")
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            if len(content) > MAX_BYTES:
                raise InputError(f"labels {text}: is larger than {MAX_BYTES >> 20} MiB")
            lines = content.decode().splitlines()
        except OSError as error:
            raise InputError(f"labels {text}: cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise InputError(f"labels {text}: is not UTF-8 text") from None
        return cls.of([line for line in lines if line.strip()], f"labels {text}")
