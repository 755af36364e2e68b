"""Captions of images, videos and folders: the interface in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from guidance.captions.arithmetic import Shift
from guidance.captions.captioner import Caption, Captioner
from guidance.captions.sources import Source, files_of, read_sources
from guidance.config.kinds import Kind, find
from guidance.encoders import load_encoder
from guidance.encoders.base import Encoder
from guidance.errors import InputError

METHODS = Kind("method", "captions/methods", "Captioner", "guidance.caption_methods")
#: Files that are captioned together.
BATCH = 16
#: Called with a file that cannot be read, and why.
Report = Callable[[Path, InputError], None]


def caption(
    image: str | Path,
    *,
    method: str = "memory",
    encoder: str | Encoder = "mini",
    add: Sequence[str] = (),
    subtract: Sequence[str] = (),
    **options: Any,
) -> str:
    """A caption of one image file, or of a whole video.

    Args:
        image: a file.
        method: "memory", "fast" or "context"; see docs/captions.md.
        encoder: the model that matches images and texts, by a name for `gd.load_encoder`.
        add: texts and images to add, in the grammar of prompts: "a crown:0.5", "image:hat.png".
        subtract: the same, to take away.
        options: those of the method, e.g. `beams=5`.

    Raises:
        InputError: a file, an option or a prompt that cannot be used.
        MissingWeights: a model is not on this machine.
    """
    loaded = load_encoder(encoder)
    captioner = load_captioner(method, loaded, options)
    shift = Shift.of(list(add), list(subtract), loaded)
    source = read_sources(Path(image), loaded, float("inf"))[0]
    return captioner.caption(shift(source.vector[None]))[0].text


def load_captioner(method: str, encoder: Encoder, options: dict[str, Any]) -> Captioner:
    """A caption method with its options.

    Raises:
        InputError: an unknown method or option, or a wrong value.
    """
    kind: type[Captioner] = find(METHODS, method)
    return kind.load(encoder, kind.Options(**options))


def captions(
    paths: list[Path],
    captioner: Captioner,
    encoder: Encoder,
    *,
    shift: Shift,
    segment: float = 2.0,
    on_error: Report,
    seed: int = 0,
) -> Iterator[list[tuple[Source, Caption]]]:
    """The captions of each file, in batches of files; a file that cannot be read is reported.

    Args:
        segment: length of the segments of videos in seconds.
    """
    for start in range(0, len(paths), BATCH):
        sources: list[list[Source]] = []
        for path in paths[start : start + BATCH]:
            try:
                sources.append(read_sources(path, encoder, segment))
            except InputError as error:
                on_error(path, error)
        flat = [source for each in sources for source in each]
        if not flat:
            continue
        found = captioner.caption(shift(torch.stack([s.vector for s in flat])), seed)
        pairs = iter(zip(flat, found, strict=True))
        for each in sources:
            yield [next(pairs) for _ in each]


__all__ = ["Caption", "caption", "captions", "files_of", "load_captioner"]
