"""One small valid file of each format of images and videos, made by code; for tests and benchmarks.

from tests.media.inputs import image_inputs, video_inputs
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import numpy as np
from PIL import Image, ImageCms

#: Encoder, pixel format and options of each container.
VIDEOS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "mp4": ("mp4", "libx264", "yuv420p", {}),
    "mp4_fragmented": ("mp4", "libx264", "yuv420p", {"movflags": "frag_keyframe+empty_moov"}),
    "mov_prores": ("mov", "prores_ks", "yuva444p10le", {}),
    "mkv": ("matroska", "libx264", "yuv420p", {}),
    "webm_alpha": ("webm", "libvpx-vp9", "yuva420p", {}),
    "avi": ("avi", "mpeg4", "yuv420p", {}),
    "ts": ("mpegts", "libx264", "yuv420p", {}),
    "mpg": ("mpeg", "mpeg2video", "yuv420p", {}),
    "flv": ("flv", "flv", "yuv420p", {}),
    "wmv": ("asf", "wmv2", "yuv420p", {}),
}


def picture(size: tuple[int, int] = (24, 32)) -> np.ndarray[Any, Any]:
    """A smooth RGBA image of a height and width, half of it transparent."""
    y, x = np.mgrid[: size[0], : size[1]]
    levels = np.stack([x * 7 % 256, y * 9 % 256, (x + y) * 4 % 256, np.where(x < 16, 255, 40)], -1)
    return levels.astype(np.uint8)


def image_inputs() -> dict[str, bytes]:
    """A file of each image format that is read, by a name for messages."""
    rgba = Image.fromarray(picture())
    rgb = rgba.convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    deep = np.linspace(0, 65535, 24 * 32).astype(np.uint16).reshape(24, 32)
    frames = [Image.fromarray(np.roll(picture()[..., :3], step, 1)) for step in (0, 4, 8)]
    moving: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 100}
    return {
        "png": encoded(rgba, "PNG"),
        "png_profile": encoded(rgb, "PNG", icc_profile=profile),
        "png_palette": encoded(rgb.quantize(8), "PNG", transparency=0),
        "png_16": encoded(Image.fromarray(deep), "PNG"),
        "apng": encoded(frames[0], "PNG", **moving),
        "jpeg": encoded(rgb, "JPEG", exif=exif, icc_profile=profile),
        "jpeg_progressive": encoded(rgb, "JPEG", progressive=True),
        "jpeg_cmyk": encoded(rgb.convert("CMYK"), "JPEG"),
        "webp": encoded(rgba, "WEBP", lossless=True, exif=exif),
        "webp_animated": encoded(frames[0], "WEBP", **moving),
        "gif": encoded(rgb, "GIF"),
        "gif_animated": encoded(frames[0], "GIF", **moving),
        "bmp": encoded(rgb, "BMP"),
        "tiff": encoded(rgba, "TIFF", compression="tiff_lzw", icc_profile=profile),
        "tiff_float": encoded(Image.fromarray(deep / np.float32(65535)), "TIFF"),
        "ppm": encoded(rgb, "PPM"),
        "ppm_text": b"P3 2 2 9 " + b" ".join(b"%d" % (n % 10) for n in range(12)) + b"\n",
        "avif": encoded(rgba, "AVIF", exif=exif),
    }


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """The content of an image file."""
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def video_inputs() -> dict[str, bytes]:
    """A file of four frames of each video format that is read, by a name for messages."""
    frames = [np.roll(picture((32, 48)), 3 * step, 1) for step in range(4)]
    found = {name: video(frames, *how[:3], options=how[3]) for name, how in VIDEOS.items()}
    first, *others = (Image.fromarray(frame[..., :3]) for frame in frames)
    moving: dict[str, Any] = {"save_all": True, "append_images": others, "duration": 100}
    return found | {"gif": encoded(first, "GIF", **moving)}


def video(
    frames: list[np.ndarray[Any, Any]],
    form: str,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    *,
    rate: Fraction | int = 10,
    options: dict[str, str] | None = None,
    **settings: Any,
) -> bytes:
    """The content of a video file of RGBA or RGB frames.

    Args:
        form: FFmpeg's name of the container.
        pixels: the pixel format.
        options: of the container.
        settings: attributes of the codec context, such as `colorspace`.
    """
    content = io.BytesIO()
    with av.open(content, "w", format=form, options=options or {}) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        if codec == "libx264":
            stream.options = {"crf": "4", "preset": "veryfast"}
        else:
            stream.bit_rate = 4_000_000
            stream.options = {"auto-alt-ref": "0"} if codec == "libvpx" else {}
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        matrix = settings.get("colorspace")
        for levels in frames:
            kind = "rgba" if levels.shape[-1] == 4 else "rgb24"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(levels), format=kind)
            made = frame.reformat(
                format=pixels, dst_colorspace=matrix, dst_color_range=settings.get("color_range")
            )
            container.mux(stream.encode(made))
        container.mux(stream.encode())
    return content.getvalue()
