"""The range of times at which score distillation adds noise."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.schedule import Schedule


@dataclass(frozen=True)
class Times:
    """A range of times that is sampled uniformly; both ends may follow a schedule.

    If both ends are the same schedule, such as "0.98 -> 0.25", time is annealed and not sampled.
    """

    low: Schedule
    high: Schedule

    @classmethod
    def parse(cls, low: float | str | Schedule, high: float | str | Schedule) -> Times:
        """Reads two numbers or schedules.

        Raises:
            InputError: values outside (0, 1), where there is either no noise or no signal, or low
                above high.
        """
        times = cls(Schedule.parse(low), Schedule.parse(high))
        for progress in {0.0, 1.0, *times.low.places, *times.high.places}:
            least, most = times.low(progress), times.high(progress)
            if not 0 < least <= most < 1:
                raise InputError(
                    f"times: expected 0 < low <= high < 1, got {least:g} and {most:g} at "
                    f"{100 * progress:g}% of the run"
                )
        return times

    def at(self, draws: Float[Tensor, "*b"], progress: float) -> Float[Tensor, "*b"]:
        """Times for uniform draws in [0, 1)."""
        low, high = self.low(progress), self.high(progress)
        return low + draws * (high - low)
