"""Artefacts that attack who opens them; each is a name and a function that writes it.

Code in them leaves a mark when it runs. Addresses are of this machine, where nobody listens.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.reliability.inputs.meshes import glb, mesh_inputs
from benchmarks.reliability.inputs.mutate import PNG, png_chunk
from benchmarks.reliability.inputs.weights import safetensors_file

if TYPE_CHECKING:
    from benchmarks.reliability.hostile import Surroundings

ADDRESS = "http://127.0.0.1:9/evil"
FEW = ["--steps", "1", "--size", "16", "--device", "cpu", "--no-judge"]
#: A value of a configuration may name these; they are filled in for each artefact.
HOLES = ("SECRET", "VICTIM", "EVIL", "ADDRESS", "FOLDER")


def code(around: Surroundings) -> str:
    """A Python file that leaves a mark when it is run, and has every class that may be asked."""
    names = "EvilModel EvilConfig EvilTokenizer EvilPipeline Loss Generator Task Evil"
    classes = "\n".join(f"class {name}: pass" for name in names.split())
    return f"open({str(around.mark)!r}, 'w').write('x')\n{classes}\n"


class _Pickled:
    """Executes when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return open, (str(self.mark), "w")


def _filled(value: Any, around: Surroundings) -> Any:
    """A value with the holes in its texts filled."""
    if isinstance(value, str):
        places = {
            "SECRET": str(around.secret),
            "VICTIM": str(around.victim),
            "EVIL": str(around.artefact / "evil.py"),
            "ADDRESS": ADDRESS,
            "FOLDER": str(around.artefact),
        }
        for hole, place in places.items():
            value = value.replace(hole, place)
        return value
    if isinstance(value, list):
        return [_filled(each, around) for each in value]
    if isinstance(value, dict):
        return {key: _filled(each, around) for key, each in value.items()}
    return value


def _merged(base: Any, patch: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(patch, dict):
        return patch
    return {**base, **{key: _merged(base.get(key), value) for key, value in patch.items()}}


def _patch(path: Path, patch: Any, around: Surroundings) -> None:
    """Merges values into a JSON file."""
    stored = json.loads(path.read_text()) if path.is_file() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_merged(stored, _filled(patch, around))))


def _link(path: Path, target: Path) -> None:
    """Replaces a file or folder by a link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


AUTO_MAP = {
    "AutoConfig": "evil.EvilConfig",
    "AutoModel": "evil.EvilModel",
    "AutoTokenizer": ["evil.EvilTokenizer", "evil.EvilTokenizer"],
}
TRUST = {"trust_remote_code": True}
TEXT, VISION = "text_cfg", "vision_cfg"
#: Changes of open_clip_config.json's model_cfg.
ENCODER_CONFIGS: dict[str, Any] = {
    "tokenizer by trusted code": {
        TEXT: {"hf_tokenizer_name": "FOLDER", "tokenizer_kwargs": TRUST | {"use_fast": False}}
    },
    "tokenizer by trusted code, relative": {
        TEXT: {"hf_tokenizer_name": ".", "tokenizer_kwargs": TRUST}
    },
    "tokenizer of a foreign class": {
        TEXT: {"hf_tokenizer_name": "FOLDER", "tokenizer_kwargs": {"tokenizer_type": "evil"}}
    },
    "tokenizer from the network": {TEXT: {"hf_tokenizer_name": "evil/tokenizer"}},
    "tokenizer with a token": {
        TEXT: {"hf_tokenizer_name": "evil/t", "tokenizer_kwargs": {"token": "x", "proxies": {}}}
    },
    "tokenizer that downloads": {
        TEXT: {"hf_tokenizer_name": "evil/t", "tokenizer_kwargs": {"force_download": True}}
    },
    "words of a secret file": {TEXT: {"tokenizer_kwargs": {"bpe_path": "SECRET"}}},
    "words of a foreign vocabulary": {
        TEXT: {"hf_tokenizer_name": "FOLDER", "tokenizer_kwargs": {"vocab_file": "SECRET"}}
    },
    "text tower of a foreign folder": {TEXT: {"hf_model_name": "FOLDER"}},
    "text tower from the network": {TEXT: {"hf_model_name": "evil/tower"}},
    "text tower by a path upwards": {TEXT: {"hf_model_name": "../../victim"}},
    "pretrained text tower": {TEXT: {"hf_model_name": "evil/x", "hf_model_pretrained": True}},
    "text tower with code": {
        TEXT: {"hf_model_name": "evil/x", "hf_model_config": TRUST | {"auto_map": AUTO_MAP}}
    },
    "text attention from a hub": {TEXT: {"_attn_implementation": "kernels-community/flash-attn"}},
    "text attention beside hf": {
        TEXT: {"hf_model_name": "evil/x", "_attn_implementation": "kernels-community/f"}
    },
    "image tower from a hub": {VISION: {"timm_model_name": "hf-hub:evil/model"}},
    "image tower from another hub": {VISION: {"timm_model_name": "hf_hub:evil/model"}},
    "image tower of a folder": {VISION: {"timm_model_name": "local-dir:FOLDER"}},
    "image tower pretrained": {
        VISION: {"timm_model_name": "resnet18", "timm_model_pretrained": True}
    },
    "image tower of an address": {VISION: {"timm_model_name": "ADDRESS"}},
    "image tower with a source": {
        VISION: {"timm_model_name": "resnet18", "pretrained_cfg": {"url": "ADDRESS"}}
    },
    "image tower with a file": {
        VISION: {
            "timm_model_name": "resnet18",
            "timm_model_kwargs": {"pretrained_cfg_overlay": {"file": "FOLDER/pickle.pt"}},
        }
    },
    "image tower with a checkpoint": {
        VISION: {"timm_model_name": "resnet18", "checkpoint_path": "FOLDER/pickle.pt"}
    },
    "activation by name": {VISION: {"act_kwargs": {"__class__": "os.system"}}},
    "activation of a module": {TEXT: {"act_layer": "evil.Evil"}},
    "norm of a module": {TEXT: {"norm_kwargs": {"layer": "evil:Evil"}}},
    "custom module": {"custom_text": True, "auto_map": AUTO_MAP, **TRUST},
    "code class": {"_target_": "evil.Evil", "class": "evil.Evil", "py/object": "evil.Evil"},
    "multimodal with code": {"multimodal_cfg": {"hf_model_name": "evil/x", **TRUST}},
    "audio tower": {"audio_cfg": {"hf_model_name": "evil/x", **TRUST}},
    "cast by eval": {"cast_dtype": "__import__('os').system('touch mark')"},
}
#: Changes of the card guidance.json, and of preprocess_cfg.
CARDS: dict[str, Any] = {
    "template of attributes": {"templates": ["{0.__class__.__mro__} {}"]},
    "template of items": {"templates": ["{0[0]} {}"], "alternatives": ["{x}"]},
    "template of a width": {"templates": ["{:>99999999999}{}"]},
    "family of escapes": {"family": "\x1b]0;title\x07"},
    "preprocessing of code": {"preprocessing": {"interpolation": "evil.Evil", "mean": "SECRET"}},
}
#: Files of a diffusers folder with changes.
DENOISER_CONFIGS: dict[str, tuple[str, Any]] = {
    "pipeline of a file": ("model_index.json", {"_class_name": ["evil", "EvilPipeline"]}),
    "custom pipeline": ("model_index.json", {"custom_pipeline": "FOLDER", **TRUST}),
    "network of a module": ("model_index.json", {"unet": ["evil", "EvilModel"]}),
    "network of a path": ("model_index.json", {"unet": ["FOLDER/evil.py", "EvilModel"]}),
    "tower of a module": ("model_index.json", {"text_encoder": ["evil", "EvilModel"]}),
    "tokenizer of a module": ("model_index.json", {"tokenizer": ["evil", "EvilTokenizer"]}),
    "scheduler of a module": ("model_index.json", {"scheduler": ["evil", "Evil"]}),
    "network with a map": ("unet/config.json", {"auto_map": AUTO_MAP, **TRUST}),
    "network of another class": ("unet/config.json", {"_class_name": "evil.EvilModel"}),
    "network of another name": ("unet/config.json", {"_name_or_path": "evil/model"}),
    "network, quantized": (
        "unet/config.json",
        {"quantization_config": {"quant_method": "gguf", "modules_to_not_convert": ["ADDRESS"]}},
    ),
    "network with a down block": ("unet/config.json", {"down_block_types": ["evil.Evil", "os"]}),
    "network with an activation": ("unet/config.json", {"act_fn": "__import__('os').abort()"}),
    "network with attention": ("unet/config.json", {"_attn_implementation": "kernels-community/x"}),
    "tower with a map": ("text_encoder/config.json", {"auto_map": AUTO_MAP, **TRUST}),
    "tower of another type": (
        "text_encoder/config.json",
        {"model_type": "evil", "auto_map": AUTO_MAP, "architectures": ["EvilModel"]},
    ),
    "tower with attention": (
        "text_encoder/config.json",
        {"_attn_implementation": "kernels-community/flash-attn"},
    ),
    "tower, quantized": (
        "text_encoder/config.json",
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
    ),
    "tower, a kernel": ("text_encoder/config.json", {"attn_implementation": "evil/kernel"}),
    "tower, an adapter": (
        "text_encoder/adapter_config.json",
        {"base_model_name_or_path": "evil/x", "peft_type": "LORA", "auto_mapping": AUTO_MAP},
    ),
    "tower, generation": (
        "text_encoder/generation_config.json",
        {"custom_generate": "evil/x", **TRUST},
    ),
    "tokenizer with a map": ("tokenizer/tokenizer_config.json", {"auto_map": AUTO_MAP, **TRUST}),
    "tokenizer of a class": (
        "tokenizer/tokenizer_config.json",
        {"tokenizer_class": "EvilTokenizer", "auto_map": AUTO_MAP},
    ),
    "tokenizer with a file": ("tokenizer/tokenizer_config.json", {"vocab_file": "SECRET"}),
    "tokenizer with another": ("tokenizer/tokenizer_config.json", {"tokenizer_file": "SECRET"}),
    "tokenizer with a template": (
        "tokenizer/tokenizer_config.json",
        {"chat_template": "{{ ''.__class__.__mro__[1].__subclasses__() }}"},
    ),
    "tokenizer of a hub": ("tokenizer/tokenizer_config.json", {"name_or_path": "evil/tokenizer"}),
    "autoencoder with a map": ("vae/config.json", {"auto_map": AUTO_MAP, **TRUST}),
    "autoencoder of another class": ("vae/config.json", {"_class_name": "EvilModel"}),
    "scheduler of another class": (
        "scheduler/scheduler_config.json",
        {"_class_name": "evil.Evil", "trained_betas": "SECRET"},
    ),
    "shards upwards": (
        "unet/diffusion_pytorch_model.safetensors.index.json",
        {"metadata": {}, "weight_map": {"conv_in.weight": "../../../secret.txt"}},
    ),
    "shards of a pickle": (
        "unet/diffusion_pytorch_model.safetensors.index.json",
        {"metadata": {}, "weight_map": {"conv_in.weight": "FOLDER/pickle.pt"}},
    ),
}
#: Options of a configuration that a file carries.
CARRIED: dict[str, Any] = {
    "an output": {"output": "VICTIM"},
    "an output upwards": {"output": "../victim"},
    "a device": {"device": "cuda:0"},
    "a template file": {"loss": [{"kind": "clip", "templates": "SECRET"}]},
    "an image prompt": {"prompt": ["image:SECRET"]},
    "a style image": {"style": "image:SECRET"},
    "an image of an address": {"prompt": ["image:ADDRESS"]},
    "a start image": {"generator": {"kind": "cutout", "start": "SECRET"}},
    "a task of a file": {"task": "EVIL"},
    "a generator of a file": {"generator": "EVIL"},
    "a kind of a file": {"generator": {"kind": "EVIL"}},
    "a generator of a module": {"generator": {"kind": "os:system"}},
    "a loss of a file": {"loss": "EVIL"},
    "a loss kind of a file": {"loss": [{"kind": "EVIL"}]},
    "an encoder of a file": {"loss": [{"kind": "clip", "encoder": ["EVIL"]}]},
    "an encoder of a folder": {"loss": [{"kind": "clip", "encoder": ["local-dir:FOLDER/model"]}]},
    "an encoder of a hub": {"loss": [{"kind": "clip", "encoder": ["hf-hub:evil/model"]}]},
    "a denoiser of a folder": {"loss": [{"kind": "sds", "denoiser": "local-dir:FOLDER"}]},
    "an image of another task": {"task": "stylize", "image": "SECRET"},
    "a mesh of another task": {"task": "text2mesh", "mesh": "SECRET", "mode": "stylize"},
    "a scene of another task": {"task": "text2mesh", "scene": "SECRET"},
}
CONFIGS: dict[str, str] = {
    "apply": "prompt: !!python/object/apply:os.system ['touch MARK']\n",
    "new": "prompt: !!python/object/new:subprocess.Popen [['touch', 'MARK']]\n",
    "name": "prompt: !!python/name:os.system\n",
    "module": "prompt: !!python/module:evil\n",
    "merge": "<<: !!python/object/apply:os.getcwd []\nprompt: a\n",
    "key": "? !!python/object/apply:os.getcwd []\n: a\n",
    "task": "task: EVIL\nprompt: a\n",
    "include": "prompt: !include SECRET\n",
    "format": "prompt: '{0.__init__.__globals__}%s${HOME}`touch MARK`'\nsteps: 1\nsize: 16\n",
    "title": 'prompt: "\\x1b]0;title\\x07"\nsize: "\\x1b[2J"\n',
}
#: Links in a run folder, with what they lead to.
LINKS = {
    "metrics.jsonl": "victim/data.jsonl",
    "checkpoint.safetensors": "victim/thesis.txt",
    "checkpoint.json": "secret.txt",
    "environment.json": "secret.txt",
    "config.yaml": "secret.txt",
    "DONE.json": "secret.txt",
    "image.png": "victim/thesis.txt",
    "progress.mp4": "victim/thesis.txt",
    "preview": "victim",
    "samples": "victim",
    ".export-x": "victim",
    ".new-x": "victim",
    ".x.tmp": "victim/thesis.txt",
    ".lock": "victim/thesis.txt",
    ".checkpoint.safetensors.next": "victim/thesis.txt",
}
MEDIA: dict[str, bytes] = {
    "playlist.mp4": f"#EXTM3U\n#EXTINF:1,\n{ADDRESS}.ts\n".encode(),
    "files.m3u8": b"#EXTM3U\n#EXTINF:1,\nfile://SECRET\n#EXT-X-ENDLIST\n",
    "concat.mov": b"ffconcat version 1.0\nfile SECRET\n",
    "session.sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 9 RTP/AVP 96\n",
    "vector.svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{ADDRESS}"/></svg>'.encode(),
    "script.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(SECRET) (r) file\n",
    "script.pdf": b"%PDF-1.4\n1 0 obj<</OpenAction<</S/Launch/F(/bin/sh)>>>>endobj\n",
    "script.msl": b'<?xml version="1.0"?><image><read filename="SECRET"/></image>',
    "script.mvg": b"push graphic-context\nimage over 0,0 9,9 'SECRET'\n",
    "pickle.png": pickle.dumps({"x": 1}),
    "code.png": b"import os\nos.abort()\n",
}


def _movie_of_an_address() -> bytes:
    """A MOV whose data lie at an address (dref)."""

    def box(kind: bytes, *parts: bytes) -> bytes:
        body = b"".join(parts)
        return struct.pack(">I", 8 + len(body)) + kind + body

    entry = box(b"url ", b"\0\0\0\0", ADDRESS.encode() + b"\0")
    alias = box(b"alis", b"\0\0\0\0", b"SECRET\0")
    reference = box(b"dref", struct.pack(">II", 0, 2), entry, alias)
    media = box(b"minf", box(b"dinf", reference))
    track = box(b"trak", box(b"mdia", media))
    return box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", track) + box(b"rmra", entry)


def _meshes() -> dict[str, bytes]:
    obj = mesh_inputs()["plain.obj"].replace(b"mtllib none.mtl", b"mtllib SECRET\nmtllib ../x.mtl")
    described: dict[str, Any] = {
        "asset": {"version": "2.0"},
        "buffers": [{"uri": "file://SECRET", "byteLength": 48}],
        "images": [{"uri": "SECRET"}, {"uri": ADDRESS}, {"uri": "../victim/thesis.txt"}],
        "textures": [{"source": 0}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
        "bufferViews": [{"buffer": 0, "byteLength": 48}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "material": 0}]}],
        "nodes": [{"mesh": 0}],
    }
    entity = b'<?xml version="1.0"?><!DOCTYPE c [<!ENTITY x SYSTEM "file://SECRET">]><COLLADA>&x;'
    return {
        "materials.obj": obj,
        "script.obj": b"call SECRET\ncsh touch MARK\n" + obj,
        "outside.glb": glb(described, b""),
        "outside.gltf": json.dumps(described).encode(),
        "texture.ply": b"ply\ncomment TextureFile SECRET\n" + mesh_inputs()["ascii.ply"][4:],
        "entity.dae": entity,
    }


MESHES = _meshes()
PICKLES = ("a pickle alone", "a pickle by the name of safetensors", "a pickle beside", "a link")
NAMES = (
    *(f"encoder: {name}" for name in ENCODER_CONFIGS),
    *(f"card: {name}" for name in CARDS),
    *(f"denoiser: {name}" for name in DENOISER_CONFIGS),
    *(f"weights: {name}" for name in PICKLES),
    *(f"carried: {name}" for name in CARRIED),
    *(f"config: {name}" for name in CONFIGS),
    *(f"link, resumed: {name}" for name in LINKS),
    *(f"link, scored: {name}" for name in ("config.yaml", "image.png", "DONE.json", "samples")),
    "done: files elsewhere",
    *(f"media: {name}" for name in (*MEDIA, "address.mov")),
    *(f"mesh: {name}" for name in MESHES),
)


def make(
    name: str, around: Surroundings, sources: Path, whole: Path, environment: dict[str, str]
) -> list[str]:
    """Writes an artefact; returns the words that open it."""
    family, _, which = name.partition(": ")
    (around.artefact / "evil.py").write_text(code(around))
    with (around.artefact / "pickle.pt").open("wb") as file:
        pickle.dump(_Pickled(around.mark), file)
    return MAKERS[family](which, around, sources, whole)


def _model(around: Surroundings, sources: Path, kind: str) -> Path:
    """A copy of a folder of weights, with Python files of every name that may be imported."""
    folder = around.artefact / "model"
    shutil.copytree(sources / kind, folder)
    for place in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        for name in ("evil", "__init__", "tokenization_evil", "modeling_evil", "pipeline", "torch"):
            (place / f"{name}.py").write_text(code(around))
    return folder


def _encoder_words(around: Surroundings, folder: Path) -> list[str]:
    words = ["run", "text2image", "--prompt", "red", "--encoder", f"local-dir:{folder}"]
    return [*words, *FEW, "--output", str(around.output)]


def _encoder(which: str, around: Surroundings, sources: Path, whole: Path) -> list[str]:
    folder = _model(around, sources, "encoder")
    patch = json.loads(json.dumps(ENCODER_CONFIGS[which]).replace("FOLDER", str(folder)))
    _patch(folder / "open_clip_config.json", {"model_cfg": patch}, around)
    for file in ("config.json", "tokenizer_config.json"):
        _patch(folder / file, {"auto_map": AUTO_MAP, "tokenizer_class": "EvilTokenizer"}, around)
    return _encoder_words(around, folder)


def _card(which: str, around: Surroundings, sources: Path, whole: Path) -> list[str]:
    folder = _model(around, sources, "encoder")
    _patch(folder / "guidance.json", CARDS[which], around)
    return _encoder_words(around, folder)


def _denoiser(which: str, around: Surroundings, sources: Path, whole: Path) -> list[str]:
    folder = _model(around, sources, "denoiser")
    file, patch = DENOISER_CONFIGS[which]
    if "index.json" in file:
        for path in (folder / "unet").glob("*.safetensors"):
            path.unlink()
    _patch(folder / file, patch, around)
    words = ["run", "text2image", "--prompt", "red", "--loss", "sds"]
    return [*words, "--denoiser", f"local-dir:{folder}", *FEW, "--output", str(around.output)]


def _weights(which: str, around: Surroundings, sources: Path, whole: Path) -> list[str]:
    folder = _model(around, sources, "encoder")
    tensors = folder / "open_clip_model.safetensors"
    if which == "a link":
        _link(tensors, around.secret)
    elif which == "a pickle beside":
        shutil.copy(around.artefact / "pickle.pt", folder / "open_clip_pytorch_model.bin")
        tensors.write_bytes(safetensors_file({"__metadata__": {"format": "pt"}}, b""))
    else:
        tensors.unlink()
        name = "open_clip_pytorch_model.bin" if which == "a pickle alone" else tensors.name
        shutil.copy(around.artefact / "pickle.pt", folder / name)
    return _encoder_words(around, folder)


def _carried(which: str, around: Surroundings, sources: Path, whole: Path) -> list[str]:
    _model(around, sources, "encoder")
    values = {"schema_version": 2, "task": "text2image", "prompt": ["red"], "steps": 1}
    values |= {"judge": False, **_filled(CARRIED[which], around)}
    if values["task"] == "text2image":
        values |= {"size": 16}
    text = json.dumps(values).encode()
    number = list(CARRIED).index(which)
    if number % 2:
        path = around.artefact / "mesh.glb"
        asset = {"version": "2.0", "extras": {"guidance": text.decode()}}
        path.write_bytes(glb({"asset": asset}, b""))
    else:
        path = around.artefact / "image.png"
        header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
        content = PNG + header + png_chunk(b"iTXt", b"guidance\0\0\0\0\0" + text)
        path.write_bytes(content + png_chunk(b"IEND", b""))
    return ["rerun", str(path)]


def _config(which: str, around: Surroundings, sources: Path, whole: Path) -> list[str]:
    path = around.artefact / "config.yaml"
    text = _filled(CONFIGS[which], around).replace("MARK", str(around.mark))
    path.write_text(text)
    return ["run", "text2image", "--config", str(path), *FEW, "--output", str(around.output)]


def _resumed(which: str, around: Surroundings, sources: Path, whole: Path) -> list[str]:
    """A run to resume, in which one file or folder leads elsewhere."""
    folder = around.artefact / "run"
    shutil.copytree(whole, folder)
    if which != "DONE.json":
        (folder / "DONE.json").unlink()
    _link(folder / which, around.base / LINKS[which])
    return ["run", "--resume", str(folder)]


def _scored(which: str, around: Surroundings, sources: Path, whole: Path) -> list[str]:
    """A finished run to score, in which one file or folder leads elsewhere."""
    folder = around.artefact / "run"
    shutil.copytree(whole, folder)
    _link(folder / which, around.base / LINKS[which])
    return ["eval", str(folder)]


def _done(which: str, around: Surroundings, sources: Path, whole: Path) -> list[str]:
    """A finished run whose record names files elsewhere."""
    folder = around.artefact / "run"
    shutil.copytree(whole, folder)
    done = json.loads((folder / "DONE.json").read_text())
    done["files"] = ["../../secret.txt", str(around.secret)]
    done["samples"][0]["files"] = ["../../secret.txt", str(around.secret)]
    (folder / "DONE.json").write_text(json.dumps(done))
    return ["eval", str(folder)]


def _media(which: str, around: Surroundings, sources: Path, whole: Path) -> list[str]:
    path = around.artefact / which
    content = {**MEDIA, "address.mov": _movie_of_an_address()}[which]
    path.write_bytes(content.replace(b"SECRET", os.fsencode(around.secret)))
    words = ["run", "stylize", "--prompt", "red", "--image", str(path), *FEW]
    return [*words, "--output", str(around.output)]


def _mesh(which: str, around: Surroundings, sources: Path, whole: Path) -> list[str]:
    path = around.artefact / which
    content = MESHES[which].replace(b"SECRET", os.fsencode(around.secret))
    path.write_bytes(content.replace(b"MARK", os.fsencode(around.mark)))
    words = ["run", "text2mesh", "--prompt", "red", "--mesh", str(path), "--mode", "stylize"]
    few = ["--steps", "1", "--views", "1", "--resolution", "16", "--device", "cpu", "--no-judge"]
    return [*words, *few, "--output", str(around.output)]


Maker = Callable[[str, "Surroundings", Path, Path], list[str]]
MAKERS: dict[str, Maker] = {
    "encoder": _encoder,
    "card": _card,
    "denoiser": _denoiser,
    "weights": _weights,
    "carried": _carried,
    "config": _config,
    "link, resumed": _resumed,
    "link, scored": _scored,
    "done": _done,
    "media": _media,
    "mesh": _mesh,
}
