"""The encoders that compare images of a mesh with texts."""

from __future__ import annotations

from dataclasses import dataclass

from guidance.encoders.base import Encoder


@dataclass(frozen=True)
class Localizer:
    """Encoders, loaded or by name, with the templates of their texts and their device."""

    encoders: tuple[str | Encoder, ...]
    templates: tuple[str, ...] | None = None  # None: those of each encoder
    device: str = "cpu"

    def load(self) -> tuple[Encoder, ...]:
        """The encoders on the device.

        Raises:
            InputError: a name is unknown.
        """
        from guidance.encoders import load_encoder

        return tuple(load_encoder(each, self.device) for each in self.encoders)

    @property
    def names(self) -> str:
        """The names of the encoders, for messages."""
        return ", ".join(each if isinstance(each, str) else each.name for each in self.encoders)
