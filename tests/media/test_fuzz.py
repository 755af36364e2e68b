"""Damaged images and videos of every format: read, or refused in one line, and soon."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from guidance.errors import InputError
from guidance.media.image_bounds import MAX_PIXELS
from guidance.media.read_image import load_image
from guidance.media.read_video import MAX_FRAMES, is_video, open_video
from tests.media.inputs import image_inputs, video_inputs

#: Mutations of each file.
COUNT = 40


def mutated(content: bytes, draw: random.Random) -> bytes:
    """A file with some damage: flipped bits, numbers at their limits, cut or doubled parts."""
    damaged = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        at = draw.randrange(len(damaged)) if damaged else 0
        kind = draw.randrange(5)
        if kind == 0:
            damaged[at : at + 1] = bytes([damaged[at] ^ 1 << draw.randrange(8)])
        elif kind == 1:
            damaged[at : at + 4] = draw.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"))
        elif kind == 2:
            damaged[at : at + 16] = draw.randbytes(16)
        elif kind == 3:
            del damaged[at : at + draw.randrange(1, 64)]
        else:
            damaged[at:at] = damaged[at : at + draw.randrange(1, 64)]
        if not damaged:
            return b""
    return bytes(damaged)


def read_as_image(path: Path) -> None:
    image = load_image(path, "image")
    assert image.shape[0] == 3 and image[0].numel() <= MAX_PIXELS
    assert bool(np.isfinite(image[:, :64, :64].numpy()).all())


def read_as_video(path: Path) -> None:
    if is_video(path):
        found = open_video(path)
        assert 1 <= found.frames <= MAX_FRAMES


CASES = [(name, content, read_as_image) for name, content in image_inputs().items()]
CASES += [(name, content, read_as_video) for name, content in video_inputs().items()]


@pytest.mark.parametrize(
    ("name", "content", "read"), CASES, ids=[f"{how.__name__}-{name}" for name, _, how in CASES]
)
def test_damage_is_told_or_harmless(
    name: str, content: bytes, read: Callable[[Path], None], tmp_path: Path
) -> None:
    draw = random.Random(name)
    path = tmp_path / "file"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read(path)
        for _ in range(COUNT):
            path.write_bytes(mutated(content, draw))
            start = time.process_time()
            try:
                read(path)
            except InputError as error:
                assert "\n" not in str(error) and str(error).startswith("image ")
            assert time.process_time() - start < 5
