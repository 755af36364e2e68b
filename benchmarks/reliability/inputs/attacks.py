"""Artefacts that attack who opens them; each is a name and a function that writes it.

Code in them leaves a mark when it runs. Addresses are of this machine, where nobody listens.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.reliability.inputs.attacking_files import (
    ADDRESS,
    CARRIED,
    CONFIGS,
    LINKS,
    MEDIA,
    MESHES,
    movie_of_an_address,
)
from benchmarks.reliability.inputs.attacking_models import (
    AUTO_MAP,
    CARDS,
    DENOISER_CONFIGS,
    ENCODER_CONFIGS,
)
from benchmarks.reliability.inputs.meshes import glb
from benchmarks.reliability.inputs.mutate import PNG, png_chunk
from benchmarks.reliability.inputs.weights import safetensors_file

if TYPE_CHECKING:
    from benchmarks.reliability.hostile import Surroundings

FEW = ["--steps", "1", "--size", "16", "--device", "cpu", "--no-judge"]


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
    *(f"received: {name}" for name in CARRIED),
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
    if done.pop("sha256", None):  # the attacker knows how it is computed
        done["sha256"] = _digest(json.dumps(done, sort_keys=True).encode())
    (folder / "DONE.json").write_text(json.dumps(done))
    return ["eval", str(folder)]


def _received(which: str, around: Surroundings, sources: Path, whole: Path) -> list[str]:
    """A run of somebody else that was interrupted before its first checkpoint."""
    import yaml

    _model(around, sources, "encoder")
    folder = around.artefact / "run"
    shutil.copytree(whole, folder)
    for name in ("DONE.json", "checkpoint.json", "checkpoint.safetensors", "metrics.jsonl"):
        (folder / name).unlink()
    values = yaml.safe_load((folder / "config.yaml").read_text())
    text = yaml.safe_dump({**values, **_filled(CARRIED[which], around)}, sort_keys=False)
    mark = f"# sha256: {_digest(text.encode())}\n" if values["schema_version"] > 2 else ""
    (folder / "config.yaml").write_text(text + mark)
    return ["run", "--resume", str(folder)]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _media(which: str, around: Surroundings, sources: Path, whole: Path) -> list[str]:
    path = around.artefact / which
    content = {**MEDIA, "address.mov": movie_of_an_address()}[which]
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
    "received": _received,
    "media": _media,
    "mesh": _mesh,
}
