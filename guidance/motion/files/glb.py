"""Animations of a binary glTF 2.0: every animation of its rig is a recording.

Source: Khronos, glTF 2.0 specification, section 3.11 and appendix C (interpolation).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.glb_document import UNEXPECTED, Document, Json, whole
from guidance.motion.files.rig import FPS, MAX_JOINTS, Recording, Rig, check_length
from guidance.motion.rotations import continuous, from_quaternions, quaternions, unit

Array = Any
PATHS = {"translation": 3, "rotation": 4, "scale": 3}
MAX_ANIMATIONS = 2_000


def read_glb_animations(content: bytes, where: str) -> list[Recording]:
    """All animations with at least one rotating node, resampled at 30 fps.

    Raises:
        InputError: the file is damaged, too large, or has no animation.
    """
    try:
        document = Document(content, where)
        animations = document.parts("animations")
        nodes = document.parts("nodes")
        if not animations:
            raise InputError(f"{where}: has no animations")
        if len(nodes) > MAX_JOINTS or len(animations) > MAX_ANIMATIONS:
            raise InputError(
                f"{where}: has {len(nodes):,} nodes and {len(animations):,} animations; at most "
                f"{MAX_JOINTS:,} and {MAX_ANIMATIONS:,} are read"
            )
        parents = _parents(nodes, where)
        rest = {path: _defaults(nodes, path) for path in PATHS}
        rig = _rig(document, nodes, parents, rest)
        return [
            _recording(document, animation, rig, rest, number)
            for number, animation in enumerate(animations)
        ]
    except UNEXPECTED as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: is a damaged GLB ({error!s:.100}); export it again") from None


def _parents(nodes: list[Json], where: str) -> tuple[int, ...]:
    parents = [-1] * len(nodes)
    for number, node in enumerate(nodes):
        for child in node.get("children", ()):
            if parents[whole(child, len(nodes) - 1)] >= 0:
                raise InputError(f"{where}: a node has two parents; export it again")
            parents[whole(child)] = number
    for number in range(len(nodes)):
        at, steps = number, 0
        while at >= 0:
            at, steps = parents[at], steps + 1
            if steps > len(nodes):
                raise InputError(f"{where}: nodes are their own parents; export it again")
    return tuple(parents)


def _defaults(nodes: list[Json], path: str) -> Array:
    """The default translation, rotation or scale of all nodes."""
    plain = {"translation": (0.0, 0, 0), "rotation": (0.0, 0, 0, 1), "scale": (1.0, 1, 1)}[path]
    values = np.tile(np.array(plain), (len(nodes), 1))
    for number, node in enumerate(nodes):
        if "matrix" in node:
            matrix = np.array(node["matrix"], float).reshape(4, 4).T
            scale = np.linalg.norm(matrix[:3, :3], axis=0)
            if path == "translation":
                values[number] = matrix[:3, 3]
            elif path == "scale":
                values[number] = scale
            else:
                values[number] = quaternions(matrix[:3, :3] / np.maximum(scale, 1e-9))
        elif path in node:
            values[number] = np.array(node[path], float)
    if not np.isfinite(values).all():
        raise ValueError(f"a {path} is not finite")
    return values


def _world(parents: tuple[int, ...], local: dict[str, Array]) -> tuple[Array, Array]:
    """World rotations `[t, n, 3, 3]` and positions `[t, n, 3]` of `[t, n, c]` local values."""
    turns = from_quaternions(local["rotation"])
    matrices = turns * local["scale"][..., None, :]
    places = local["translation"]
    rotations, positions = np.empty_like(turns), np.empty_like(places)
    full = np.empty_like(turns)  # with scales
    order = sorted(range(len(parents)), key=lambda node: _depth(node, parents))
    for node in order:
        above = parents[node]
        if above < 0:
            rotations[:, node], full[:, node] = turns[:, node], matrices[:, node]
            positions[:, node] = places[:, node]
        else:
            rotations[:, node] = rotations[:, above] @ turns[:, node]
            full[:, node] = full[:, above] @ matrices[:, node]
            moved = (full[:, above] @ places[:, node, :, None])[..., 0]
            positions[:, node] = positions[:, above] + moved
    return rotations, positions


def _depth(node: int, parents: tuple[int, ...]) -> int:
    depth = 0
    while (node := parents[node]) >= 0:
        depth += 1
    return depth


def _rig(
    document: Document, nodes: list[Json], parents: tuple[int, ...], rest: dict[str, Array]
) -> Rig:
    """The rig at rest: as the skin was bound if that is in the world's axes, else as the nodes."""
    names = tuple(str(node.get("name", f"node{number}")) for number, node in enumerate(nodes))
    rotations, positions = (
        values[0].copy() for values in _world(parents, {k: v[None] for k, v in rest.items()})
    )
    for skin in document.parts("skins"):
        joints = [whole(joint, len(nodes) - 1) for joint in skin["joints"]]
        if "inverseBindMatrices" not in skin:
            continue
        inverse = document.accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4)
        bind = np.linalg.inv(np.swapaxes(inverse, -1, -2)[: len(joints)])
        scale = np.linalg.norm(bind[:, :3, :3], axis=1)
        turns = bind[:, :3, :3] / np.maximum(scale, 1e-9)[:, None]
        # A skin whose armature is turned or scaled is bound in other axes than the world's.
        agree = np.einsum("jab,jab->j", turns, rotations[joints]) > 2.9
        if agree[0] and np.allclose(bind[0, :3, 3], positions[joints[0]], atol=1e-2):
            rotations[joints], positions[joints] = turns, bind[:, :3, 3]
    return Rig(names, parents, rotations, positions)


def _recording(
    document: Document, animation: Json, rig: Rig, rest: dict[str, Array], number: int
) -> Recording:
    name = str(animation.get("name", f"animation{number}"))
    samplers = animation["samplers"]
    tracks = []
    for channel in animation["channels"]:
        target = channel["target"]
        if target.get("path") in PATHS and "node" in target:
            sampler = samplers[whole(channel["sampler"], len(samplers) - 1)]
            node = whole(target["node"], len(rig.names) - 1)
            tracks.append((node, target["path"], sampler))
    if not tracks:
        raise InputError(f"{document.where}: animation {name!r:.60} moves no nodes")
    ends = [document.accessor(sampler["input"])[:, 0] for _, _, sampler in tracks]
    start, end = min(t[0] for t in ends), max(t[-1] for t in ends)
    check_length((end - start) * FPS + 1, document.where)
    at = start + np.arange(int(np.floor((end - start) * FPS + 1e-3)) + 1) / FPS
    local = {path: np.repeat(rest[path][None], len(at), 0) for path in PATHS}
    for node, path, sampler in tracks:
        local[path][:, node] = _sampled(document, sampler, path, at)
    rotations, positions = _world(rig.parents, local)
    return Recording(rig, rotations, positions, name)


def _sampled(document: Document, sampler: Json, path: str, at: Array) -> Array:
    """The values `[t, c]` of a sampler at some times; held before the first and after the last."""
    times = document.accessor(sampler["input"])[:, 0]
    values = document.accessor(sampler["output"])
    kind, width = sampler.get("interpolation", "LINEAR"), PATHS[path]
    cubic = kind == "CUBICSPLINE"
    if (
        len(values) != len(times) * (3 if cubic else 1)
        or values.shape[1] != width
        or (np.diff(times) < 0).any()
        or not np.isfinite(values).all()
    ):
        raise ValueError("a sampler's times and values do not match")
    if cubic:
        before, values, after = np.moveaxis(values.reshape(-1, 3, width), 1, 0)
    elif path == "rotation":
        values = continuous(values)
    if len(times) == 1:
        return np.repeat(values, len(at), 0)
    left = np.clip(np.searchsorted(times, at, "right") - 1, 0, len(times) - 2)
    gap = np.maximum(times[left + 1] - times[left], 1e-9)[:, None]
    part = np.clip((at - times[left])[:, None] / gap, 0, 1)
    if kind == "STEP":
        return np.where(part < 1, values[left], values[left + 1])
    if cubic:
        p2, p3 = part**2, part**3
        found = (
            (2 * p3 - 3 * p2 + 1) * values[left]
            + (p3 - 2 * p2 + part) * gap * after[left]
            + (3 * p2 - 2 * p3) * values[left + 1]
            + (p3 - p2) * gap * before[left + 1]
        )
        return unit(found) if path == "rotation" else found
    if path == "rotation":
        return _slerp(values[left], values[left + 1], part)
    return values[left] * (1 - part) + values[left + 1] * part


def _slerp(first: Array, second: Array, part: Array) -> Array:
    """Spherical interpolation of quaternions on the same half of the sphere."""
    cosine = np.clip((unit(first) * unit(second)).sum(-1, keepdims=True), -1, 1)
    angle = np.arccos(cosine)
    sine = np.sin(angle)
    small = sine < 1e-6
    safe = np.where(small, 1, sine)
    a = np.where(small, 1 - part, np.sin((1 - part) * angle) / safe)
    b = np.where(small, part, np.sin(part * angle) / safe)
    return unit(a * first + b * second)
