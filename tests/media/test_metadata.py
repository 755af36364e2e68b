"""Images, videos and the configuration inside files."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from guidance.errors import InputError
from guidance.media import metadata
from guidance.media.contact_sheet import caption_below, contact_sheet
from guidance.media.pixels import tiled, to_uint8, untiled
from guidance.media.read_image import read_png
from guidance.media.write_image import encode_png
from guidance.media.write_video import LEAST_SIDE, encode_mp4
from tests.media.videos import moving_scene

CONFIG = {"schema_version": 1, "task": "dot", "prompt": ["ein Käse 🧀 <script>"]}
TEXT = json.dumps(CONFIG, ensure_ascii=False)
PICTURE = (np.arange(8 * 12 * 3) % 251).astype(np.uint8).reshape(8, 12, 3)


def glb(described: bytes, rest: bytes = b"") -> bytes:
    total = 20 + len(described) + len(rest)
    return struct.pack("<4sIII4s", b"glTF", 2, total, len(described), b"JSON") + described + rest


def png() -> bytes:
    return encode_png(PICTURE)


def test_png_carries_its_configuration_and_keeps_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "misnamed.mp4"
    path.write_bytes(metadata.embed(png(), TEXT))
    assert metadata.extract(path) == CONFIG
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        image.load()
        assert np.array_equal(np.asarray(image), PICTURE)
        assert json.loads(image.text[metadata.KEY]) == CONFIG


def test_glb_carries_its_configuration_in_the_asset(tmp_path: Path) -> None:
    rest = struct.pack("<I4s", 4, b"BIN\0") + b"abcd"
    content = metadata.embed(glb(b'{"asset":{"version":"2.0"}}  ', rest), TEXT)
    path = tmp_path / "mesh.glb"
    path.write_bytes(content)
    assert metadata.extract(path) == CONFIG
    assert content.endswith(rest)
    _, _, total, length, _ = struct.unpack("<4sIII4s", content[:20])
    assert total == len(content)
    assert length % 4 == 0
    assert json.loads(content[20 : 20 + length])["asset"]["version"] == "2.0"


def test_mp4_carries_its_configuration_and_plays(tmp_path: Path) -> None:
    import av

    frames = [np.full((64, 64, 3), level, np.uint8) for level in (0, 128, 255)]
    path = tmp_path / "progress.mp4"
    path.write_bytes(encode_mp4(frames, 5, TEXT))
    assert metadata.extract(path) == CONFIG
    with av.open(str(path)) as video:
        found = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert [round(float(frame.mean()) / 64) for frame in found] == [0, 2, 4]
    assert found[0].shape == (LEAST_SIDE, LEAST_SIDE, 3)


def test_the_same_frames_are_the_same_video_whatever_memory_held() -> None:
    frames = moving_scene(8, (64, 64))
    made = set()
    for level in range(40):
        remains = [np.full(1000 * size, level, np.uint8) for size in range(1, 400, 20)]
        del remains
        made.add(encode_mp4(frames, 12, TEXT, least_side=2))
    assert len(made) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a PNG, MP4 or GLB"),
        (b"just text", "is not a PNG, MP4 or GLB"),
        (png(), "has no embedded configuration"),
        (glb(b'{"asset":{"version":"2.0"}} '), "has no embedded configuration"),
        (glb(b'{"asset":{"extras":3}}'), "is damaged"),
        (glb(b"[1, 2]"), "is damaged"),
        (struct.pack("<4sIII4s", b"glTF", 2, 20, 2**31, b"JSON"), "is damaged"),
        (metadata.PNG + struct.pack(">I4s", 2**31, b"iTXt"), "is damaged"),
        (metadata.embed(png(), "[1]"), "has no embedded configuration"),
        (metadata.embed(png(), "{no json"), "is damaged"),
        (metadata.embed(png(), "[" * 100_000), "is damaged"),
        (b"\0\0\0\x18ftypmp42 and then nothing", "is damaged"),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as told:
        metadata.extract(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", ["png", "glb", "mp4"])
def test_damage_is_told_or_harmless(tmp_path: Path, kind: str) -> None:
    """Every truncation and many flipped bits: the configuration, or one of our errors."""
    whole = {
        "png": metadata.embed(png(), TEXT),
        "glb": metadata.embed(glb(b'{"asset":{"version":"2.0"}} '), TEXT),
        "mp4": encode_mp4([PICTURE] * 2, 5, TEXT),
    }[kind]
    path = tmp_path / "file"
    step = max(1, len(whole) // 100)
    for place in range(0, len(whole), step):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        for content in (whole[:place], bytes(flipped)):
            path.write_bytes(content)
            try:
                found = metadata.extract(path)
            except InputError as error:
                assert "\n" not in str(error)
                continue
            assert isinstance(found, dict)
            if kind == "png":
                assert found == CONFIG


def test_tiles_come_apart_again() -> None:
    pictures = torch.arange(5 * 3 * 2 * 4).reshape(5, 3, 2, 4) / 120
    sheet = tiled(pictures)
    assert sheet.shape == (4, 12, 3)
    for index in range(5):
        assert np.array_equal(untiled(sheet, index, 5), to_uint8(pictures[index]))


def test_contact_sheets_show_pictures_with_their_words() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 255
    plain, worded = (
        np.asarray(Image.open(io.BytesIO(contact_sheet([red] * 6, words))))
        for words in ([""] * 6, ["a red square"] * 6)
    )
    assert plain.shape == (2 * 264 + 8, 4 * 264 + 8, 3)
    assert worded.shape[0] > plain.shape[0]
    caption = worded[8 + 256 : 8 + 256 + 18, 8:264]
    assert caption.min() < 100  # letters
    assert caption.max() == 255
    assert (worded[8 + 128, 8 + 128] == [255, 0, 0]).all()


def test_large_pictures_are_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    head = bytearray(png())
    head[16:24] = struct.pack(">II", 60_000, 60_000)
    import zlib

    head[29:33] = struct.pack(">I", zlib.crc32(bytes(head[12:29])))
    path.write_bytes(head)
    with pytest.raises(InputError, match=r"bomb\.png"):
        read_png(path)


def test_the_caption_of_a_mesh_is_below_the_last_row() -> None:
    tiles = [np.full((256, 256, 3), 200, np.uint8)] * 8
    assert caption_below("a", 8) == [""] * 4 + ["a"] + [""] * 3
    sheet = np.asarray(Image.open(io.BytesIO(contact_sheet(tiles, caption_below("a cow", 8)))))
    plain = np.asarray(Image.open(io.BytesIO(contact_sheet(tiles, [""] * 8))))
    assert (sheet[: len(plain)] == plain).all()  # both rows, without a gap for captions
    assert sheet[len(plain) :].min() < 128
