"""Colors of images and videos of others come out as their files mean them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from guidance.errors import InputError, InputWarning
from guidance.media.read_image import load_image
from tests.media.inputs import encoded, picture
from tests.media.test_read_image import chunk


def profile_of(primaries: dict[bytes, tuple[float, float, float]], gamma: float = 2.2) -> bytes:
    """A display profile of three colorants (XYZ, D50) and a gamma."""
    white = struct.pack(">4s4xiii", b"XYZ ", *(round(v * 65536) for v in (0.9642, 1.0, 0.8249)))
    curve = struct.pack(">4s4xIH", b"curv", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78) + b"\0"
    tags = {b"desc": text, b"wtpt": white, b"cprt": b"text" + bytes(4) + b"none\0\0\0\0"}
    for name, xyz in primaries.items():
        tags[name + b"XYZ"] = struct.pack(">4s4xiii", b"XYZ ", *(round(v * 65536) for v in xyz))
        tags[name + b"TRC"] = curve
    return profile_file(b"RGB ", tags)


def grey_profile(gamma: float) -> bytes:
    white = struct.pack(">4s4xiii", b"XYZ ", *(round(v * 65536) for v in (0.9642, 1.0, 0.8249)))
    curve = struct.pack(">4s4xIH", b"curv", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78) + b"\0"
    return profile_file(b"GRAY", {b"desc": text, b"wtpt": white, b"kTRC": curve})


def profile_file(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2 of a display."""
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        body += b"\0" * (-len(body) % 4)
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content
    head = bytes(4) + bytes(4) + struct.pack(">I4s4s4s", 0x02100000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28)
    head += struct.pack(">iii", *(round(v * 65536) for v in (0.9642, 1.0, 0.8249)))
    head += bytes(128 - len(head))
    whole = head + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


SRGB = {
    b"r": (0.4361, 0.2225, 0.0139),
    b"g": (0.3851, 0.7169, 0.0971),
    b"b": (0.1431, 0.0606, 0.7141),
}
#: Red and green exchanged.
SWAPPED = profile_of({b"r": SRGB[b"g"], b"g": SRGB[b"r"], b"b": SRGB[b"b"]})
OWN = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF")


def load(tmp_path: Path, content: bytes) -> torch.Tensor:
    path = tmp_path / "image"
    path.write_bytes(content)
    return load_image(path, "image") * 255


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("alpha", [False, True])
def test_a_profile_is_converted_in_every_format(form: str, alpha: bool, tmp_path: Path) -> None:
    if alpha and form == "JPEG":
        pytest.skip("has no alpha")
    color = (200, 30, 60, 128) if alpha else (200, 30, 60)
    image = Image.new("RGBA" if alpha else "RGB", (16, 16), color)
    exact = {"quality": 100} if form in ("JPEG", "WEBP", "AVIF") else {}
    if form in ("JPEG", "AVIF"):
        exact["subsampling"] = 0 if form == "JPEG" else "4:4:4"  # type: ignore[assignment]
    found = load(tmp_path, encoded(image, form, icc_profile=SWAPPED, **exact))[:, 8, 8]
    expected = torch.tensor([30.0, 200.0, 60.0])
    if alpha:
        expected = 255 + (expected - 255) * 128 / 255
    assert (found - expected).abs().max() <= 9  # a gamma of 2.2 is nearly that of sRGB


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA"])
def test_a_profile_reaches_every_mode(mode: str, tmp_path: Path) -> None:
    image = Image.fromarray(picture()).convert("RGB").convert(mode)
    found = load(tmp_path, encoded(image, "PNG", icc_profile=SWAPPED))
    plain = load(tmp_path, encoded(image, "PNG"))
    assert (found - plain[[1, 0, 2]]).abs().max() <= 10


def test_the_profile_of_srgb_changes_nothing(tmp_path: Path) -> None:
    image = Image.fromarray(picture()).convert("RGB")
    for profile in (OWN, profile_of(SRGB, 2.2)):
        found = load(tmp_path, encoded(image, "PNG", icc_profile=profile))
        plain = load(tmp_path, encoded(image, "PNG"))
        limit = 0 if profile is OWN else 10
        assert (found - plain).abs().max() <= limit


def test_grey_has_the_gamma_of_its_profile(tmp_path: Path) -> None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None].repeat(4, 0))
    found = load(tmp_path, encoded(ramp, "TIFF", icc_profile=grey_profile(1.0)))[0, 0]
    linear = torch.arange(256) / 255
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert (found - expected)[8:].abs().max() <= 1.5  # darker levels are coarse in 8 bits


def test_cmyk_follows_its_profile(tmp_path: Path) -> None:
    """A profile of printing whose table exchanges cyan and yellow."""
    profile = cmyk_profile()
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    found = load(tmp_path, encoded(image, "TIFF", icc_profile=profile))[:, 8, 8]
    assert found[2] < 60 and found[0] > 180, "yellow"
    plain = load(tmp_path, encoded(image, "TIFF"))[:, 8, 8]
    assert plain.tolist() == [0, 255, 255], "cyan"


def cmyk_profile() -> bytes:
    """A CMYK profile with a table of 2 x 2 x 2 x 2 Lab colors: ink 0 is yellow."""
    lab = []
    for c, m, y, k in np.ndindex(2, 2, 2, 2):
        light = 0.0 if k else 1 - 0.1 * c - 0.4 * m - 0.4 * y
        lab.append((light, 0.5 + 0.3 * m - 0.2 * y, 0.5 + 0.45 * c - 0.3 * y))
    values = np.clip(np.array(lab) * 255, 0, 255).round().astype(np.uint8)
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0])
    table += struct.pack(">9i", *[65536, 0, 0, 0, 65536, 0, 0, 0, 65536])
    table += bytes(range(256)) * 4 + values.tobytes() + bytes(range(256)) * 3
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78) + b"\0"
    white = struct.pack(">4s4xiii", b"XYZ ", *(round(v * 65536) for v in (0.9642, 1.0, 0.8249)))
    whole = bytearray(profile_file(b"CMYK", {b"desc": text, b"wtpt": white, b"A2B0": table}))
    whole[12:16], whole[20:24] = b"prtr", b"Lab "
    return bytes(whole)


BROKEN = {
    "noise": b"\x01\x02" * 100,
    "cut": OWN[:200],
    "of another space": grey_profile(2.2),
}


@pytest.mark.parametrize("name", BROKEN)
def test_profiles_that_cannot_be_used_are_told_and_ignored(name: str, tmp_path: Path) -> None:
    image = Image.fromarray(picture()).convert("RGB")
    with pytest.warns(InputWarning, match="image .*: its color profile is ignored"):
        found = load(tmp_path, encoded(image, "PNG", icc_profile=BROKEN[name]))
    assert torch.equal(found, load(tmp_path, encoded(image, "PNG")))


def test_stills_of_phones_and_cameras(tmp_path: Path) -> None:
    """AVIF: colors, alpha over white, orientation."""
    image = Image.new("RGBA", (16, 12), (220, 30, 30, 0))
    image.paste((220, 30, 30, 255), (0, 0, 8, 12))
    exif = Image.Exif()
    exif[0x0112] = 6
    found = load(tmp_path, encoded(image, "AVIF", quality=100, exif=exif))
    assert found.shape == (3, 16, 12)
    assert (found[:, 2, 5] - torch.tensor([220.0, 30.0, 30.0])).abs().max() <= 4
    assert found[:, 13].min() >= 254


def test_floats_are_scaled_or_refused(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None].repeat(4, 0)
    found = load(tmp_path, encoded(Image.fromarray(ramp), "TIFF"))
    assert torch.equal(found[1, 0], torch.arange(256.0))
    for factor, message in ((3.0, "has values from 0 to 3, 0 to 1 are expected"), (np.nan, "nan")):
        with pytest.raises(InputError, match=message):
            load(tmp_path, encoded(Image.fromarray(ramp * np.float32(factor)), "TIFF"))


def test_integers_of_32_bits_are_refused(tmp_path: Path) -> None:
    image = Image.fromarray(np.full((4, 4), 2**30, np.int32))
    with pytest.raises(InputError, match="has signed or 32-bit integers; save it in 8 or 16 bits"):
        load(tmp_path, encoded(image, "TIFF"))


def png_of(depth: int, kind: int, row: bytes, *chunks: bytes) -> bytes:
    """A PNG of 2 x 1 pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, depth, kind, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (png_of(8, 0, b"\x50\x51", chunk(b"tRNS", b"\0\x51")), [0x50, 255]),
        (png_of(16, 0, b"\x50\0\x51\0", chunk(b"tRNS", b"\x51\0")), [0x4F, 255]),
        (png_of(8, 2, b"\x50" * 3 + b"\x51" * 3, chunk(b"tRNS", b"\0\x51" * 3)), [0x50, 255]),
        (png_of(16, 2, b"\x50\0" * 3 + b"\x51\0" * 3, chunk(b"tRNS", b"\x51\0" * 3)), [0x50, 255]),
        (
            png_of(8, 3, b"\0\1", chunk(b"PLTE", b"\x50" * 6), chunk(b"tRNS", b"\xff\0")),
            [0x50, 255],
        ),
        (png_of(16, 4, b"\x50\0\xff\xff\x51\0\0\0"), [0x50, 255]),
        (png_of(16, 6, b"\x50\0" * 3 + b"\xff\xff" + b"\x51\0" * 3 + b"\0\0"), [0x50, 255]),
        (png_of(1, 0, b"\x40", chunk(b"tRNS", b"\0\0")), [255, 255]),
    ],
)
def test_every_kind_of_transparency_lies_over_white(
    content: bytes, expected: list[int], tmp_path: Path
) -> None:
    assert load(tmp_path, content)[1, 0].tolist() == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50), r"HEIC; convert it to PNG or JPEG"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(50), r"HEIC; convert it to PNG or JPEG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(50), r"JPEG XL; convert it"),
        (b"8BPS\0\1" + bytes(50), r"PSD; convert it"),
        (b"\x1a\x45\xdf\xa3" + bytes(50), r"MKV is a video; formats of images: PNG, JPEG,"),
        (b"ID3\4" + bytes(50), r"MP3; formats of images"),
    ],
)
def test_what_is_no_image_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load(tmp_path, content)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF"])
def test_the_first_frame_of_an_animation_is_read_and_told(form: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    moving: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 100}
    with pytest.warns(InputWarning, match="is animated; only its first frame is read"):
        found = load(tmp_path, encoded(frames[0], form, **moving))
    assert found[0].min() > 240 and found[2].max() < 20


def test_trailing_bytes_and_names_do_not_matter(tmp_path: Path) -> None:
    content = encoded(Image.new("RGB", (4, 4), "red"), "PNG") + b"more" * 100
    assert load(tmp_path, content)[:, 0, 0].tolist() == [255, 0, 0]
    assert io.BytesIO(content).read(4) == b"\x89PNG"
