"""What compares images of a mesh with texts: encoders, or a segmenter."""

from __future__ import annotations

from dataclasses import dataclass

from guidance.encoders.base import Encoder


@dataclass(frozen=True)
class Localizer:
    """Encoders, loaded or by name, with the templates of their texts and their device.

    Args:
        segmenter: finds parts instead of the encoders, which always find sides; a name that
            `load_segmenter` takes, or "encoders".
    """

    encoders: tuple[str | Encoder, ...]
    templates: tuple[str, ...] | None = None  # None: those of each encoder
    device: str = "cpu"
    segmenter: str = "encoders"

    def load(self) -> tuple[Encoder, ...]:
        """The encoders on the device.

        Raises:
            InputError: a name is unknown.
        """
        from guidance.encoders import load_encoder

        return tuple(load_encoder(each, self.device) for each in self.encoders)

    @property
    def names(self) -> str:
        """The names of what finds parts, for messages."""
        if self.segmenter != "encoders":
            return self.segmenter
        return ", ".join(each if isinstance(each, str) else each.name for each in self.encoders)
