"""What a scenario reports: counts, whether its bar holds, and the first faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

#: How many faults are written into the results.
SHOWN = 40


@dataclass(frozen=True)
class Trial:
    """One try: its outcome, and its fault (an empty text if there is none)."""

    result: str  # e.g. "resumed", "refused"
    fault: str = ""


@dataclass
class Outcome:
    """The counts of a scenario."""

    tried: int
    right: int
    counts: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, trials: Iterable[Trial], **more: Any) -> Outcome:
        """Counts trials by their results; a trial without a fault is right."""
        found = list(trials)
        counts = dict(sorted(Counter(trial.result for trial in found).items()))
        faults = [trial.fault for trial in found if trial.fault]
        return cls(len(found), len(found) - len(faults), {**counts, **more}, faults)

    @property
    def holds(self) -> bool:
        """Whether everything that was tried is right."""
        return self.tried > 0 and self.right == self.tried

    def as_json(self) -> dict[str, Any]:
        """For the file of results."""
        line: dict[str, Any] = {"tried": self.tried, "right": self.right, "holds": self.holds}
        return line | self.counts | ({"faults": self.faults[:SHOWN]} if self.faults else {})
