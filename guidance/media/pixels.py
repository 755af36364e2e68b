"""Images in 8 bits: conversion from and to tensors, tiling, resizing."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

#: An sRGB image in 8 bits.
Frame = UInt8[np.ndarray, "_ _ 3"]


def to_uint8(image: Float[Tensor, "c h w"]) -> UInt8[np.ndarray, "h w c"]:
    """Converts an image in [0, 1] to 8 bits, rounding."""
    levels = (image.detach().float().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().numpy()


def from_uint8(levels: UInt8[np.ndarray, "h w c"]) -> Float[Tensor, "c h w"]:
    """Converts an image in 8 bits to [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(levels)).permute(2, 0, 1).float() / 255


def tiled(images: Float[Tensor, "n 3 h w"]) -> Frame:
    """All samples in one image, row by row in a grid that is nearly square; see `untiled`."""
    n, _, h, w = images.shape
    columns = math.ceil(math.sqrt(n))
    sheet = np.zeros((math.ceil(n / columns) * h, columns * w, 3), np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * h, index % columns * w
        sheet[top : top + h, left : left + w] = to_uint8(image)
    return sheet


def untiled(sheet: Frame, sample: int, num_samples: int) -> Frame:
    """One sample of an image made by `tiled`."""
    columns = math.ceil(math.sqrt(num_samples))
    h, w = sheet.shape[0] // math.ceil(num_samples / columns), sheet.shape[1] // columns
    top, left = sample // columns * h, sample % columns * w
    return sheet[top : top + h, left : left + w]


def fitted(frame: Frame, side: int) -> Frame:
    """Resizes a frame so that its longer side has that length; bicubic."""
    height, width = frame.shape[:2]
    scale = side / max(height, width)
    return resized_frame(frame, max(1, round(height * scale)), max(1, round(width * scale)))


def resized_frame(frame: Frame, height: int, width: int) -> Frame:
    """Resizes a frame; bicubic."""
    if frame.shape[:2] == (height, width):
        return frame
    from PIL import Image

    resized = Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized)
