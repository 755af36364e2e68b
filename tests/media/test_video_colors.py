"""Videos of others as their files mean them: colors, alpha, shape of pixels, time, turning."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from guidance.errors import InputError
from guidance.media.read_video import VideoInput, is_video, open_video
from guidance.media.write_video import encode_mp4
from tests.media.inputs import VIDEOS, encoded, picture, video

COLOR = (200, 40, 90)


def flat(size: tuple[int, int] = (32, 48), color: tuple[int, ...] = COLOR) -> np.ndarray[Any, Any]:
    return np.full((*size, len(color)), color, np.uint8)


def read(tmp_path: Path, content: bytes, name: str = "clip") -> tuple[VideoInput, np.ndarray]:
    """The video, and its first frame."""
    path = tmp_path / name
    path.write_bytes(content)
    assert is_video(path)
    found = open_video(path)
    return found, next(iter(found.images()))


def untagged(size: tuple[int, int], matrix: int) -> bytes:
    """A video of a flat color with some matrix that no tag tells."""
    content = io.BytesIO()
    with av.open(content, "w", format="matroska") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.height, stream.width = size
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "4", "preset": "ultrafast"}
        frame = av.VideoFrame.from_ndarray(flat(size)).reformat(
            format="yuv420p", dst_colorspace=matrix
        )
        frame.colorspace = 2
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return content.getvalue()


@pytest.mark.parametrize(("lines", "matrix"), [(576, 5), (720, 1)])
def test_untagged_videos_have_the_matrix_of_their_size(
    lines: int, matrix: int, tmp_path: Path
) -> None:
    for given, is_right in ((matrix, True), (6 - matrix, False)):
        _, image = read(tmp_path, untagged((lines, 64), given))
        assert (np.abs(image[8, 8].astype(int) - COLOR).max() <= 4) == is_right


@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("scope", [1, 2])
def test_tags_of_matrix_and_range_are_followed(matrix: int, scope: int, tmp_path: Path) -> None:
    content = video([flat()] * 2, "mp4", colorspace=matrix, color_range=scope)
    _, image = read(tmp_path, content)
    assert np.abs(image[8, 8].astype(int) - COLOR).max() <= 4


def test_tags_and_matrix_of_what_is_written_agree(tmp_path: Path) -> None:
    for color in (COLOR, (10, 220, 30), (255, 255, 255), (0, 0, 0)):
        content = encode_mp4([flat((720, 64), color), flat((720, 64), color)], 10)
        with av.open(io.BytesIO(content)) as container:
            frame = next(container.decode(video=0))
            assert (frame.colorspace, frame.color_range, frame.color_primaries) == (1, 1, 1)
            levels = frame.reformat(format="rgb24", src_colorspace=1).to_ndarray()
        assert np.abs(levels[8, 8].astype(int) - color).max() <= 3
        _, image = read(tmp_path, content)
        assert np.abs(image[8, 8].astype(int) - color).max() <= 3


ALPHA = {
    "vp9": ("webm", "libvpx-vp9", "yuva420p"),
    "vp8": ("webm", "libvpx", "yuva420p"),
    "prores": ("mov", "prores_ks", "yuva444p10le"),
    "animation": ("mov", "qtrle", "argb"),
    "png": ("mov", "png", "rgba"),
    "ffv1": ("matroska", "ffv1", "bgra"),
}


@pytest.mark.parametrize("name", ALPHA)
def test_alpha_of_every_codec_lies_over_white(name: str, tmp_path: Path) -> None:
    frame = flat(color=(*COLOR, 255))
    frame[:, 24:, 3] = 0
    frame[16:, :24, 3] = 128
    _, image = read(tmp_path, video([frame] * 3, *ALPHA[name]))
    half = [round(255 + (value - 255) * 128 / 255) for value in COLOR]
    for place, expected in (((6, 6), COLOR), ((6, 40), (255, 255, 255)), ((26, 6), half)):
        assert np.abs(image[place].astype(int) - expected).max() <= 6


@pytest.mark.parametrize("name", VIDEOS)
def test_every_container_is_read_whatever_its_name(name: str, tmp_path: Path) -> None:
    form, codec, pixels, options = VIDEOS[name]
    frames = [np.roll(picture((32, 48)), 3 * step, 1) for step in range(4)]
    found, image = read(tmp_path, video(frames, form, codec, pixels, options=options), "a.jpg")
    assert (found.frames, found.height, found.width) == (4, 32, 48)
    assert found.rate == 10 and found.times is None
    if pixels == "yuv420p":
        assert np.abs(image.astype(int) - frames[0][..., :3]).mean() < 16


@pytest.mark.parametrize(
    ("aspect", "shape"), [((2, 1), (32, 96)), ((1, 2), (64, 48)), ((4, 3), (32, 64))]
)
def test_pixels_are_square(aspect: tuple[int, int], shape: tuple[int, int], tmp_path: Path) -> None:
    frames = [picture((32, 48))] * 2
    content = video(frames, "mp4", sample_aspect_ratio=Fraction(*aspect))
    found, image = read(tmp_path, content)
    assert (found.height, found.width) == image.shape[:2] == shape


def test_absurd_pixels_are_taken_for_square(tmp_path: Path) -> None:
    content = video([picture((32, 48))], "mp4", sample_aspect_ratio=Fraction(1000, 1))
    assert read(tmp_path, content)[1].shape == (32, 48, 3)


def timed(times: list[float], unit: int = 1000) -> bytes:
    """A video whose frames start at some times."""
    content = io.BytesIO()
    with av.open(content, "w", format="matroska") as container:
        stream: Any = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, unit)
        for time in times:
            frame = av.VideoFrame.from_ndarray(flat())
            frame.pts, frame.time_base = round(time * unit), Fraction(1, unit)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return content.getvalue()


def test_time_counts_from_the_first_frame(tmp_path: Path) -> None:
    found, _ = read(tmp_path, timed([100 + 0.1 * n for n in range(8)]))
    assert (found.frames, found.rate, found.times) == (8, 10, None)
    with pytest.raises(InputError, match="is longer than the limit of 900 frames or 60 seconds"):
        read(tmp_path, timed([100, 130, 161]))


def test_times_of_frames_are_kept_where_they_vary(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.2, 1.0, 1.1, 3.0]
    found, _ = read(tmp_path, timed(times))
    assert found.times == pytest.approx(times, abs=1e-3)
    written = encode_mp4([flat()] * 6, found.rate, times=found.times)
    again, _ = read(tmp_path, written)
    assert again.times == pytest.approx(times, abs=1e-3)


def test_durations_of_a_gif_are_kept(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.roll(picture(), 4 * n, 1)[..., :3]) for n in range(4)]
    content = encoded(
        frames[0], "GIF", save_all=True, append_images=frames[1:], duration=[100, 700, 100, 100]
    )
    assert read(tmp_path, content)[0].times == pytest.approx((0, 0.1, 0.8, 0.9))


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((0, 1, -1, 0), lambda image: np.rot90(image, 3)),
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    ],
)
def test_videos_of_phones_are_upright(matrix: tuple[int, ...], turn: Any, tmp_path: Path) -> None:
    content = bytearray(video([picture((32, 48))], "mp4"))
    plain = read(tmp_path, bytes(content))[1]
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    content[at : at + 20] = struct.pack(">iiiii", a, b, 0, c, d)
    found, image = read(tmp_path, bytes(content))
    assert np.array_equal(image, turn(plain))
    assert image.shape == (found.height, found.width, 3)


def test_the_cover_of_a_record_is_no_video(tmp_path: Path) -> None:
    content = io.BytesIO()
    with av.open(content, "w", format="mp4") as container:
        sound: Any = container.add_stream("aac", rate=8000)
        cover: Any = container.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 32, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(sound.encode(frame))
        picture_ = av.VideoFrame.from_ndarray(flat()).reformat(format="yuvj420p")
        container.mux(cover.encode(picture_))
        container.mux(cover.encode())
        container.mux(sound.encode())
    path = tmp_path / "song.m4a"
    path.write_bytes(content.getvalue())
    with pytest.raises(InputError, match="has no video, only sound, text or a cover picture"):
        open_video(path)


def test_old_movies_without_a_brand(tmp_path: Path) -> None:
    content = video([picture((32, 48))] * 2, "mov", "mpeg4")
    length = int.from_bytes(content[:4])
    assert content[4:8] == b"ftyp"
    moved = struct.pack(">I4s", length, b"free") + content[8:]
    assert read(tmp_path, moved)[0].frames == 2


def test_streams_of_blu_rays(tmp_path: Path) -> None:
    """192 bytes a packet, each with the time of its arrival in front."""
    content = video([picture((32, 48))] * 3, "mpegts")
    packets = [content[at : at + 188] for at in range(0, len(content), 188)]
    found, _ = read(tmp_path, b"".join(b"\0\0\0\0" + packet for packet in packets))
    assert found.frames == 3
