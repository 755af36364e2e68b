"""Styles move along a direction from a dictionary, at once and by any strength."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from guidance.config.fields import Encoders
from guidance.options import Options
from guidance.prompts import Prompt
from guidance.tasks.stylegan.method import EditMethod

if TYPE_CHECKING:
    from guidance.encoders.base import Encoder
    from guidance.generators.image.stylegan import StyleGANImages
    from guidance.tasks.stylegan.method import EditJob


class Direction(EditMethod):
    """Options of "direction"."""

    PRESETS: ClassVar = {"draft": {"frames": 8}, "best": {"frames": 32}}

    strength: float = Field(default=3.0, ge=-1000, le=1000)
    """How far the strongest channel of each phrase moves, in standard deviations; below 0, away
    from the prompt."""
    channels: int = Field(default=24, ge=1, le=100_000)
    """How many channels change for each phrase: fewer change fewer other things."""
    unchanged: tuple[Prompt, ...] = ()
    """What must not change, e.g. "a face with glasses": its predicted change is removed."""
    frames: int = Field(default=16, ge=2, le=10_000)
    """Strengths from 0 to the whole one at which losses are measured, one for each step."""
    encoder: Encoders = Field(default=("mini",))  # type: ignore[arg-type]
    """Image-text models, e.g. "mini" or "ViT-B-32/openai"; the directions of several are averaged."""

    def models(self) -> tuple[str, ...]:
        return tuple(each.kind() for each in self.encoder)

    @property
    def own_steps(self) -> int | None:
        return self.frames

    def generator(self, job: EditJob) -> StyleGANImages:
        from guidance.generators.image.style_direction import StyleDirectionImages
        from guidance.tasks.stylegan.dictionaries import find_dictionary, prompt_vectors

        dictionaries = [
            find_dictionary(job.network, each, job.shown, job.notes)
            for each in made_encoders(self.encoder)
        ]
        vectors = {
            prompt: prompt_vectors(dictionaries, prompt, job, self.channels, self.unchanged)
            for prompt in dict.fromkeys(job.prompts)
        }
        return StyleDirectionImages(
            job.network,
            job.source.latents,
            [vectors[prompt] for prompt in job.prompts],
            strength=self.strength,
            ramp=True,
            given=job.given,
            kept=job.kept,
        )

    def strengths(self, generator: Any, sample: int) -> float:
        return float(generator.strength[sample])


def made_encoders(chosen: Sequence[Options]) -> list[str | Encoder]:
    """Names of models, and encoders of the user's own."""
    return [each.component.from_options(each) for each in chosen]  # type: ignore[union-attr]
