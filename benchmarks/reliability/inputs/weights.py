"""Folders with small models of random weights, and copies of them with one damaged file."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import struct
import warnings
from pathlib import Path
from typing import Any

from benchmarks.reliability.inputs.mutate import mutated, mutated_json

HEAD = {"width": 16, "heads": 2, "layers": 1}
VISION = {"image_size": 32, "layers": 1, "width": 16, "patch_size": 8, "head_width": 8}
CLIP = {
    "embed_dim": 8,
    "vision_cfg": VISION,
    "text_cfg": {"context_length": 16, "vocab_size": 49408, **HEAD, "width": 8},
}
CARD = {"family": "tiny", "templates": ["{}"], "alternatives": ["a photo"], "preprocessing": {}}


def encoder_folder(folder: Path) -> Path:
    """An encoder in open_clip's format."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.CLIP(**json.loads(json.dumps(CLIP)))
    folder.mkdir(parents=True)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    means = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
    stored = {"model_cfg": CLIP, "preprocess_cfg": means}
    (folder / "open_clip_config.json").write_text(json.dumps(stored))
    (folder / "guidance.json").write_text(json.dumps(CARD))
    return folder


def denoiser_folder(folder: Path) -> Path:
    """A denoiser in the format of diffusers."""
    from tests.diffusion import tiny

    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        tiny.save("StableDiffusionPipeline", folder)
    return folder


def damaged_copy(folder: Path, copy: Path, draw: random.Random) -> str:
    """Copies a folder with one damaged file; says which."""
    shutil.rmtree(copy, ignore_errors=True)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    # JSON decides most, and most of it is small.
    weights = [4 if path.suffix == ".json" else 2 for path in files]
    (chosen,) = draw.choices(files, weights)
    for path in files:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        if path != chosen:
            os.link(folder / path, copy / path)
    content = (folder / chosen).read_bytes()
    if draw.random() < 0.05:
        return f"without {chosen}"
    (copy / chosen).write_bytes(_damaged(chosen, content, draw))
    return str(chosen)


def _damaged(path: Path, content: bytes, draw: random.Random) -> bytes:
    if path.suffix == ".json" and draw.random() < 0.8:
        return json.dumps(mutated_json(json.loads(content), draw)).encode()
    if path.suffix == ".safetensors":
        return _damaged_tensors(content, draw)
    return mutated(content, [content], draw)


def _damaged_tensors(content: bytes, draw: random.Random) -> bytes:
    """Damages the header, or some numbers; the first 64 KB of a large file suffice."""
    (length,) = struct.unpack_from("<Q", content)
    header: Any = json.loads(content[8 : 8 + length])
    data = content[8 + length :]
    match draw.randrange(4):
        case 0:
            header = mutated_json(header, draw)
        case 1:
            odd = draw.choice((float("nan"), float("inf"), 1e38))
            at = 4 * draw.randrange(max(1, len(data) // 4))
            data = data[:at] + struct.pack("<f", odd) + data[at + 4 :]
        case 2:
            wrong = draw.choice((0, length - 1, length + 1, 2**20, 2**40, 2**63, 2**64 - 1))
            return struct.pack("<Q", wrong) + content[8:]
        case _:
            return mutated(content[: 2**16], [content[: 2**16]], draw)
    return safetensors_file(header, data)


def safetensors_file(header: Any, data: bytes) -> bytes:
    """A file of tensors with any header."""
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data
