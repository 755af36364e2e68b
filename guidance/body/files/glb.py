"""Bodies from skinned GLB files, with their rig, UV coordinates and materials.

Source: Khronos, glTF 2.0 specification, section 3.7.3 (skins).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from guidance.body.body import Body
from guidance.body.files.glb_skin import Skin, read_skin
from guidance.body.files.straighten import straightening
from guidance.body.joint_names import NAMES
from guidance.body.joints import guess_joints
from guidance.body.names import CONVENTIONS, Found, find_canonical
from guidance.body.rig import Rig, RigNode
from guidance.errors import InputError
from guidance.geometry.io.formats import find_format, read_mesh_file
from guidance.geometry.io.glb import read_glb
from guidance.geometry.io.glb_document import UNEXPECTED, Document
from guidance.geometry.io.maps import material_of, shown_colors, unsupported
from guidance.geometry.io.raw_mesh import RawMesh
from guidance.meshes import Mesh

Array = Any
#: Heights of persons in meters; a body of another height is in other units.
SHORTEST, TALLEST, USUAL = 0.9, 2.6, 1.7
#: How far the axes of a person may be from those of the file before they are measured exactly.
NEARLY = 0.5


def read_glb_body(path: Path) -> tuple[Body, tuple[str, ...]]:
    """The skinned mesh of a GLB as a body in the T-pose, and notes for the user.

    The rest pose of the file may be any in which the person stands upright, e.g. an A-pose.

    Raises:
        InputError: the file is damaged or too large, has no skin, or bones that are not known.
    """
    where = str(path)
    content = read_mesh_file(path)
    if find_format(content, where) != "glb":
        raise InputError(f"{where}: is not a GLB; export the body as binary glTF 2.0 (.glb)")
    raw = read_glb(content, where)
    try:
        found = read_skin(Document(content, where), len(raw.vertices))
    except UNEXPECTED as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{where}: has a damaged skin ({reason:.120}); export it again") from None
    names = tuple(found.nodes[joint].name for joint in found.joints)
    mapped = find_canonical(names)
    if mapped.missing:
        guessed = guess_joints(names, _joint_parents(found))
        other = Found("names and hierarchy", tuple(guessed.get(name, -1) for name in NAMES))
        mapped = mapped if other.missing else other
    check_found(mapped, names, where)
    notes = [note for note in raw.notes if "animations" not in note]
    return _body(path.stem, raw, found, mapped, where), (*notes, *found.notes)


def check_found(mapped: Found, names: tuple[str, ...], where: str) -> None:
    """Checks that all bones that poses need were found.

    Raises:
        InputError: names the joints that were not found and the first bones of the file.
    """
    if mapped.missing:
        titles = ", ".join(convention.title for convention in CONVENTIONS)
        raise InputError(
            f"{where}: found no bone for {', '.join(mapped.missing)} (closest names: "
            f"{mapped.convention}) among {', '.join(names[:8]):.160}, ...; name the bones as in "
            f"{titles}"
        )


@dataclass(frozen=True)
class _Placed:
    """A file in meters, y up, facing +z, before the T-pose."""

    heads: Tensor  # [j, 3]
    to_body: Tensor  # [4, 4]


def _body(name: str, raw: RawMesh, found: Skin, mapped: Found, where: str) -> Body:
    parents = _joint_parents(found)
    _check_tree(mapped, parents, where)
    placed = _placed(raw, found, mapped, where)
    turned = straightening(placed.heads, parents, mapped.canonical)
    joints = placed.heads.clone()
    for joint, parent in enumerate(parents):
        if parent >= 0:
            step = placed.heads[joint] - placed.heads[parent]
            joints[joint] = joints[parent] + turned[parent] @ step
    moved = torch.eye(4).double().repeat(len(joints), 1, 1)
    moved[:, :3, :3] = turned
    moved[:, :3, 3] = joints - (turned @ placed.heads[..., None])[..., 0]
    vertices = _in_t_pose(raw, found, moved @ placed.to_body, where)
    pelvis = joints[mapped.canonical[0]]
    ground = torch.stack([pelvis[0], vertices[:, 1].min(), pelvis[2]])
    moved[:, :3, 3] -= ground
    nodes = _rig_nodes(found, moved, placed.to_body)
    to_body = placed.to_body.clone()
    to_body[:3, 3] -= ground
    kept, faces = _welded(raw, found.weights)
    body = Body(
        name=name,
        template=(vertices - ground)[kept].float(),
        faces=torch.from_numpy(faces),
        weights=torch.from_numpy(found.weights)[kept],
        rest=(joints - ground).float(),
        parents=parents,
        names=tuple(found.nodes[joint].name for joint in found.joints),
        canonical=mapped.canonical,
        uv=None if raw.uv is None else torch.from_numpy(raw.uv).float(),
        face_uv=None if raw.face_uv is None else torch.from_numpy(raw.face_uv),
        rig=Rig(nodes, to_body),
    )
    return _with_materials(body, raw, kept, where)


def _in_t_pose(
    raw: RawMesh, found: Skin, moved: Float[Tensor, "j 4 4"], where: str
) -> Float[Tensor, "p 3"]:
    """The vertices skinned to the T-pose, from the mesh and not from its rest pose.

    Skinning at rest is inverted for each vertex: skinning twice would shrink bent joints.

    Args:
        moved: from the scene at rest to the T-pose, for each joint.
    """
    result, start = [], 0
    for part in found.parts:
        weights = found.weights[start : part.stop].astype(np.float64)
        at_rest = (weights @ part.matrices.reshape(-1, 16)).reshape(-1, 4, 4)
        in_t_pose = (weights @ (moved.numpy() @ part.matrices).reshape(-1, 16)).reshape(-1, 4, 4)
        points = raw.vertices[start : part.stop]
        try:
            mesh = np.linalg.solve(at_rest[:, :3, :3], (points - at_rest[:, :3, 3])[..., None])
        except np.linalg.LinAlgError:
            raise InputError(
                f"{where}: its rest pose folds vertices to a plane; export it in its bind pose"
            ) from None
        result.append((in_t_pose[:, :3, :3] @ mesh)[..., 0] + in_t_pose[:, :3, 3])
        start = part.stop
    return torch.from_numpy(np.concatenate(result))


def _check_tree(mapped: Found, parents: tuple[int, ...], where: str) -> None:
    """Checks that arms, legs and head hang from the pelvis.

    Raises:
        InputError: names the joints that do not.
    """
    loose = []
    for name, joint in zip(NAMES, mapped.canonical, strict=True):
        above = joint
        while above >= 0 and above != mapped.canonical[0]:
            above = parents[above]
        if joint >= 0 and above < 0:
            loose.append(name)
    if loose:
        raise InputError(
            f"{where}: {', '.join(loose)} are not below the pelvis in the hierarchy of bones; "
            "parent them to it"
        )


def _joint_parents(found: Skin) -> tuple[int, ...]:
    """The nearest joint above each joint."""
    column = {joint: index for index, joint in enumerate(found.joints)}
    parents = []
    for joint in found.joints:
        above = found.nodes[joint].parent
        while above >= 0 and above not in column:
            above = found.nodes[above].parent
        parents.append(column.get(above, -1))
    return tuple(parents)


def _placed(raw: RawMesh, found: Skin, mapped: Found, where: str) -> _Placed:
    heads = torch.from_numpy(np.stack([found.nodes[joint].world[:3, 3] for joint in found.joints]))
    vertices = torch.from_numpy(raw.vertices)

    def at(name: str) -> Tensor:
        return heads[mapped.canonical[NAMES.index(name)]]

    up = at("head") - (at("left_hip") + at("right_hip")) / 2
    left = at("left_hip") - at("right_hip")
    left = left - (left @ up) / (up @ up) * up
    if not bool(up.norm() > 0) or not bool(left.norm() > 1e-3 * up.norm()):
        raise InputError(f"{where}: its hips and head are at the same place; export it at rest")
    up, left = up / up.norm(), left / left.norm()
    rotation = torch.stack([left, up, torch.linalg.cross(left, up)])
    axes = rotation.round()
    if bool(((rotation - axes).abs() < NEARLY).all()) and bool(torch.det(axes) > 0.5):
        rotation = axes
    height = float(np.ptp((vertices @ rotation.mT)[:, 1].numpy()))
    scale = 1.0
    if not SHORTEST <= height <= TALLEST:
        hundred = SHORTEST <= height / 100 <= TALLEST
        scale = 0.01 if hundred else USUAL / height
    to_body = torch.eye(4).double()
    to_body[:3, :3] = scale * rotation
    return _Placed(heads @ to_body[:3, :3].mT, to_body)


def _rig_nodes(
    found: Skin, moved: Float[Tensor, "j 4 4"], to_body: Float[Tensor, "4 4"]
) -> tuple[RigNode, ...]:
    """All nodes that are not only places of meshes; joints and what lies below them are moved."""
    column = {joint: index for index, joint in enumerate(found.joints)}
    has_children = {node.parent for node in found.nodes}
    place: dict[int, int] = {}
    followed: dict[int, Tensor] = {}
    kept: list[RigNode] = []
    for index, node in enumerate(found.nodes):
        above = followed.get(node.parent, torch.eye(4).double())
        followed[index] = moved[column[index]] if index in column else above
        if "mesh" in node.content and index not in column and index not in has_children:
            continue
        place[index] = len(kept)
        bind = followed[index] @ to_body @ torch.from_numpy(node.world)
        local = torch.from_numpy(node.local)
        kept.append(
            RigNode(node.name, place.get(node.parent, -1), column.get(index, -1), local, bind)
        )
    return tuple(kept)


def _welded(raw: RawMesh, weights: Array) -> tuple[Array, Array]:
    """One vertex for those that differ only in UV coordinates, and the faces of these vertices.

    Otherwise, offsets of the vertices would open the surface along UV seams.
    """
    mixed = weights.astype(np.float64) @ np.random.default_rng(0).random(weights.shape[1])
    columns = [raw.vertices, mixed[:, None]] + ([] if raw.colors is None else [raw.colors])
    keys = np.concatenate(columns, 1).astype(np.float32)
    _, kept, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return kept, place.reshape(-1)[raw.faces]


def _with_materials(body: Body, raw: RawMesh, kept: Array, where: str) -> Body:
    colors = None if raw.colors is None else torch.from_numpy(raw.colors[kept]).float()
    if raw.given is None or raw.face_material is None:
        return replace(body, colors=colors)
    assert body.rig is not None
    rig = replace(
        body.rig,
        materials=raw.given,
        face_material=torch.from_numpy(raw.face_material),
        vertex_colors=colors,
    )
    if unsupported(raw.given) is None and (material := material_of(raw.given, where)) is not None:
        return replace(body, base_color=material.base_color, rig=rig)
    mesh = Mesh(
        body.template,
        body.faces,
        colors,
        body.uv,
        body.face_uv,
        given=raw.given,
        face_material=rig.face_material,
    )
    return replace(body, colors=shown_colors(mesh), rig=rig)
