"""Small valid images and videos, of each format and layout that is read."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np

WIDTH, HEIGHT, FRAMES = 24, 16, 4


def _pixels(channels: int = 3, seed: int = 0) -> Any:
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (HEIGHT // 4, WIDTH // 4, channels), np.uint8)
    return np.ascontiguousarray(coarse.repeat(4, 0).repeat(4, 1))


def image_inputs() -> dict[str, bytes]:
    """Files by name; formats that this Pillow cannot write are left out."""
    from PIL import Image, ImageCms, PngImagePlugin, features

    rgb, rgba = Image.fromarray(_pixels()), Image.fromarray(_pixels(4))
    deep = Image.fromarray(_pixels(1)[..., 0].astype(np.uint16) * 257)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    text = PngImagePlugin.PngInfo()
    text.add_itxt("guidance", '{"task":"text2image","prompt":["a red heart"],"schema_version":2}')
    exif = Image.Exif()
    exif[274] = 6
    plans: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "rgb.png": (rgb, "PNG", {"pnginfo": text, "icc_profile": profile}),
        "rgba.png": (rgba, "PNG", {}),
        "palette.png": (rgb.quantize(8), "PNG", {"transparency": 1}),
        "bits.png": (rgb.convert("1"), "PNG", {}),
        "deep.png": (deep, "PNG", {}),
        "plain.jpg": (rgb, "JPEG", {"exif": exif, "icc_profile": profile}),
        "progressive.jpg": (rgb, "JPEG", {"progressive": True}),
        "cmyk.jpg": (rgb.convert("CMYK"), "JPEG", {}),
        "lossy.webp": (rgba, "WEBP", {"quality": 50}),
        "lossless.webp": (rgba, "WEBP", {"lossless": True}),
        "still.gif": (rgb.quantize(8), "GIF", {}),
        "plain.bmp": (rgb, "BMP", {}),
        "palette.bmp": (rgb.quantize(8), "BMP", {}),
        "plain.tif": (rgb, "TIFF", {}),
        "lzw.tif": (rgb, "TIFF", {"compression": "tiff_lzw"}),
        "float.tif": (Image.fromarray(_pixels(1)[..., 0].astype(np.float32) / 255), "TIFF", {}),
        "deep.tif": (deep, "TIFF", {}),
        "plain.ppm": (rgb, "PPM", {}),
        "plain.avif": (rgba, "AVIF", {}),
    }
    if not features.check("avif"):
        del plans["plain.avif"]
    found = {}
    for name, (image, form, options) in plans.items():
        file = BytesIO()
        image.save(file, form, **options)
        found[name] = file.getvalue()
    return found | {"text.ppm": b"P3\n# small\n2 2\n255\n" + b"9 99 199\n" * 4}


#: Container, codec and pixel format of each video.
VIDEOS = {
    "h264.mp4": ("mp4", "libx264", "yuv420p"),
    "mpeg4.mp4": ("mp4", "mpeg4", "yuv420p"),
    "h264.mov": ("mov", "libx264", "yuv420p"),
    "jpeg.avi": ("avi", "mjpeg", "yuvj420p"),
    "h264.mkv": ("matroska", "libx264", "yuv420p"),
    "vp9.webm": ("webm", "libvpx-vp9", "yuva420p"),
    "moving.gif": ("gif", "gif", "rgb8"),
    "h264.ts": ("mpegts", "libx264", "yuv420p"),
    "flv1.flv": ("flv", "flv", "yuv420p"),
    "wmv2.wmv": ("asf", "wmv2", "yuv420p"),
}


def video_inputs() -> dict[str, bytes]:
    """Files by name; codecs that this FFmpeg does not have are left out."""
    import av

    found = {}
    for name, (container, codec, pixels) in VIDEOS.items():
        if codec in av.codecs_available:
            found[name] = _encoded(container, codec, pixels)
    return found


def _encoded(form: str, codec: str, pixels: str) -> bytes:
    import av

    file = BytesIO()
    with av.open(file, "w", format=form) as container:
        container.metadata["comment"] = '{"task":"text2image","prompt":["a red heart"]}'
        stream: Any = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 2 * WIDTH, 2 * HEIGHT, pixels
        for number in range(FRAMES):
            image = _pixels(3, number).repeat(2, 0).repeat(2, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()
