"""The joints of a GLB and the skinning weights of its vertices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.glb import FAN, STRIP, TRIANGLES
from guidance.geometry.io.glb_document import Document, Json, whole
from guidance.geometry.io.glb_pose import MAX_SETS, matrix_of, placed_nodes

Array = Any
#: Joints of a body, and entries of its dense weights (1 GiB in float32).
MAX_JOINTS, MAX_WEIGHTS = 1024, 2**28


@dataclass(frozen=True)
class SceneNode:
    """A node of the scene of a file."""

    name: str
    parent: int  # the place of its parent in the list, -1 for a root
    local: Array  # [4, 4]
    world: Array  # [4, 4], at rest
    content: Json


@dataclass(frozen=True)
class Skin:
    """Nodes, parents first; which of them are joints; and weights of all vertices."""

    nodes: tuple[SceneNode, ...]
    joints: tuple[int, ...]  # nodes
    weights: Array  # [p, j]
    notes: tuple[str, ...] = ()


def read_skin(document: Document, num_vertices: int) -> Skin:
    """The skin of all meshes of a scene, whose vertices follow each other as `read_glb` has them.

    Several skins are joined. A mesh without a skin follows the joint above its node.

    Raises:
        InputError: there is no skin, or it is too large.
    """
    nodes = _scene_nodes(document)
    place = {id(node.content): index for index, node in enumerate(nodes)}
    all_nodes = document.parts("nodes")
    used = [index for index, node in enumerate(nodes) if "skin" in node.content]
    if not used:
        raise InputError(
            f"{document.where}: has no skin, so its mesh does not follow bones; export it with its "
            "armature, or use a built-in body"
        )
    skins: dict[int, list[int]] = {}
    for index in used:
        number = whole(nodes[index].content["skin"])
        listed = document.part("skins", number)["joints"]
        skins[number] = [place[id(all_nodes[whole(joint)])] for joint in listed]
    joints = tuple(sorted({joint for found in skins.values() for joint in found}))
    if len(joints) > MAX_JOINTS or len(joints) * num_vertices > MAX_WEIGHTS:
        raise InputError(
            f"{document.where}: has {len(joints):,} joints for {num_vertices:,} vertices, which is "
            "too large; simplify the mesh, or remove bones that deform nothing"
        )
    column = {joint: index for index, joint in enumerate(joints)}
    weights = np.zeros((num_vertices, len(joints)), np.float32)
    at, rigid = 0, 0
    for index, node in enumerate(nodes):
        if "mesh" not in node.content:
            continue
        above = _joint_above(nodes, index, column)
        for primitive in document.part("meshes", node.content["mesh"])["primitives"]:
            if primitive.get("mode", TRIANGLES) not in (TRIANGLES, STRIP, FAN):
                continue
            if "skin" in node.content:
                columns = [column[joint] for joint in skins[whole(node.content["skin"])]]
                rows = _weights_of(document, primitive["attributes"], columns, weights.shape[1])
            else:
                rows = None
            count = _count(document, primitive, skinned="skin" in node.content)
            if rows is None:
                weights[at : at + count, column[joints[0]] if above is None else above] = 1
                rigid += count
            else:
                weights[at : at + count] = rows
            at += count
    if at != num_vertices:
        raise ValueError(f"{at:,} vertices have weights, but there are {num_vertices:,}")
    note = f"vertices without a skin follow the bone above them: {rigid:,}"
    return Skin(nodes, joints, weights, (note,) if rigid else ())


def _scene_nodes(document: Document) -> tuple[SceneNode, ...]:
    placed = placed_nodes(document)
    place = {id(node): index for index, (node, _) in enumerate(placed)}
    if len(place) != len(placed):
        raise ValueError("a node has several parents")
    every = document.parts("nodes")
    parent = {
        id(every[whole(child)]): place[id(node)]
        for node, _ in placed
        for child in node.get("children", [])
    }
    found = []
    for index, (node, world) in enumerate(placed):
        local = matrix_of(node)
        local = np.eye(4) if local is None else local
        name = str(node.get("name", f"node {index}"))
        found.append(SceneNode(name, parent.get(id(node), -1), local, world, node))
    return tuple(found)


def _joint_above(nodes: tuple[SceneNode, ...], index: int, column: dict[int, int]) -> int | None:
    while index >= 0:
        if index in column:
            return column[index]
        index = nodes[index].parent
    return None


def _count(document: Document, primitive: Json, *, skinned: bool) -> int:
    """Vertices that `read_glb` reads of a part: of one without skin, those that faces use."""
    count = document.count(primitive["attributes"]["POSITION"])
    if skinned or "indices" not in primitive or "targets" in primitive:
        return count
    corners = document.accessor(primitive["indices"])[:, 0]
    return len(np.unique(corners)) if count > len(corners) else count


def _weights_of(
    document: Document, attributes: Json, columns: list[int], num_joints: int
) -> Array | None:
    """Dense weights that sum to 1; None without any. Vertices without weights follow joint 0."""
    count = document.count(attributes["POSITION"])
    dense = np.zeros((count, num_joints), np.float32)
    rows, order = np.arange(count), np.array(columns)
    for number in range(MAX_SETS):
        if f"JOINTS_{number}" not in attributes or f"WEIGHTS_{number}" not in attributes:
            break
        joints = document.accessor(attributes[f"JOINTS_{number}"]).astype(np.int64)
        weights = document.accessor(attributes[f"WEIGHTS_{number}"])
        if not len(joints) == len(weights) == count or joints.max() >= len(columns):
            raise ValueError("joints or weights of vertices do not fit the skin")
        if weights.max() > 1:  # integers that are not marked as normalized
            weights = weights / document.top(attributes[f"WEIGHTS_{number}"])
        for each in range(joints.shape[1]):
            np.add.at(dense, (rows, order[joints[:, each]]), weights[:, each])
    total = dense.sum(1, keepdims=True)
    if not total.any():
        return None
    dense[total[:, 0] <= 0, order[0]] = 1
    normalized: Array = dense / np.where(total > 0, total, 1)
    return normalized
