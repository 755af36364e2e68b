"""The transforms of the nodes of a GLB, skins in their rest pose, and default morph weights.

Source: Khronos, glTF 2.0 specification, sections 3.5.2, 3.7.2.2 and 3.7.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.glb_document import Document, Json, whole

Array = Any
#: Nodes that are visited, and levels of them; more are assumed to be a cycle.
MAX_NODES, MAX_DEPTH = 65_536, 512
#: Vertices of all morph targets that are added, and sets of four joints of a vertex.
MAX_MORPHED, MAX_SETS = 16_000_000, 4


def matrix_of(node: Json) -> Array | None:
    """The transform of a node relative to its parent; None for the identity."""
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    if not any(key in node for key in ("rotation", "scale", "translation")):
        return None
    x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1)), dtype=np.float64).tolist()
    length = x * x + y * y + z * z + w * w
    s = 2 / length if length > 0 else 0.0
    rotation = [
        [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
        [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
        [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
    ]
    matrix = np.eye(4)
    scale, shift = (
        np.array(node.get(key, default), dtype=np.float64).reshape(3)
        for key, default in (("scale", (1, 1, 1)), ("translation", (0, 0, 0)))
    )
    matrix[:3, :3] = np.array(rotation) * scale
    matrix[:3, 3] = shift
    return matrix


def children_of(node: Json) -> list[Any]:
    """The indices of the nodes below a node."""
    below = node.get("children", [])
    if not isinstance(below, list):
        raise ValueError("the children of a node are not a list")
    return below


def placed_nodes(document: Document) -> list[tuple[Json, Array]]:
    """The nodes of the default scene with their world transforms, parents before children.

    Raises:
        InputError: too many nodes, or a cycle.
    """
    nodes = document.parts("nodes")
    if document.description.get("scenes"):
        scene = document.part("scenes", document.description.get("scene", 0))
        roots = scene.get("nodes", [])
    else:
        children = {child for node in nodes for child in children_of(node)}
        roots = [index for index in range(len(nodes)) if index not in children]
    found: list[tuple[Json, Array]] = []
    waiting = [(root, np.eye(4), 0) for root in reversed(roots)]
    while waiting:
        index, parent, depth = waiting.pop()
        if depth > MAX_DEPTH or len(found) + len(waiting) > MAX_NODES:
            raise InputError(
                f"{document.where}: has more than {MAX_NODES:,} nodes, or nodes nested more than "
                f"{MAX_DEPTH} levels deep; export the mesh as a single object"
            )
        node = document.part("nodes", index)
        own = matrix_of(node)
        matrix = parent if own is None else parent @ own
        found.append((node, matrix))
        below = children_of(node)[: MAX_NODES + 1]
        waiting += [(child, matrix, depth + 1) for child in reversed(below)]
    return found


def morphed(document: Document, primitive: Json, node: Json, positions: Array) -> Array:
    """The positions with the morph targets at their default weights."""
    targets = primitive.get("targets", [])
    mesh = document.part("meshes", node["mesh"])
    given: Any = node.get("weights", mesh.get("weights", []))
    weights = [float(weight) for weight in given]
    used = [
        (weight, target["POSITION"])
        for weight, target in zip(weights, targets, strict=False)
        if weight and "POSITION" in target
    ]
    if len(used) * len(positions) > MAX_MORPHED:
        raise InputError(
            f"{document.where}: has {len(used):,} morph targets of {len(positions):,} vertices, "
            "which are too many; export the mesh in its pose, without morph targets"
        )
    for weight, index in used:
        positions = positions + weight * document.accessor(index)
    return positions


def skin_matrices(document: Document, index: Any) -> Array:
    """For each joint of a skin, the transform from the mesh to the world, `[j, 4, 4]`."""
    skin = document.part("skins", index)
    joints = [whole(joint) for joint in skin["joints"]]
    if not 0 < len(joints) <= MAX_NODES:
        raise ValueError(f"a skin has {len(joints):,} joints")
    world = _world_matrices(document)
    matrices = np.stack([world[joint] for joint in joints])
    if "inverseBindMatrices" not in skin:
        return matrices
    inverse = document.accessor(skin["inverseBindMatrices"])
    if inverse.shape[1] != 16 or len(inverse) < len(joints):
        raise ValueError("a skin has fewer inverse bind matrices than joints")
    return matrices @ inverse[: len(joints)].reshape(-1, 4, 4).transpose(0, 2, 1)


def _world_matrices(document: Document) -> list[Array]:
    """The world transform of each node of the file, in a scene or not."""
    nodes = document.parts("nodes")
    if len(nodes) > MAX_NODES:
        raise ValueError(f"more than {MAX_NODES:,} nodes")
    parents = {
        whole(child): index
        for index, node in enumerate(nodes)
        for child in node.get("children", [])
    }
    found: dict[int, Array] = {}
    for index in range(len(nodes)):
        path = [index]
        while path[-1] in parents and parents[path[-1]] not in found:
            path.append(parents[path[-1]])
            if len(path) > MAX_DEPTH:
                raise ValueError(f"nodes are nested more than {MAX_DEPTH} levels deep")
        for node in reversed(path):
            above = found[parents[node]] if node in parents else np.eye(4)
            own = matrix_of(nodes[node])
            found[node] = above if own is None else above @ own
    return [found[index] for index in range(len(nodes))]


def skinned(document: Document, attributes: Json, skin: Array, positions: Array) -> Array | None:
    """World positions of a skinned mesh at rest; None if its vertices have no joints.

    Weights are normalized; a vertex without weights follows the first joint.
    """
    moved, total = np.zeros_like(positions), np.zeros((len(positions), 1))
    for number in range(MAX_SETS):
        if f"JOINTS_{number}" not in attributes or f"WEIGHTS_{number}" not in attributes:
            break
        joints = document.accessor(attributes[f"JOINTS_{number}"])
        weights = document.accessor(attributes[f"WEIGHTS_{number}"])
        if not len(joints) == len(weights) == len(positions) or joints.max() >= len(skin):
            raise ValueError("joints or weights of vertices do not fit the skin")
        if weights.max() > 1:  # integers that are not marked as normalized
            weights = weights / document.top(attributes[f"WEIGHTS_{number}"])
        for joint, weight in zip(joints.T.astype(np.int64), weights.T[:, :, None], strict=True):
            moved += weight * _transformed(skin, joint, positions)
            total += weight
    if not total.any():
        return None
    lost = total[:, 0] == 0
    first = np.zeros(int(lost.sum()), np.int64)
    moved[lost] = _transformed(skin, first, positions[lost])
    placed: Array = moved / np.where(total == 0, 1, total)
    return placed


def _transformed(skin: Array, joint: Array, positions: Array) -> Array:
    matrices = skin[joint]
    return np.einsum("pij,pj->pi", matrices[:, :3, :3], positions) + matrices[:, :3, 3]
