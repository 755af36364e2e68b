"""The bank: labeled motions in a compact folder, the one that is included or a user's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from guidance.body.joint_names import NAMES
from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.motion.files.rig import FPS, MAX_FRAMES
from guidance.motion.motion import Motion
from guidance.motion.rotations import (
    continuous,
    from_quaternions,
    from_rotation_vectors,
    quaternions,
    rotation_vectors,
)

Array = Any
FOLDER = Path(__file__).parent / "clips"
INDEX, POSES = "bank.json", "poses.safetensors"
VERSION = 1
#: Frames from one stored pose to the next.
EVERY = 2
#: Steps of a stored rotation vector: a 16-bit integer is this many parts of half a turn.
STEPS = 32_767
#: Limits of a folder: bytes of the index and of the poses, and clips.
MAX_INDEX, MAX_POSES, MAX_CLIPS = 16 * 2**20, 512 * 2**20, 20_000


@dataclass(frozen=True)
class Clip:
    """What is known about a motion of a bank."""

    name: str
    label: str  # a phrase with a verb in the third person, e.g. "waves"
    paraphrases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()  # parts of the body that move, and kinds, e.g. "right arm", "dance"
    loop: bool = False  # the last pose continues with the first
    license: str = ""
    source: str = ""

    @property
    def phrases(self) -> tuple[str, ...]:
        """All texts that the motion can be found by."""
        return (self.label, *self.paraphrases)


class Motions(Mapping[str, Motion]):
    """The motions of a bank by name; each is decoded when it is first asked for."""

    def __init__(self, spans: Mapping[str, tuple[int, int, int]], poses: Mapping[str, Any]) -> None:
        self._spans, self._poses = dict(spans), poses
        self._decoded: dict[str, Motion] = {}

    def __getitem__(self, name: str) -> Motion:
        if name not in self._decoded:
            start, end, frames = self._spans[name]
            self._decoded[name] = decoded(
                self._poses["rotations"][start:end], self._poses["root"][start:end], frames, name
            )
        return self._decoded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)


@dataclass(frozen=True)
class Bank:
    """Motions with labels.

    `clips[name]` is a `Motion`, `labels[name]` what is known about it.
    """

    clips: Mapping[str, Motion]
    labels: Mapping[str, Clip]
    where: str = ""

    def __contains__(self, name: object) -> bool:
        return name in self.labels


def key_frames(frames: int) -> Array:
    """The frames whose poses are stored: every second one, and the last one."""
    return np.unique([*range(0, frames, EVERY), frames - 1])


def encoded(motion: Motion) -> tuple[Array, Array]:
    """Rotation vectors in 16 bits `[k, 22, 3]` and roots in 32 bits `[k, 3]` of key poses."""
    keys = key_frames(motion.num_frames)
    vectors = rotation_vectors(motion.rotations[keys].double().numpy())
    steps = np.round(vectors / np.pi * STEPS).clip(-STEPS, STEPS).astype(np.int16)
    return steps, motion.root[keys].numpy().astype(np.float32)


def decoded(steps: Array, root: Array, frames: int, name: str = "") -> Motion:
    """The motion of key poses; splines through quaternions and roots give the frames between."""
    from scipy.interpolate import CubicSpline

    steps = np.asarray(steps, np.float64)
    values = continuous(quaternions(from_rotation_vectors(steps * np.pi / STEPS)))
    places = np.asarray(root, np.float64)
    keys, at = key_frames(frames), np.arange(frames)
    if len(keys) > 2:
        values, places = (CubicSpline(keys, v, bc_type="natural")(at) for v in (values, places))
    elif frames > 1:
        part = (at / (frames - 1))[:, None]
        places = places[0] * (1 - part) + places[-1] * part
        values = values[0] * (1 - part[:, None]) + values[-1] * part[:, None]
    rotations = from_quaternions(values)
    return Motion(torch.from_numpy(rotations).float(), torch.from_numpy(places).float(), FPS, name)


def write_bank(folder: Path, motions: Mapping[str, Motion], labels: Mapping[str, Clip]) -> None:
    """Writes a folder that `load_bank` reads.

    Raises:
        InputError: the folder cannot be written.
    """
    from safetensors.numpy import save

    rotations, roots, index, start = [], [], [], 0
    for name, motion in motions.items():
        steps, root = encoded(motion)
        rotations.append(steps)
        roots.append(root)
        index.append(asdict(labels[name]) | {"start": start, "frames": motion.num_frames})
        start += len(steps)
    poses = {"rotations": np.concatenate(rotations), "root": np.concatenate(roots)}
    text = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in index)
    head = f'{{"version": {VERSION}, "joints": {json.dumps(NAMES)},\n"clips": [\n'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / POSES).write_bytes(save(poses))
        (folder / INDEX).write_text(f"{head}{text}\n]}}\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None


def load_bank(folder: str | Path | None = None) -> Bank:
    """The bank in a folder that `guide motion import` wrote, or the one that is included.

    Raises:
        InputError: the folder is no bank, or it is damaged.
    """
    return _load(Path(folder) if folder is not None else FOLDER)


@lru_cache(maxsize=4)
def _load(folder: Path) -> Bank:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    index, poses = folder / INDEX, folder / POSES
    for path, most in ((index, MAX_INDEX), (poses, MAX_POSES)):
        refuse_special_file(path)
        if not path.exists():
            raise InputError(
                f"{folder}: has no {path.name}; make a bank with `guide motion import FOLDER`"
            )
        if path.stat().st_size > most:
            raise InputError(f"{path}: is larger than {most // 2**20} MiB")
    try:
        found = json.loads(index.read_text(encoding="utf-8"))
        tensors = load(poses.read_bytes())
        if found["version"] != VERSION or list(found["joints"]) != list(NAMES):
            raise ValueError(f"it is of version {found['version']!r:.20}")
        labels, spans = _checked(found["clips"], tensors)
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError,
    ) as error:  # fmt: skip
        raise InputError(
            f"{folder}: is a damaged bank ({type(error).__name__}: {error!s:.100}); make it again "
            "with `guide motion import FOLDER`"
        ) from None
    return Bank(Motions(spans, tensors), labels, str(folder))


def _checked(
    entries: Any, tensors: Mapping[str, Array]
) -> tuple[dict[str, Clip], dict[str, tuple[int, int, int]]]:
    """Labels and places of the clips of an index. Raises ValueError and relatives."""
    rotations, root = tensors["rotations"], tensors["root"]
    if rotations.shape[1:] != (len(NAMES), 3) or root.shape != (len(rotations), 3):
        raise ValueError("its poses have a wrong shape")
    if rotations.dtype != np.int16 or root.dtype != np.float32 or not np.isfinite(root).all():
        raise ValueError("its poses have a wrong type")
    if len(entries) > MAX_CLIPS:
        raise ValueError(f"it has more than {MAX_CLIPS:,} clips")
    labels, spans = {}, {}
    for entry in entries:
        start, frames = entry["start"], entry["frames"]
        if not (type(start) is int and type(frames) is int and 1 <= frames <= MAX_FRAMES):
            raise ValueError("a clip has no length")
        end = start + len(key_frames(frames))
        if not 0 <= start < end <= len(rotations):
            raise ValueError("a clip extends beyond the poses")
        name = str(entry["name"])
        labels[name] = Clip(
            name,
            str(entry["label"]),
            tuple(map(str, entry["paraphrases"])),
            tuple(map(str, entry["tags"])),
            bool(entry["loop"]),
            str(entry["license"]),
            str(entry["source"]),
        )
        spans[name] = (start, end, frames)
    return labels, spans
