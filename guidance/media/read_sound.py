"""Sounds of users: detected by their first bytes, and decoded within limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guidance.errors import InputError
from guidance.media.formats import SOUNDS, first_bytes, image_format, opened, video_format

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

#: Demuxers of FFmpeg by format; no others are used: some open addresses that a file contains.
DEMUXERS = {"Ogg": "ogg", "MP3": "mp3", "FLAC": "flac", "WAV": "wav"}
#: The limits of a sound file.
MAX_BYTES, MAX_SECONDS, MAX_CHANNELS = 2**28, 600, 64
#: Samples per second of sounds, from telephones to the fastest converters.
RATES = (4_000, 384_000)


def load_sound(path: Path, rate: int) -> Float[Tensor, "s"]:
    """The first channel of a sound file, or of the sound of a video, resampled.

    Args:
        path: a file.
        rate: samples per second of the result.

    Raises:
        InputError: the file is missing, too long, damaged or without sound.
    """
    import av
    import numpy as np
    import torch

    from guidance.media.video_stream import DAMAGED

    name = f"sound {path}"
    with opened(path, name, MAX_BYTES) as file:
        start = first_bytes(file)
        video = video_format(start)
        form = DEMUXERS.get(image_format(start) or "") or (video.demuxer if video else None)
        if form is None or form == "gif":
            raise InputError(f"{name}: is no sound file; use {', '.join(SOUNDS)} or a video")
        parts, count = [], 0
        try:
            with av.open(file, format=form) as container:
                for part in _resampled(container, rate, name):
                    count += len(part)
                    if count > MAX_SECONDS * rate:
                        raise InputError(f"{name}: is longer than {MAX_SECONDS} seconds; cut it")
                    parts.append(part)
        except DAMAGED as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{name}: cannot be read; it is damaged") from None
    sound = torch.from_numpy(np.concatenate(parts)) if parts else torch.empty(0)
    if not count or not bool(sound.isfinite().all()):
        raise InputError(f"{name}: has no sound that can be read; it is damaged")
    return sound


def _resampled(container: Any, rate: int, name: str) -> Iterator[Any]:
    """The samples of the first channel, in [-1, 1]."""
    import av

    if not container.streams.audio:
        raise InputError(f"{name}: has no sound")
    stream = container.streams.audio[0]
    if not RATES[0] <= stream.rate <= RATES[1] or not 0 < stream.channels <= MAX_CHANNELS:
        raise InputError(
            f"{name}: has {stream.rate} samples per second and {stream.channels} channels; "
            "convert it to WAV"
        )
    resampler = av.AudioResampler(format="fltp", rate=rate)
    for frame in container.decode(stream):
        for part in resampler.resample(frame):
            yield part.to_ndarray()[0]
    for part in resampler.resample(None):
        yield part.to_ndarray()[0]
