"""Images of users are read by their content, within a cap, and refused in one line."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from guidance.errors import InputError
from guidance.media.pixels import from_uint8
from guidance.media.read_image import load_image, read_image, read_png
from guidance.media.write_image import encode_png, save_png


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that claims side x side pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"0" * 99)) + b"\0\0\0\0IEND"
    )


def noise_png(path: Path) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(path, "PNG")
    return path.read_bytes()


BAD = {
    "empty": (b"", "not a readable image"),
    "text": (b"hello", "not a readable image"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a readable image"),
    "large": (bomb(9000), "9000 x 9000 pixels are more than the 67 million that are read"),
    "huge": (bomb(60000), "claims far too many pixels"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.filterwarnings("error")
def test_bad_pictures_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as told:
        load_image(path, "image")
    assert "\n" not in str(told.value) and str(told.value).startswith(f"image {path}: ")


def test_missing_and_damaged_pictures_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"image prompt .*nowhere.png: no such file"):
        load_image(tmp_path / "nowhere.png")
    with pytest.raises(InputError, match="is not a plain file but a folder"):
        load_image(tmp_path)
    path = tmp_path / "cut.png"
    path.write_bytes(noise_png(path)[:500])
    with pytest.raises(InputError, match="not a readable image"):
        load_image(path)


def test_a_wrong_name_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    noise_png(path)
    assert load_image(path).shape == (3, 32, 32)


def test_photos_are_turned_upright(tmp_path: Path) -> None:
    photo = Image.new("RGB", (20, 10), "red")
    exif = photo.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    photo.save(tmp_path / "photo.jpg", exif=exif)
    assert load_image(tmp_path / "photo.jpg").shape == (3, 20, 10)


def test_grey_of_sixteen_bits_keeps_its_shades(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    read = load_image(tmp_path / "ramp.png")[1, 0]
    assert torch.allclose(read, torch.linspace(0, 1, 256), atol=1.5 / 255)


def test_transparent_is_white(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert torch.equal(load_image(tmp_path / "clear.png"), torch.ones(3, 2, 2))


def by_pillow(path: Path) -> torch.Tensor:
    """The same by Pillow alone."""
    with Image.open(path) as file:
        rgba = ImageOps.exif_transpose(file).convert("RGBA")
    over = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return torch.from_numpy(np.array(over)).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_pixels_are_those_of_pillow(mode: str, orientation: int, tmp_path: Path) -> None:
    random = np.random.default_rng(orientation)
    image = Image.fromarray(random.integers(0, 256, (5, 7, 4), np.uint8)).convert(mode)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "image.png", exif=exif)
    assert torch.equal(load_image(tmp_path / "image.png"), by_pillow(tmp_path / "image.png"))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_all_formats_are_those_of_pillow(form: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    noise_png(path)
    with Image.open(path) as image:
        image.save(path, form)
    assert torch.equal(load_image(path), by_pillow(path))


def test_cmyk_photos_are_those_of_pillow(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    Image.fromarray(levels, "CMYK").save(tmp_path / "print.jpg")
    assert torch.equal(load_image(tmp_path / "print.jpg"), by_pillow(tmp_path / "print.jpg"))


@pytest.mark.parametrize("form", ["ICNS", "PCX", "TGA", "EPS", "DDS"])
def test_other_formats_are_refused(form: str, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.new("RGB", (16, 16)).save(path, form)
    with pytest.raises(InputError, match=r"not a readable image \((formats: PNG, JPEG,|EPS;)"):
        load_image(path)


@pytest.mark.parametrize("channels", [3, 4])
def test_pngs_come_back_to_the_bit(channels: int, tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (3, 4, channels), np.uint8)
    path = save_png(tmp_path / "image.png", from_uint8(levels))
    assert path.read_bytes() == encode_png(levels)
    assert np.array_equal(read_image(path, "image", ("PNG",))[..., :channels], levels)


def test_grey_maps_come_back_to_the_bit() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (3, 4, 1), np.uint8)
    found = read_image(encode_png(levels), "image", ("PNG",))
    assert np.array_equal(found[..., :3], levels.repeat(3, -1))


def test_a_jpeg_is_not_a_png(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "image.png", "JPEG")
    with pytest.raises(InputError, match=r"image\.png: not a readable PNG"):
        read_png(tmp_path / "image.png")
