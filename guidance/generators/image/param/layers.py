"""Which latents of W+ change, and how fast."""

from __future__ import annotations

import re
from dataclasses import dataclass

from guidance.errors import InputError
from guidance.parsed import Parsed

#: Layers, and a factor on their learning rate, as in 5, 4-9 or 4-9:0.1.
RANGE = re.compile(r"\s*(\d{1,3})\s*(?:-\s*(\d{1,3})\s*)?(?::\s*(\d{1,4}(?:\.\d{1,6})?)\s*)?")


@dataclass(frozen=True)
class LayerRange:
    """Consecutive latents of W+, and a factor on their learning rate."""

    first: int
    last: int
    rate: float = 1.0

    def __contains__(self, w_index: int) -> bool:
        return self.first <= w_index <= self.last

    def written(self) -> str:
        """As `FreeLayers` reads it."""
        layers = f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"
        return layers if self.rate == 1 else f"{layers}:{self.rate!r}"


@dataclass(frozen=True)
class FreeLayers(Parsed):
    """The layers of W+ that change, and how fast; none stands for all of them."""

    ranges: tuple[LayerRange, ...]

    @classmethod
    def parse(cls, text: str) -> FreeLayers:
        """Reads "all", "5", "4-9" or "0-3:0.1,4-9". Raises InputError for anything else."""
        if text.strip() == "all":
            return cls(())
        ranges = []
        for part in text.split(","):
            match = RANGE.fullmatch(part)
            if match is None:
                raise InputError(
                    f'layers {text[:40]!r}: expected "all", layers such as 5 or 4-9, or several '
                    "with factors on the learning rate, such as 0-3:0.1,4-9"
                )
            first, last = int(match[1]), int(match[2] or match[1])
            rate = float(match[3] or 1)
            if last < first:
                raise InputError(f"layers {text[:40]!r}: the first is after the last")
            if rate == 0:
                raise InputError(f"layers {text[:40]!r}: leave layers that do not change out")
            ranges.append(LayerRange(first, last, rate))
        return cls(tuple(ranges))

    def written(self) -> str:
        return ",".join(each.written() for each in self.ranges) or "all"
