"""Files that are small and claim, or unpack to, far more than any reader should hold."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.reliability.inputs.media import image_inputs, video_inputs
from benchmarks.reliability.inputs.meshes import glb, mesh_inputs
from benchmarks.reliability.inputs.mutate import PNG, png_chunk
from benchmarks.reliability.inputs.weights import safetensors_file

FEW = ["--steps", "1", "--device", "cpu", "--no-judge"]


def _png(width: int, height: int, *chunks: bytes, data: bytes = b"") -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = png_chunk(b"IDAT", data or zlib.compress(bytes(height * (width + 1) % 2**20)))
    return PNG + header + b"".join(chunks) + pixels + png_chunk(b"IEND", b"")


def _deflated(megabytes: int) -> bytes:
    """A stream that unpacks to that many zeros."""
    packer = zlib.compressobj(9)
    block = bytes(2**20)
    return b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()


def _gif(width: int, height: int, frames: int) -> bytes:
    """Frames that repeat one code; each has its own position, so that no two are the same."""
    lzw = b"\x02\x16" + b"\x8c\x2d\x99\x87\x2a\x1c\xdc\x33\xa0\x02\x75\xec\x95\xfa\xa8\xde\x60" * 1
    lzw = lzw[:2] + lzw[2:].ljust(22, b"\0") + b"\0"
    image = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + lzw
    control = b"\x21\xf9\x04\x00\x05\x00\x00\x00"
    start = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return start + (control + image) * frames + b"\x3b"


def _tiff(width: int, height: int, *, cyclic: bool = False) -> bytes:
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1)]
    tags += [(278, height), (279, width * height % 2**32)]
    directory = struct.pack("<H", len(tags))
    directory += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0\x08\0\0\0" + directory + struct.pack("<I", 8 if cyclic else 0)


IMAGES: dict[str, Callable[[], bytes]] = {
    "pixels.png": lambda: _png(60_000, 60_000),
    "long.png": lambda: _png(2**31 - 1, 1),
    "over.png": lambda: _png(30_000, 30_000, data=_deflated(900)),
    "chunks.png": lambda: _png(8, 8, png_chunk(b"tEXt", b"a\0b") * 400_000),
    "empty-chunks.png": lambda: _png(8, 8, png_chunk(b"IDAT", b"") * 400_000),
    "text.png": lambda: _png(8, 8, png_chunk(b"zTXt", b"a\0\0" + _deflated(1500))),
    "texts.png": lambda: _png(8, 8, png_chunk(b"zTXt", b"a\0\0" + _deflated(8)) * 2000),
    "profile.png": lambda: _png(8, 8, png_chunk(b"iCCP", b"a\0\0" + _deflated(1500))),
    "pixels.bmp": lambda: (
        b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 65_000, 65_000, 1, 24, 0, 0, 0, 0, 0, 0)
    ),
    "pixels.ppm": lambda: b"P6 100000 100000 255\n" + bytes(3000),
    "digits.ppm": lambda: b"P6 " + b"9" * 10_000_000 + b" 1 255\n",
    "pixels.tif": lambda: _tiff(100_000, 100_000),
    "cyclic.tif": lambda: _tiff(8, 8, cyclic=True) + bytes(64),
    "pixels.gif": lambda: _gif(65_535, 65_535, 1),
    "frames.gif": lambda: _gif(2_000, 2_000, 899),
    "many-frames.gif": lambda: _gif(8, 8, 200_000),
    "pixels.webp": lambda: (
        b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10)
        + b"\x02\0\0\0" + b"\xff\xff\xff" * 2
    ),
}  # fmt: skip


def _obj_polygon(corners: int) -> bytes:
    rows = "".join(f"v {n} {n * n % 97} 0\n" for n in range(1000))
    return f"{rows}f {' '.join(str(n % 1000 + 1) for n in range(corners))}\n".encode()


def _fan(depth: int) -> bytes:
    """Nodes of which each has the next one as child twice: two to the power of the depth."""
    nodes: list[dict[str, Any]] = [{"children": [n + 1, n + 1]} for n in range(depth)]
    described = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}],
        "nodes": [*nodes, {"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}], "buffers": [{"byteLength": 36}],
    }  # fmt: skip
    return glb(described, struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0))


def _primitives(count: int) -> bytes:
    """One mesh with many primitives, each in many nodes."""
    primitive = {"attributes": {"POSITION": 0}}
    described = {
        "asset": {"version": "2.0"}, "scene": 0,
        "scenes": [{"nodes": list(range(count))}], "nodes": [{"mesh": 0}] * count,
        "meshes": [{"primitives": [primitive] * count}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}], "buffers": [{"byteLength": 36}],
    }  # fmt: skip
    return glb(described, struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0))


def _zeros(count: int) -> bytes:
    """An accessor without a buffer, whose values are zeros."""
    described = {
        "asset": {"version": "2.0"}, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"componentType": 5126, "count": count, "type": "VEC3"}],
    }  # fmt: skip
    return glb(described, b"")


def _map() -> bytes:
    """A textured triangle whose map claims ten thousand million pixels."""
    image = _png(100_000, 100_000)
    described = {
        "asset": {"version": "2.0"}, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1},
                                    "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
        "textures": [{"source": 0}], "images": [{"bufferView": 2, "mimeType": "image/png"}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
                      {"bufferView": 1, "componentType": 5126, "count": 3, "type": "VEC2"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36},
                        {"buffer": 0, "byteOffset": 36, "byteLength": 24},
                        {"buffer": 0, "byteOffset": 60, "byteLength": len(image)}],
        "buffers": [{"byteLength": 60 + len(image)}],
    }  # fmt: skip
    corners = struct.pack("<15f", 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1)
    return glb(described, corners + image)


def _header(counts: str) -> bytes:
    return (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {counts}\nproperty float x\n"
        f"property float y\nproperty float z\nelement face {counts}\n"
        "property list uint int vertex_indices\nend_header\n"
    ).encode()


MESHES: dict[str, Callable[[], bytes]] = {
    "claims.ply": lambda: _header("999999999") + bytes(100),
    "digits.ply": lambda: _header("9" * 200_000) + bytes(100),
    "list.ply": lambda: _header("1") + bytes(12) + b"\xff\xff\xff\xff" + bytes(100),
    "elements.ply": lambda: _header("3").replace(
        b"end_header", b"element x 4000000000\nend_header"
    ) + bytes(200),
    "claims.stl": lambda: bytes(80) + struct.pack("<I", 2**32 - 1) + bytes(5000),
    "claims.off": lambda: b"OFF\n4000000000 4000000000 0\n0 0 0\n",
    "polygon.obj": lambda: _obj_polygon(400_000),
    "words.obj": lambda: b"v 0 0 0\n" * 3_000_000 + b"f 1 2 3\n",
    "digits.obj": lambda: b"v " + b"1" * 20_000_000 + b" 0 0\nf 1 1 1\n",
    "fan.glb": lambda: _fan(64),
    "chain.glb": lambda: _fan(100_000),
    "primitives.glb": lambda: _primitives(3000),
    "zeros.glb": lambda: _zeros(10**12),
    "nested.glb": lambda: glb("JSON", b"").replace(b'"JSON"', b"[[[[[[") + b"[" * 1_000_000,
    "map.glb": _map,
}  # fmt: skip


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
    import hashlib
    from dataclasses import asdict

    folder, content = place / "run", TENSORS[which]()
    shutil.copytree(whole, folder)
    (folder / "DONE.json").unlink()
    (folder / "checkpoint.safetensors").write_bytes(content)
    values = json.loads((folder / "checkpoint.json").read_text())
    values |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    values.pop("self_sha256", None)
    from guidance.runs import checkpoint

    text = checkpoint._as_text(checkpoint.Description(**values))
    assert asdict(checkpoint.Description(**values)) == values
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
