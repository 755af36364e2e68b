"""Skinned, textured and animated GLB files of bodies.

Source: Khronos, glTF 2.0 specification, sections 3.7.3 (skins) and 3.11 (animations).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from guidance.body.body import Body
from guidance.body.export.nodes import Nodes, Track, nodes_of, rotation_of, scale_of, tracks_of
from guidance.geometry.io.glb_write import ATTRIBUTES, FLOAT, INDICES, UNSIGNED, GlbFile
from guidance.geometry.io.maps import png_of
from guidance.media.srgb import srgb_to_linear
from guidance.motion.motion import Motion

Array = Any
Json = dict[str, Any]
BYTE, SHORT = 5121, 5123
#: Joints of a vertex: more need a second set of attributes, which few programs read.
BONES = 4
ROUGHNESS = 0.9
GREY = (0.45, 0.45, 0.45, 1.0)
#: Differences of transforms that are written as the identity.
TINY = 1e-9


@dataclass(frozen=True)
class Appearance:
    """What of a body is exported beside its template; None keeps its own."""

    betas: Float[Tensor, "1 k"] | None = None
    offsets: Float[Tensor, "p 3"] | None = None  # of the vertices in the T-pose
    base_color: Float[Tensor, "3 h w"] | None = None  # in place of the body's map or materials


def write_body_glb(
    body: Body, motions: Sequence[Motion] = (), appearance: Appearance | None = None
) -> bytes:
    """A GLB with a skin, and an animation for each motion.

    The nodes of a body that was read from a GLB keep their hierarchy, names and rest transforms.
    Vertices keep their four largest weights. Pose corrections of SMPL are not linear in the bones
    and are left out.
    """
    appearance = appearance or Appearance()
    file = GlbFile()
    nodes = add_body(file, body, appearance)
    for motion in motions:
        add_animation(file, nodes, motion, tracks_of(body, nodes, motion, appearance.betas))
    return file.content()


def add_body(file: GlbFile, body: Body, appearance: Appearance, *, t_pose: bool = False) -> Nodes:
    """Adds nodes, skin, mesh and materials, and returns the nodes, which come first in the file."""
    vertices, joints = (values[0] for values in body.shaped(appearance.betas))
    if appearance.offsets is not None:
        vertices = vertices + appearance.offsets
    nodes = nodes_of(body, joints.detach(), t_pose=t_pose)
    add_nodes(file, nodes)
    of_joints = nodes.of_joints(len(body.names))
    binds = np.stack([nodes.nodes[index].bind for index in of_joints])
    inverse = np.linalg.inv(binds).transpose(0, 2, 1).reshape(-1, 16)
    inverse[:, [3, 7, 11]], inverse[:, 15] = 0.0, 1.0
    kind = {"componentType": FLOAT, "type": "MAT4", "count": len(inverse)}
    matrices = file.add_accessor(inverse.astype("<f4"), kind)
    file.description["skins"] = [{"inverseBindMatrices": matrices, "joints": of_joints}]
    attributes, faces = _attributes(body, vertices.detach(), _colors(body, appearance))
    groups = [(0, faces)]
    given = body.rig.materials if body.rig and appearance.base_color is None else None
    if given is not None and body.rig and body.rig.face_material is not None:
        of_faces = body.rig.face_material.numpy()
        groups = [(int(each), faces[of_faces == each]) for each in np.unique(of_faces)]
        file.add_given(given)
    else:
        image = body.base_color if appearance.base_color is None else appearance.base_color
        file.description["materials"] = [_material(file, body, image)]
    _add_mesh(file, attributes, groups)
    return nodes


def add_nodes(file: GlbFile, nodes: Nodes) -> None:
    """Adds the hierarchy to an empty file."""
    described: list[Json] = [{"name": node.name, **_transform(node.local)} for node in nodes.nodes]
    for index, node in enumerate(nodes.nodes):
        if node.parent >= 0:
            described[node.parent].setdefault("children", []).append(index)
        else:
            file.description["scenes"][0]["nodes"].append(index)
    file.description["nodes"] += described
    file.description["asset"]["extras"] = {"up": "y", "units": "meters"}


def add_animation(file: GlbFile, nodes: Nodes, motion: Motion, tracks: Sequence[Track]) -> None:
    """Adds the tracks as one animation with linear interpolation."""
    times = (np.arange(motion.num_frames) / motion.fps).astype("<f4")
    kind = {"componentType": FLOAT, "type": "SCALAR", "count": len(times)}
    kind |= {"min": [float(times[0])], "max": [float(times[-1])]}
    clock = file.add_accessor(times, kind)
    samplers: list[Json] = []
    channels: list[Json] = []
    for track in tracks:
        values = track.values.astype("<f4")
        kind = {"componentType": FLOAT, "type": f"VEC{values.shape[1]}", "count": len(values)}
        channels.append(
            {"sampler": len(samplers), "target": {"node": track.node, "path": track.path}}
        )
        samplers.append(
            {"input": clock, "output": file.add_accessor(values, kind), "interpolation": "LINEAR"}
        )
    animations: list[Json] = file.description.setdefault("animations", [])
    name = motion.name or f"motion {len(animations) + 1}"
    animations.append({"name": name, "samplers": samplers, "channels": channels})


def _transform(local: Array) -> Json:
    found: Json = {}
    scale, turn = scale_of(local), rotation_of(local)
    if np.abs(local[:3, 3]).max() > TINY:
        found["translation"] = local[:3, 3].tolist()
    if np.abs(turn[:3]).max() > TINY:
        found["rotation"] = turn.tolist()
    if np.abs(scale - 1).max() > 1e-6:
        found["scale"] = scale.tolist()
    return found


def _colors(body: Body, appearance: Appearance) -> Float[Tensor, "p 3"] | None:
    """The vertex colors that are multiplied with the material, sRGB."""
    if appearance.base_color is not None:
        return None
    if body.rig is not None and body.rig.materials is not None:
        return body.rig.vertex_colors
    return body.colors if body.base_color is None else None


def _attributes(
    body: Body, vertices: Float[Tensor, "p 3"], colors: Float[Tensor, "p 3"] | None
) -> tuple[dict[str, Array], Array]:
    """Vertex attributes, duplicated along UV seams, and the faces."""
    faces = body.faces.numpy()
    normals = _normals(vertices, body.faces)
    largest, places = body.weights.topk(min(BONES, body.weights.shape[1]), 1)
    padding = (0, BONES - largest.shape[1])
    shares = largest / largest.sum(1, keepdim=True)
    weights: Array = torch.nn.functional.pad(shares, padding).numpy()
    joints: Array = torch.nn.functional.pad(places, padding).numpy()
    # Joints without weight are 0, as the specification asks.
    joints = np.where(weights > 0, joints, 0).astype("u1" if len(body.names) <= 256 else "<u2")
    arrays = {
        "POSITION": vertices.numpy().astype("<f4"),
        "NORMAL": normals.numpy().astype("<f4"),
        "JOINTS_0": joints,
        "WEIGHTS_0": weights.astype("<f4"),
    }
    if colors is not None:
        arrays["COLOR_0"] = srgb_to_linear(colors.clamp(0, 1)).numpy().astype("<f4")
    if body.uv is None or body.face_uv is None:
        return arrays, faces
    keys = np.stack([faces.reshape(-1), body.face_uv.numpy().reshape(-1)], 1)
    unique, corners = np.unique(keys, axis=0, return_inverse=True)
    arrays = {name: values[unique[:, 0]] for name, values in arrays.items()}
    arrays["TEXCOORD_0"] = body.uv.numpy()[unique[:, 1]].astype("<f4")
    return arrays, corners.reshape(faces.shape)


def _normals(vertices: Float[Tensor, "p 3"], faces: Tensor) -> Float[Tensor, "p 3"]:
    """Unit normals of the vertices, weighted by the areas of faces; up where there is none."""
    corners = vertices.double()[faces]
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = torch.zeros_like(vertices, dtype=torch.float64)
    total.index_add_(0, faces.flatten(), normal.repeat_interleave(3, 0))
    total[total.norm(dim=1) < 1e-20] = total.new_tensor([0.0, 1.0, 0.0])
    return torch.nn.functional.normalize(total, dim=1)


def _add_mesh(
    file: GlbFile, attributes: dict[str, Array], groups: Sequence[tuple[int, Array]]
) -> None:
    """Adds the mesh with a node of its own: skinned meshes follow their joints only."""
    accessors = {}
    for name, values in attributes.items():
        component = {"u1": BYTE, "<u2": SHORT, "<f4": FLOAT}[values.dtype.str.replace("|", "")]
        kind: Json = {"componentType": component, "type": f"VEC{values.shape[1]}"}
        kind["count"] = len(values)
        if name == "POSITION":
            kind |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        accessors[name] = file.add_accessor(np.ascontiguousarray(values), kind, ATTRIBUTES)
    primitives = []
    for material, corners in groups:
        indices = np.ascontiguousarray(corners.astype("<u4"))
        kind = {"componentType": UNSIGNED, "type": "SCALAR", "count": indices.size}
        primitive: Json = {"attributes": accessors}
        primitive["indices"] = file.add_accessor(indices, kind, INDICES)
        primitives.append(primitive if material < 0 else primitive | {"material": material})
    file.description["meshes"].append({"name": "body", "primitives": primitives})
    file.description["scenes"][0]["nodes"].append(len(file.description["nodes"]))
    file.description["nodes"].append({"name": "body", "mesh": 0, "skin": 0})


def _material(file: GlbFile, body: Body, image: Float[Tensor, "3 h w"] | None) -> Json:
    surface: Json = {"metallicFactor": 0.0, "roughnessFactor": ROUGHNESS}
    if image is not None and body.uv is not None:
        png = png_of(image.detach().clamp(0, 1))
        surface["baseColorTexture"] = {"index": file.add_map("base_color", png)}
    elif body.colors is None:
        surface["baseColorFactor"] = list(GREY)
    return {"name": "body", "pbrMetallicRoughness": surface, "doubleSided": True}
