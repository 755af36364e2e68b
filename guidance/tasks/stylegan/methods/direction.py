"""Styles move along a direction from a dictionary, at once and by any strength."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from guidance.config.fields import Encoders
from guidance.options import Options
from guidance.prompts import Prompt
from guidance.tasks.stylegan.method import EditMethod
from guidance.tasks.stylegan.unused import refuse_changed

if TYPE_CHECKING:
    from guidance.encoders.base import Encoder
    from guidance.generators.image.stylegan import StyleGANImages
    from guidance.tasks.stylegan.method import EditJob


class Direction(EditMethod):
    """Options of "direction"."""

    IGNORED = ("steps", "learning_rate", "optimizer", "normalize")
    WHY_IGNORED = "--method direction optimizes nothing; remove it, or add --method latent"
    PRESETS: ClassVar = {"draft": {"frames": 8}, "best": {"frames": 32}}

    strength: float = Field(default=4.0, ge=-1000, le=1000)
    """How far the strongest channel of each phrase moves, in standard deviations; below 0, away
    from the prompt."""
    channels: int = Field(default=40, ge=1, le=100_000)
    """How many channels change for each phrase: fewer change less, also of other things."""
    isolation: float = Field(default=0.3, ge=0, le=1000)
    """Weight against all other changes that the encoder sees; 0 takes the strongest channels."""
    unchanged: tuple[Prompt, ...] = ()
    """What must not change, e.g. "a face with gray hair"; its predicted change is removed."""
    opposite: tuple[Prompt, ...] = ()
    """What the prompt replaces, e.g. "a person with open eyes" for "a person with closed eyes": one
    for all prompts, or one for each. By default, prompts are compared with --source."""
    refine: bool = True
    """Optimizes the proportions of the channels on 16 images, which takes seconds: the edit is
    surer, and less else changes. Phrases that are images are not refined."""
    directions: tuple[Path, ...] = ()
    """Files of `guide style directions` that are added up, in place of directions of the prompt."""
    frames: int = Field(default=16, ge=2, le=10_000)
    """Strengths from 0 to the whole one at which losses are measured, one for each step."""
    encoder: Encoders = Field(default=("mini-people",))  # type: ignore[arg-type]
    """Image-text models, e.g. "mini" or "ViT-B-32/openai"; the directions of several are averaged."""

    def models(self) -> tuple[str, ...]:
        return tuple(each.kind() for each in self.encoder)

    @property
    def own_steps(self) -> int | None:
        return self.frames

    def generator(self, job: EditJob) -> StyleGANImages:
        from guidance.generators.image.style_direction import StyleDirectionImages
        from guidance.tasks.stylegan.dictionaries import Wanted, prompt_vectors, read_vectors

        if self.directions:
            self._check()
            vectors = [read_vectors(self.directions, job)] * len(job.prompts)
        else:
            wanted = Wanted(
                self.channels, self.isolation, self.unchanged, self.opposite, self.refine
            )
            vectors = prompt_vectors(job, made_encoders(self.encoder), wanted)
        return StyleDirectionImages(
            job.source.network,
            job.source.latents,
            vectors,
            strength=self.strength,
            ramp=True,
            given=job.given,
            kept=job.kept,
        )

    def _check(self) -> None:
        """Raises InputError for options that have no effect on directions of files."""
        refuse_changed(
            self,
            ("channels", "isolation", "unchanged", "opposite", "refine", "encoder"),
            "applies to directions of the prompt, not to files of directions; remove --directions "
            "or this",
            usual=dict(type(self)()),  # parsed, unlike the defaults of the fields
        )

    def strengths(self, generator: Any, sample: int) -> float:
        return float(generator.strength.detach()[sample])


def made_encoders(chosen: Sequence[Options]) -> list[str | Encoder]:
    """Names of models, and encoders of the user's own."""
    return [each.component.from_options(each) for each in chosen]  # type: ignore[union-attr]
