"""Times of a motion as users write them: "1.0s", "50%", "1s-2s"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from typing import TYPE_CHECKING

from guidance.errors import InputError

if TYPE_CHECKING:
    from guidance.losses.motion.targets import Span

_TIME = r"(\d{1,6}(?:\.\d{1,6})?)\s*(s|%)"
_SPAN = re.compile(rf"\s*{_TIME}(?:\s*-\s*{_TIME})?\s*")


@dataclass(frozen=True)
class Moment:
    """A time in seconds, or a share of the duration in percent."""

    value: float
    unit: str  # "s" or "%"

    def frame(self, count: int, fps: float, where: str) -> int:
        """The nearest frame of a motion of `count` frames. Raises InputError beyond its end."""
        last = count - 1
        frame = self.value / 100 * last if self.unit == "%" else self.value * fps
        if frame > last + 0.5:
            raise InputError(
                f"{where}: {self} is after the end of the motion, which takes {last / fps:.2f} s"
            )
        return min(round(frame), last)

    def __str__(self) -> str:
        return f"{self.value:g}{self.unit}"


@dataclass(frozen=True)
class TimeSpan:
    """From one moment to another; both are the same for a single one."""

    start: Moment
    end: Moment

    @classmethod
    def parse(cls, text: str, where: str) -> TimeSpan:
        """Reads "1s", "50%", "1s-2s" or "10%-30%". Raises InputError for anything else."""
        found = _SPAN.fullmatch(text)
        if found is None:
            raise InputError(
                f"{where}: expected a time such as 1.5s, 50% or 1s-2s, got {text!r:.40}"
            )
        start = Moment(float(found[1]), found[2])
        end = Moment(float(found[3]), found[4]) if found[3] else start
        if any(each.unit == "%" and each.value > 100 for each in (start, end)):
            raise InputError(f"{where}: {text.strip()!r:.40}: a share is at most 100%")
        if start.unit == end.unit and end.value < start.value:
            raise InputError(f"{where}: {text.strip()!r:.40} ends before it starts")
        return cls(start, end)

    def span(self, count: int, fps: float, where: str) -> Span:
        """The frames of a motion. Raises InputError for times after its end."""
        from guidance.losses.motion.targets import Span

        first, last = (each.frame(count, fps, where) for each in (self.start, self.end))
        if last < first:
            raise InputError(f"{where}: {self} ends before it starts")
        return Span(first, last)

    def __str__(self) -> str:
        return str(self.start) if self.start == self.end else f"{self.start}-{self.end}"
