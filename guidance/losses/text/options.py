"""Options that several losses share: the encoders that they use, and how prompts are encoded."""

from __future__ import annotations

from pydantic import Field

from guidance.config.fields import Encoders, Keyframes
from guidance.encoders.base import Encoder
from guidance.options import Options
from guidance.prompts import Templates


class EncoderOptions(Options):
    """The image-text models of a loss."""

    encoder: Encoders = Field(default=("mini",))  # type: ignore[arg-type]
    """Image-text models, e.g. "mini" or "ViT-B-32/openai"; the losses of several are summed."""

    def models(self) -> tuple[str, ...]:
        return tuple(each.kind() for each in self.encoder)

    def encoders(self) -> tuple[str | Encoder, ...]:
        """Names of models, and encoders of the user's own."""
        return tuple(_made(each) for each in self.encoder)


class TextOptions(EncoderOptions):
    """How prompts become targets of a loss."""

    at: Keyframes = ()
    """"50% a green apple": what the first phrase of every prompt changes into during the run."""
    templates: Templates = Templates.parse("default")
    """Wordings to average: "default" (those of the encoder), "plain", or a text file with {}."""


def _made(options: Options) -> str | Encoder:
    cls = options.component
    assert cls is not None and issubclass(cls, Encoder)
    made: str | Encoder = cls.from_options(options)
    return made
