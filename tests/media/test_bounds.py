"""Small files that claim much are refused before anything is built; pipes are not waited for."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from guidance.errors import InputError, is_out_of_memory
from guidance.media import read_video
from guidance.media.metadata import extract
from guidance.media.read_image import load_image, read_image, read_png
from guidance.media.read_video import is_video, open_video
from guidance.media.write_image import encode_png
from tests.media.inputs import encoded, picture, video
from tests.media.test_read_image import chunk

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
PIXELS = chunk(b"IDAT", zlib.compress(b"\0" * 8 * 25)) + chunk(b"IEND", b"")
BOMB = zlib.compress(bytes(2**26), 9)


def png(*chunks: bytes) -> bytes:
    return SIGNATURE + HEADER + b"".join(chunks) + PIXELS


def jpeg_of_scans(count: int) -> bytes:
    """A progressive JPEG of 2048 x 2048 pixels whose last scan is repeated."""
    content = encoded(Image.new("L", (2048, 2048), 90), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * count + content[-2:]


def gif_of_comments(count: int) -> bytes:
    content = encoded(Image.new("P", (8, 8)), "GIF")
    at = 13 + (3 << (content[10] & 7) + 1 if content[10] & 128 else 0)
    return content[:at] + b"!\xfe\x01a\0" * count + content[at:]


def tiff(*tags: tuple[int, int, int, int]) -> bytes:
    """A TIFF of 8 x 8 grey pixels with more tags (number, type, count, value)."""
    own = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    own += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64)]
    entries = sorted([*own, *tags])
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return (
        b"II*\0"
        + struct.pack("<I", 72)
        + bytes(64)
        + struct.pack("<H", len(entries))
        + body
        + (b"\0\0\0\0")
    )


IMAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "chunks": (lambda: png(chunk(b"teXt", b"") * 400_000), "has more than 2,048 chunks beside"),
    "pixel chunks": (lambda: png(chunk(b"IDAT", b"") * 400_000), "has more than 65,536 chunks"),
    "texts": (lambda: png(chunk(b"zTXt", b"a\0\0" + BOMB) * 100), "not a readable image"),
    "scans": (lambda: jpeg_of_scans(300), "scans or more; save it again as PNG"),
    "segments": (
        lambda: (
            b"\xff\xd8" + b"\xff\xfe\0\3a" * 400_000 + encoded(Image.new("L", (8, 8)), "JPEG")[2:]
        ),
        "has more than 2,048 segments",
    ),
    "comments": (lambda: gif_of_comments(400_000), "has more than 65,536 blocks"),
    "tags": (
        lambda: tiff(*((40_000 + n, 1, 2**23, 0) for n in range(1000))),
        "MiB of tags, more than the 32 MiB",
    ),
    "tile": (
        lambda: tiff((322, 4, 1, 60_000), (323, 4, 1, 60_000)),
        "60000 x 60000 pixels are more than the 67 million",
    ),
    "text of numbers": (lambda: b"P3 8000 8000 9\n" + b"1 " * 2**24, "MiB of text; save it as PNG"),
    "webp": (
        lambda: b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\xff\0" * 2,
        "claims far too many pixels|not a readable image",
    ),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_that_claim_too_much(name: str, tmp_path: Path) -> None:
    make, message = IMAGES[name]
    path = tmp_path / "bomb"
    path.write_bytes(make())
    start = time.process_time()
    with pytest.raises(InputError, match=message) as told:
        load_image(path, "image")
    assert time.process_time() - start < 2 and "\n" not in str(told.value)
    if path.read_bytes()[:4] == SIGNATURE[:4]:
        with pytest.raises(InputError, match="has no embedded configuration"):
            extract(path)
    start = time.process_time()
    try:
        assert not is_video(path)
    except InputError as error:
        assert "\n" not in str(error)
    assert time.process_time() - start < 2


def test_a_profile_that_inflates_is_ignored_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "profile.png"
    path.write_bytes(png(chunk(b"iCCP", b"a\0\0" + BOMB)))
    start = time.process_time()
    with pytest.raises(InputError, match="not a readable image"):
        load_image(path, "image")
    assert time.process_time() - start < 2


def test_frames_times_pixels_are_bounded_before_decoding(tmp_path: Path) -> None:
    """One large frame, repeated: the GIF has 40 KB and 8 billion pixels."""
    content = encoded(Image.new("P", (2900, 2900)), "GIF")
    at = 13 + (3 << (content[10] & 7) + 1 if content[10] & 128 else 0)
    pause = b"!\xf9\x04\0\1\0\0\0"
    path = tmp_path / "bomb.gif"
    path.write_bytes(content[:at] + (pause + content[at:-1]) * 800 + b";")
    start = time.process_time()
    assert is_video(path)
    with pytest.raises(InputError, match="800 frames of 2900 x 2900 pixels are more than the"):
        open_video(path)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("box", [b"stsz", b"stts", b"ctts"])
def test_samples_are_counted_before_they_are_listed(box: bytes, tmp_path: Path) -> None:
    frames = [picture((32, 48)) for _ in range(4)]
    content = bytearray(video(frames, "mp4", "mpeg4" if box != b"ctts" else "libx264"))
    at = content.index(box)
    if box == b"stsz":  # all of one size
        content[at + 8 : at + 16] = struct.pack(">II", 1, 2**30)
    else:  # the first run
        content[at + 12 : at + 16] = struct.pack(">I", 2**30)
    path = tmp_path / "bomb.mp4"
    path.write_bytes(content)
    for refused in (lambda: open_video(path), lambda: extract(path)):
        start = time.process_time()
        with pytest.raises(InputError, match=r"claims more than 16,777,216 samples|is damaged"):
            refused()
        assert time.process_time() - start < 2


def test_a_fragment_of_many_samples(tmp_path: Path) -> None:
    frames = [picture((32, 48)) for _ in range(4)]
    options = {"movflags": "frag_keyframe+empty_moov"}
    content = bytearray(video(frames, "mp4", options=options))
    at = content.index(b"trun")
    content[at + 8 : at + 12] = struct.pack(">I", 2**30)
    path = tmp_path / "bomb.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match="claims more than 16,777,216 samples"):
        open_video(path)


def test_what_is_no_plain_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        for read in (lambda path: load_image(path, "image"), is_video):
            with pytest.raises(InputError, match=f"image {path}: is not a plain file"):
                read(path)
    with pytest.raises(InputError, match="is not a plain file but a folder"):
        is_video(tmp_path)


def test_files_of_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(b"\0\0\0\x18ftypmp42")
        file.truncate(2**32)
    with pytest.raises(InputError, match="has 4096 MiB, more than the 2048 MiB that are read"):
        is_video(path)
    with pytest.raises(InputError, match="has 4096 MiB, more than the 512 MiB that are read"):
        load_image(path, "image")


def test_an_image_of_64_megapixels_is_read_in_two_gigabytes(tmp_path: Path) -> None:
    """In another process; `ru_maxrss` would include the memory of this one, which starts it."""
    import subprocess
    import sys

    if not Path("/proc/self/status").is_file():
        pytest.skip("the peak of a process alone is read from /proc")
    Image.fromarray(np.zeros((8000, 8000), np.uint8)).save(tmp_path / "large.png")
    program = (
        "import sys; from pathlib import Path\n"
        "from guidance.media.read_image import load_image\n"
        "assert load_image(Path(sys.argv[1])).shape == (3, 8000, 8000)\n"
        "lines = Path('/proc/self/status').read_text().splitlines()\n"
        "print(next(line.split()[1] for line in lines if line.startswith('VmHWM')))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "large.png")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(found.stdout) < 2**21


def test_videos_of_many_small_frames_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without decoding one."""
    monkeypatch.setattr(read_video, "MAX_FRAMES", 3)
    path = tmp_path / "clip.mp4"
    path.write_bytes(video([picture((32, 48)) for _ in range(4)], "mp4"))
    monkeypatch.setattr("guidance.media.video_stream.VideoStream.frames", None)
    with pytest.raises(InputError, match="is longer than the limit of 3 frames"):
        open_video(path)
    assert io.BytesIO(path.read_bytes()).read(8)[4:] == b"ftyp"


def test_changed_pixels_of_a_png_are_noticed() -> None:
    content = bytearray(encode_png(np.full((32, 32, 3), 7, np.uint8)))
    content[content.index(b"IDAT") + 8] ^= 1
    with pytest.raises(InputError, match="the checksum of a chunk IDAT is wrong"):
        read_image(bytes(content), "a.png")


@pytest.mark.parametrize("damage", ["tail", "checksum", "end", "more"])
def test_a_png_of_our_own_must_be_as_it_was_written(damage: str, tmp_path: Path) -> None:
    whole = encode_png(np.full((32, 32, 3), 7, np.uint8))
    changed = {
        "tail": whole[:-12],
        "checksum": whole[:-13] + bytes([whole[-13] ^ 1]) + whole[-12:],
        "end": whole[:-12] + bytes(12),
        "more": whole + b"x",
    }[damage]
    path = tmp_path / "0000001.png"
    path.write_bytes(whole)
    assert read_png(path).shape == (32, 32, 3)
    path.write_bytes(changed)
    with pytest.raises(InputError, match=r"0000001.png: (is damaged|not a readable PNG)"):
        read_png(path)


@pytest.mark.parametrize("stage", ["open", "demux"])
def test_a_file_that_asks_for_too_much_memory_is_damaged(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg reports it as it reports a machine without memory."""
    path = tmp_path / "a.mp4"
    path.write_bytes(video([picture((32, 48))] * 2, "mp4"))
    opened = av.open

    class Full:
        def __init__(self, container: Any) -> None:
            self.container = container

        def __getattr__(self, name: str) -> Any:
            return demux if name == stage else getattr(self.container, name)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *error: object) -> None:
            self.container.close()

    def fail(*given: object, **options: object) -> None:
        raise av.error.MemoryError(12, "Cannot allocate memory")

    def demux(*streams: object) -> Iterator[None]:
        yield fail()

    fake = fail if stage == "open" else lambda *given, **options: Full(opened(*given, **options))
    monkeypatch.setattr(av, "open", fake)
    with pytest.raises(InputError, match="it asks for too much memory") as found:
        open_video(path)
    assert not is_out_of_memory(found.value)
