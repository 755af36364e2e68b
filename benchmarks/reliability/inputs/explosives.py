"""Files that are small and claim, or unpack to, far more than any reader should hold."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.reliability.inputs.explosive_images import IMAGES
from benchmarks.reliability.inputs.explosive_meshes import MESHES
from benchmarks.reliability.inputs.media import image_inputs, video_inputs
from benchmarks.reliability.inputs.meshes import mesh_inputs
from benchmarks.reliability.inputs.weights import safetensors_file

FEW = ["--steps", "1", "--device", "cpu", "--no-judge"]


def _aliases() -> str:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(rows)


CONFIGS: dict[str, Callable[[], str]] = {
    "aliases": _aliases,
    "keys": lambda: "".join(f"k{n}: 1\n" for n in range(25_000)),
    "nested keys": lambda: "prompt: {" + ", ".join(f"k{n}: 1" for n in range(20_000)) + "}",
    "brackets": lambda: "prompt: " + "[" * 120_000,
    "items": lambda: "prompt: [" + "a," * 120_000 + "a]",
    "lists": lambda: "prompt: " + "[" * 500 + "]" * 500 + "\n" + "# x\n" * 50_000,
    "question marks": lambda: "? " * 120_000,
    "digits": lambda: "steps: " + "9" * 250_000,
    "hexadecimal": lambda: "steps: 0x" + "f" * 250_000,
    "sixties": lambda: "steps: " + "1:" * 100_000 + "1",
    "documents": lambda: "---\n" * 60_000,
    "anchors": lambda: "".join(f"- &a{n} b\n" for n in range(20_000)),
}


def _tensors(count: int) -> bytes:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    return safetensors_file({f"t{n}": entry for n in range(count)}, b"")


TENSORS: dict[str, Callable[[], bytes]] = {
    "long header": lambda: safetensors_file({"__metadata__": {"a": "b" * 90_000_000}}, b""),
    "many tensors": lambda: _tensors(400_000),
    "endless header": lambda: struct.pack("<Q", 2**63) + b'{"a":1}',
    "nested header": lambda: struct.pack("<Q", 1_000_000) + b'{"a":' + b"[" * 999_995,
    "empty shapes": lambda: safetensors_file(
        {"logit_scale": {"dtype": "F32", "shape": [0, 10**12], "data_offsets": [0, 0]}}, b""
    ),
}
#: Numbers of a model's configuration, and the file that holds them.
NUMBERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "layers": ("encoder", "open_clip_config.json", {"vision_cfg": {"layers": 10**12}}),
    "width": ("encoder", "open_clip_config.json", {"vision_cfg": {"width": 10**9}}),
    "patches": ("encoder", "open_clip_config.json", {"vision_cfg": {"patch_size": 0}}),
    "image": ("encoder", "open_clip_config.json", {"vision_cfg": {"image_size": 10**9}}),
    "words": ("encoder", "open_clip_config.json", {"text_cfg": {"vocab_size": 10**12}}),
    "context": ("encoder", "open_clip_config.json", {"text_cfg": {"context_length": 10**9}}),
    "heads": ("encoder", "open_clip_config.json", {"text_cfg": {"layers": 10**7}}),
    "channels": ("denoiser", "unet/config.json", {"block_out_channels": [10**9, 10**9]}),
    "blocks": ("denoiser", "unet/config.json", {"layers_per_block": 10**9}),
    "tower": ("denoiser", "text_encoder/config.json", {"num_hidden_layers": 10**9}),
    "positions": ("denoiser", "text_encoder/config.json", {"max_position_embeddings": 10**12}),
    "autoencoder": ("denoiser", "vae/config.json", {"layers_per_block": 10**9}),
    "timesteps": ("denoiser", "scheduler/scheduler_config.json", {"num_train_timesteps": 10**12}),
}
VIDEOS = ("long.mkv", "fast.mp4")
NAMES = (
    *(f"image: {name}" for name in IMAGES),
    *(f"mesh: {name}" for name in MESHES),
    *(f"config: {name}" for name in CONFIGS),
    *(f"tensors: {name}" for name in TENSORS),
    *(f"checkpoint: {name}" for name in TENSORS),
    *(f"numbers: {name}" for name in NUMBERS),
    *(f"video: {name}" for name in VIDEOS),
)


def make(name: str, place: Path, sources: Path, whole: Path) -> list[str]:
    """Writes a bomb; returns the words that open it."""
    family, _, which = name.partition(": ")
    return [*MAKERS[family](which, place, sources, whole)]


#: A plain file of each kind that may be read after all.
PLAIN: dict[str, Callable[[], bytes]] = {
    "image": lambda: image_inputs()["rgb.png"],
    "video": lambda: video_inputs()["h264.mkv"],
    "mesh": lambda: mesh_inputs()["plain.obj"],
}


def plain(kind: str, place: Path) -> list[str]:
    """Writes a plain file of a kind; returns the words that open it."""
    path = place / "plain"
    path.write_bytes(PLAIN[kind]())
    return _mesh_words(path, place) if kind == "mesh" else _image_words(path, place)


def _image(which: str, place: Path, sources: Path, whole: Path) -> list[str]:
    path = place / which
    path.write_bytes(IMAGES[which]())
    return _image_words(path, place)


def _image_words(path: Path, place: Path) -> list[str]:
    words = ["run", "stylize", "--prompt", "a", "--image", str(path), "--size", "32"]
    return [*words, *FEW, "--output", str(place / "out")]


def _mesh(which: str, place: Path, sources: Path, whole: Path) -> list[str]:
    path = place / which
    path.write_bytes(MESHES[which]())
    return _mesh_words(path, place)


def _mesh_words(path: Path, place: Path) -> list[str]:
    words = ["run", "text2mesh", "--prompt", "a", "--mesh", str(path), "--mode", "texture"]
    words += ["--texels", "64", "--views", "1", "--resolution", "16"]
    return [*words, *FEW, "--output", str(place / "out")]


def _config(which: str, place: Path, sources: Path, whole: Path) -> list[str]:
    path = place / "config.yaml"
    path.write_text(CONFIGS[which]())
    return ["run", "text2image", "--config", str(path), *FEW, "--output", str(place / "out")]


def _tensors_of_an_encoder(which: str, place: Path, sources: Path, whole: Path) -> list[str]:
    folder = place / "encoder"
    shutil.copytree(sources / "encoder", folder)
    (folder / "open_clip_model.safetensors").write_bytes(TENSORS[which]())
    return _model_words("encoder", folder, place)


def _tensors_of_a_checkpoint(which: str, place: Path, sources: Path, whole: Path) -> list[str]:
    """A checkpoint whose description has the hash of the bomb."""
    from guidance.runs import checkpoint

    folder, content = place / "run", TENSORS[which]()
    shutil.copytree(whole, folder)
    (folder / "DONE.json").unlink()
    (folder / "checkpoint.safetensors").write_bytes(content)
    values = json.loads((folder / "checkpoint.json").read_text())
    values |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    values.pop("self_sha256", None)
    text = checkpoint._as_text(checkpoint.Description(**values))
    (folder / "checkpoint.json").write_text(text)
    return ["run", "--resume", str(folder)]


def _numbers(which: str, place: Path, sources: Path, whole: Path) -> list[str]:
    kind, file, patch = NUMBERS[which]
    folder = place / kind
    shutil.copytree(sources / kind, folder)
    stored = json.loads((folder / file).read_text())
    target = stored["model_cfg"] if kind == "encoder" else stored
    for key, value in patch.items():
        target[key] = target[key] | value if isinstance(value, dict) else value
    (folder / file).write_text(json.dumps(stored))
    return _model_words(kind, folder, place)


def _model_words(kind: str, folder: Path, place: Path) -> list[str]:
    words = ["run", "text2image", "--prompt", "red", "--size", "16", *FEW]
    model = {"encoder": ["--encoder"], "denoiser": ["--loss", "sds", "--denoiser"]}[kind]
    return [*words, *model, f"local-dir:{folder}", "--output", str(place / "out")]


def _video(which: str, place: Path, sources: Path, whole: Path) -> list[str]:
    """A video whose header claims a gigantic image or a length of years."""
    path = place / which
    if which == "long.mkv":
        content = video_inputs()["h264.mkv"]
        at = content.find(b"\x44\x89")  # the element of the duration
        path.write_bytes(content[: at + 3] + struct.pack(">d", 1e15) + content[at + 11 :])
    else:
        content = video_inputs()["mpeg4.mp4"]
        at = content.find(b"stts") + 8
        count = struct.pack(">III", 1, 2**31 - 1, 1)
        path.write_bytes(content[:at] + count + content[at + 12 :])
    return _image_words(path, place)


MAKERS: dict[str, Callable[[str, Path, Path, Path], list[str]]] = {
    "image": _image,
    "mesh": _mesh,
    "config": _config,
    "tensors": _tensors_of_an_encoder,
    "checkpoint": _tensors_of_a_checkpoint,
    "numbers": _numbers,
    "video": _video,
}
