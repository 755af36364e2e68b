"""The interface of the methods of style_edit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from guidance.options import Options

if TYPE_CHECKING:
    from guidance.generators.image.param.latents import Given, Kept
    from guidance.generators.image.stylegan import StyleGANImages
    from guidance.prompts import Prompt
    from guidance.stylegan import StyleGAN
    from guidance.tasks.stylegan.source import Source
    from guidance.types import Terms


@dataclass(frozen=True)
class EditJob:
    """What a method needs to know about an edit."""

    network: StyleGAN  # of directions; the images are made by `source.network`
    source: Source
    prompts: tuple[Prompt, ...]  # one per sample, with the style
    shown: Prompt  # what the images show before the edit
    negative: tuple[Prompt, ...] = ()  # for all samples
    given: Given | None = None  # images outside a mask
    kept: Kept | None = None
    notes: list[str] = field(default_factory=list)  # a method may add some


class EditMethod(Options):
    """Options that create the generator of an edit."""

    #: Options of the task that have no effect with this method, and what the message says.
    IGNORED: ClassVar[tuple[str, ...]] = ()
    WHY_IGNORED: ClassVar[str] = ""

    @property
    def own_steps(self) -> int | None:
        """The steps of the run, if they are not those of --steps."""
        return None

    def generator(self, job: EditJob) -> StyleGANImages:
        """The generator that changes the images of a source."""
        raise NotImplementedError

    def regularizers(self) -> Terms:
        """Losses of the latents with their weights."""
        from guidance.types import Terms

        return Terms()

    def strengths(self, generator: Any, sample: int) -> float:
        """What the whole change of a sample is called in files: its strength."""
        return 1.0
