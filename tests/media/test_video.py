"""Videos of users are detected by their content, decoded within limits, and refused in one line."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidance.errors import InputError
from guidance.media import read_video
from guidance.media.read_video import VideoInput, is_video, open_video
from guidance.media.video_stream import upright
from tests.media.videos import moving_scene, write_clip, write_gif

SCENE = moving_scene(6)
KINDS = {"a.mp4": "libx264", "a.mov": "libx264", "a.mkv": "libx264", "a.avi": "mpeg4"}


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", SCENE, 12)


@pytest.mark.parametrize("name", KINDS)
def test_videos_are_read_whatever_they_are_called(name: str, tmp_path: Path) -> None:
    made = write_clip(tmp_path / name, SCENE, 12, KINDS[name])
    path = made.rename(tmp_path / "photo.jpg")
    assert is_video(path)
    found = open_video(path)
    assert found == VideoInput(path, 6, Fraction(12), 36, 48)
    pictures = list(found.images())
    assert len(pictures) == 6
    for picture, given in zip(pictures, SCENE, strict=True):
        assert np.abs(picture.astype(int) - given).mean() < 12


def test_rates_that_are_no_whole_numbers_are_kept(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "film.mp4", SCENE, Fraction(24000, 1001))
    assert open_video(path).rate == Fraction(24000, 1001)


def test_gifs_move_or_are_still(tmp_path: Path) -> None:
    path = write_gif(tmp_path / "a.gif", SCENE, 0.2)
    assert is_video(path)
    assert open_video(path) == VideoInput(path, 6, Fraction(5), 36, 48)
    Image.fromarray(SCENE[0]).save(tmp_path / "still.gif")
    assert not is_video(tmp_path / "still.gif")


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    frames = [Image.new("RGBA", (24, 24), (0, 0, 200, 0)) for _ in range(3)]
    for index, frame in enumerate(frames):
        frame.paste((200, 0, 0, 255), (0, 0, 6 + index, 24))
    path = tmp_path / "clear.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, disposal=2)
    for picture in open_video(path).images():
        assert picture[5, 20].min() == 255
        assert picture[5, 2, 0] > 180 and picture[5, 2, 1:].max() < 20


def test_stills_are_no_clips(tmp_path: Path) -> None:
    assert not is_video(tmp_path / "nowhere.png")
    for content in (b"", b"Dear diary", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", b"OggS" * 9):
        (tmp_path / "text").write_bytes(content)
        with pytest.raises(InputError, match=r"not a readable image or video .*; videos: MP4, MOV"):
            is_video(tmp_path / "text")
    for form in ("PNG", "JPEG", "WEBP"):
        Image.fromarray(SCENE[0]).save(tmp_path / "still", form)
        assert not is_video(tmp_path / "still")


@pytest.mark.parametrize("form", ["WEBP", "PNG"])
def test_other_pictures_that_move_are_refused(form: str, tmp_path: Path) -> None:
    path = write_gif(tmp_path / "moving", SCENE, form=form)
    with pytest.raises(InputError, match=f"is an animated {form}; convert it to GIF or MP4"):
        is_video(path)


def test_telephones_that_were_held_sideways() -> None:
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    for matrix, expected in (
        ((1, 0, 0, 1), picture),
        ((0, 1, -1, 0), np.rot90(picture, 3)),
        ((0, -1, 1, 0), np.rot90(picture)),
        ((-1, 0, 0, -1), picture[::-1, ::-1]),
        ((-1, 0, 0, 1), picture[:, ::-1]),
        ((0, 1, 1, 0), picture.swapaxes(0, 1)),
    ):
        assert np.array_equal(upright(picture, matrix), expected)


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MAX_FRAMES", 5, "is longer than the limit of 5 frames or 60 seconds; cut it first"),
        ("MAX_TOTAL", 5000, "6 frames of 48 x 36 pixels are more than the"),
        ("MAX_SECONDS", 0.3, "is longer than the limit of 900 frames or 0.3 seconds"),
        ("MAX_PIXELS", 1000, "48 x 36 pixels are more than the 1000 of a video that are read"),
    ],
)
def test_limits(limit: str, value: float, message: str, clip: Path, monkeypatch) -> None:
    assert open_video(clip).frames == 6
    monkeypatch.setattr(read_video, limit, value)
    with pytest.raises(InputError, match=f"image {clip}: {message}") as told:
        open_video(clip)
    assert "\n" not in str(told.value)


def test_a_clip_that_changes_during_the_run_is_told(clip: Path) -> None:
    found = open_video(clip)
    for scene in (SCENE[:4], moving_scene(8), moving_scene(6, (40, 48))):
        write_clip(clip, scene)
        with pytest.raises(InputError, match="was changed during the run; restore it"):
            list(found.images())


def test_a_clip_without_pictures(tmp_path: Path) -> None:
    import av

    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        for start in range(0, 8192, 1024):
            sound = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            sound.rate, sound.pts = 8000, start
            container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="has no video, only sound, text or a cover picture"):
        open_video(path)


BAD = {
    "head": b"\0\0\0\x18ftypmp42 and then nothing",
    "matroska": b"\x1a\x45\xdf\xa3 and then nothing",
    "avi": b"RIFF\0\0\0\0AVI and then nothing",
}


@pytest.mark.parametrize("name", BAD)
def test_files_with_nothing_behind_their_first_bytes(name: str, tmp_path: Path) -> None:
    path = tmp_path / "clip"
    path.write_bytes(BAD[name])
    assert is_video(path)
    with pytest.raises(
        InputError, match=f"image {path}: (not a readable video|has no video)"
    ) as told:
        open_video(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", ["mp4", "gif", "mkv"])
def test_damage_is_told_or_harmless(kind: str, tmp_path: Path) -> None:
    """Truncations and flipped bits: frames of one size, or one of our errors."""
    path = tmp_path / f"whole.{kind}"
    whole = (write_gif if kind == "gif" else write_clip)(path, SCENE).read_bytes()
    step = max(1, len(whole) // 25)
    told = 0
    for place in range(12, len(whole), step):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        for content in (whole[:place], bytes(flipped)):
            path.write_bytes(content)
            try:
                found = open_video(path) if is_video(path) else None
            except InputError as error:
                assert "\n" not in str(error)
                told += 1
                continue
            assert found is None or 1 <= found.frames <= read_video.MAX_FRAMES
    assert told > 5


def test_a_cut_off_video_is_told(tmp_path: Path) -> None:
    """With its table of contents at the front, as files for the web have it."""
    import av

    path = tmp_path / "cut.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=12)
        stream.height, stream.width, stream.pix_fmt = 36, 48, "yuv420p"
        for picture in moving_scene(40):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    assert open_video(path).frames == 40
    content = path.read_bytes()
    path.write_bytes(content[: round(0.8 * len(content))])
    with pytest.raises(InputError, match=r"of 40 frames can be read; it is damaged|not a readable"):
        open_video(path)


def test_pictures_that_claim_to_be_animated_and_are_not_whole(tmp_path: Path) -> None:
    """What Pillow cannot open is no clip; whoever reads stills tells why."""
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )
    assert not is_video(path)
