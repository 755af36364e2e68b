"""The reference backend: plain torch, slow and readable, on any device.

The CPU backend computes the same. Let p = (x, y) in [-1, 1]^2 be the center of a pixel and
(x_i, y_i, z_i, w_i) the clip coordinates of a triangle. With q_i = (x_i - x w_i, y_i - y w_i), the
vertices relative to p, the edge functions e_0 = q_1 x q_2, e_1 = q_2 x q_0 and e_2 = q_0 x q_1 all
have the sign of the triangle's determinant if and only if p is covered by the part of the triangle
in front of the camera. Nothing is divided by w, so nothing needs clipping. The perspective-correct
barycentric coordinates are e_i / (e_0 + e_1 + e_2), and the depth is the sum of e_i z_i divided by
the sum of e_i w_i.

Source: Olano and Greer 1997, Triangle Scan Conversion using 2D Homogeneous Coordinates.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.geometry.topology import EdgeSides, edge_sides
from guidance.rendering.rasterizer.backend import Backend, Fragments

#: Shorter normals have no direction (vertex normals are areas, in squared units of length).
NO_NORMAL = 1e-12
#: The largest sum of blend weights at a pixel: below 1, so that rounding cannot leave the range.
MOST = 0.999
Pixels = Int[Tensor, "m"]


def visible(
    clip: Float[Tensor, "b p 4"], faces: Int[Tensor, "f 3"], height: int, width: int
) -> tuple[Int[Tensor, "b h w"], Float[Tensor, "b h w"], None]:
    """The nearest face and its depth at each pixel.

    Among faces at the same depth, front faces (counterclockwise) win, then the lowest index.
    """
    images = []
    for corners in clip[:, faces.long()]:  # [f, 3, 4]
        owners, columns, rows = _candidates(corners, height, width)
        edges = edge_functions(corners[owners], columns, rows, height, width)
        facing = _facing(corners)[owners]
        edges = edges * facing[:, None]
        area = (edges * corners[owners, :, 3]).sum(-1)
        depth = (edges * corners[owners, :, 2]).sum(-1) / area
        covered = (edges >= 0).all(-1) & (area > 0) & (depth >= -1) & (depth < 1)
        # Nearest first, then front faces, then the lowest index, all packed into one integer: the
        # bit patterns of positive floats are ordered like their values.
        bits = (depth[covered] + 2).view(torch.int32).long()
        keys = (bits << 32) | ((facing[covered] < 0).long() << 31) | owners[covered]
        empty = torch.iinfo(torch.int64).max
        nearest = torch.full((height * width,), empty, device=clip.device)
        nearest.scatter_reduce_(0, (rows * width + columns)[covered], keys, "amin")
        triangle = torch.where(nearest == empty, -1, nearest & 0x7FFFFFFF)
        # The depth itself, without the rounding of the key.
        depth_map = torch.ones(height * width, device=clip.device)
        won = covered & (triangle[rows * width + columns] == owners)
        depth_map[(rows * width + columns)[won]] = depth[won]
        images.append((triangle.int().view(height, width), depth_map.view(height, width)))
    triangles, depths = zip(*images, strict=True)
    return torch.stack(triangles), torch.stack(depths), None


def barycentrics(fragments: Fragments) -> Float[Tensor, "b h w 3"]:
    """Perspective-correct barycentric coordinates of each pixel's center, 0 for background."""
    images, rows, columns = (fragments.triangles >= 0).nonzero(as_tuple=True)
    height, width = fragments.triangles.shape[1:]
    triangles = fragments.triangles[images, rows, columns].long()
    corners = fragments.clip_vertices[images[:, None], fragments.faces[triangles].long()]
    edges = edge_functions(corners, columns, rows, height, width)
    total = edges.sum(-1, keepdim=True)
    weights = (edges / torch.where(total == 0, 1, total)).clamp(0, 1)  # slivers are rounded
    empty = weights.new_zeros(*fragments.triangles.shape, 3)
    return empty.index_put((images, rows, columns), weights)


def interpolate(
    fragments: Fragments, attributes: Float[Tensor, "a p c"]
) -> Float[Tensor, "b h w c"]:
    """Vertex attributes at each pixel, 0 for background."""
    images, rows, columns = (fragments.triangles >= 0).nonzero(as_tuple=True)
    triangles = fragments.triangles[images, rows, columns].long()
    sets = images // (len(fragments.triangles) // len(attributes))
    corners = attributes[sets[:, None], fragments.faces[triangles].long()]  # [m, 3, c]
    values = (fragments.barycentrics[images, rows, columns, :, None] * corners).sum(1)
    empty = values.new_zeros(*fragments.triangles.shape, attributes.shape[-1])
    return empty.index_put((images, rows, columns), values)


def vertex_normals(
    vertices: Float[Tensor, "n p 3"], faces: Int[Tensor, "f 3"]
) -> Float[Tensor, "n p 3"]:
    """Area-weighted unit normals of the vertices, zero where there is no direction."""
    index = faces.long()
    rows = vertices.transpose(0, 1)  # [p, n, 3]: gathering and adding contiguous rows is faster
    a, b, c = (rows.index_select(0, corner) for corner in index.unbind(1))
    weighted = torch.linalg.cross(b - a, c - a)
    sums = torch.zeros_like(rows)
    for corner in index.unbind(1):
        sums = sums.index_add(0, corner, weighted)
    return _unit(sums).transpose(0, 1)


def lambert(  # noqa: PLR0917  (the interface is positional)
    fragments: Fragments,
    normals: Float[Tensor, "n p 3"],
    colors: Float[Tensor, "n p 3"],
    lights: Float[Tensor, "b 3"],
    ambient: float | Float[Tensor, "b"],
    two_sided: bool,
) -> Float[Tensor, "b h w 4"]:
    """Shaded color and coverage at each pixel."""
    pixels = (fragments.triangles >= 0).nonzero(as_tuple=True)
    values = interpolate(fragments, torch.cat([normals, colors], -1))[pixels]
    normal, color = _unit(values[:, :3]), values[:, 3:]
    triangles = fragments.triangles[pixels].long()
    corners = fragments.clip_vertices.detach()[
        pixels[0][:, None], fragments.faces[triangles].long()
    ]
    facing = _facing(corners)
    if not two_sided:
        facing = facing.clamp_min(0)
    diffuse = ((normal * lights[pixels[0]]).sum(-1) * facing).clamp_min(0)
    if isinstance(ambient, Tensor):
        ambient = ambient[pixels[0]]
    brightness = ambient + (1 - ambient) * diffuse
    shaded = F.pad(color * brightness[:, None], (0, 1), value=1.0)
    return shaded.new_zeros(*fragments.triangles.shape, 4).index_put(pixels, shaded)


def antialias(color: Float[Tensor, "b h w c"], fragments: Fragments) -> Float[Tensor, "b h w c"]:
    """Blends pixels across silhouettes.

    An edge is a silhouette in an image if all of its faces lie on one side of it there. Take two
    neighboring pixels on either side of such an edge, the inner one on the side of the faces: in
    the same column if the edge is closer to horizontal, in the same row otherwise. Let s in [0, 1]
    be the position, counted from the center of the inner pixel, at which the edge crosses the line
    between their centers. For s > 1/2 the surface covers s - 1/2 of the outer pixel too; for
    s < 1/2 it leaves 1/2 - s of the inner one uncovered. That share of the other pixel's color is
    blended in. Weights that add up to more than 1 at a pixel are scaled down. Edges that are hidden
    by the surface at the outer pixel, or that extend behind the camera, are skipped.
    """
    batch, height, width, channels = color.shape
    image, ends = _silhouettes(fragments, height, width)
    flat = color.reshape(batch * height * width, channels)
    target, other, weight = [], [], []
    for axis in (0, 1):  # steps along x: columns; along y: rows
        edge, inner, outer, part, depth = _crossings(ends, axis, (width, height))
        start = image[edge] * height * width
        hidden = depth > fragments.depth.reshape(-1)[start + outer]
        covers = part > 0.5
        target.append((start + torch.where(covers, outer, inner))[~hidden])
        other.append((start + torch.where(covers, inner, outer))[~hidden])
        weight.append((part - 0.5).abs()[~hidden])
    targets, others, weights = torch.cat(target), torch.cat(other), torch.cat(weight)
    total = weights.new_zeros(len(flat)).index_add(0, targets, weights)
    weights = weights / (total / MOST).clamp_min(1)[targets]
    blends = weights[:, None] * (flat[others] - flat[targets])
    return flat.index_add(0, targets, blends).view_as(color)


def _unit(vectors: Float[Tensor, "*k 3"]) -> Float[Tensor, "*k 3"]:
    """Unit vectors; zero, without gradient, for vectors too short to have a direction."""
    squared = vectors.square().sum(-1, keepdim=True)
    enough = squared > NO_NORMAL**2
    return torch.where(enough, vectors * torch.where(enough, squared, 1).rsqrt(), 0)


def _candidates(
    corners: Float[Tensor, "f 3 4"], height: int, width: int
) -> tuple[Pixels, Pixels, Pixels]:
    """Each face with the columns and rows of all pixels in its bounding box."""
    position = _on_screen(corners, height, width)
    behind = (corners[..., 3] <= 0).any(1, keepdim=True)
    size = position.new_tensor([width, height])
    low = torch.where(behind, 0, (position.amin(1) - 0.5).ceil().clamp_min(0))
    high = torch.where(behind, size - 1, (position.amax(1) - 0.5).floor().minimum(size - 1))
    across, down = (high - low + 1).clamp_min(0).long().unbind(1)
    counts = across * down
    owners = torch.repeat_interleave(counts)
    index = torch.arange(len(owners), device=counts.device) - (counts.cumsum(0) - counts)[owners]
    first = low.long()[owners]
    span = across[owners]
    return owners, first[:, 0] + index % span, first[:, 1] + index // span


def edge_functions(
    corners: Float[Tensor, "m 3 4"], columns: Pixels, rows: Pixels, height: int, width: int
) -> Float[Tensor, "m 3"]:
    """The edge functions e_i of each triangle at the center of its pixel."""
    x = (columns + 0.5) * (2 / width) - 1
    y = 1 - (rows + 0.5) * (2 / height)
    depth = corners[..., 3]
    qx, qy = corners[..., 0] - x[:, None] * depth, corners[..., 1] - y[:, None] * depth
    return qx.roll(-1, 1) * qy.roll(-2, 1) - qy.roll(-1, 1) * qx.roll(-2, 1)


def _facing(corners: Float[Tensor, "*k 3 4"]) -> Int[Tensor, "*k"]:
    """1 for front faces (counterclockwise in the image), -1 for back faces.

    The sign of det(v_0, v_1, v_2) in (x, y, w), valid in front of the camera and behind it. It is
    computed relative to the first vertex to avoid cancellation, since triangles are small.
    """
    first, others = corners[..., :1, :], corners[..., 1:, :]
    q = first[..., 3:] * others[..., :2] - first[..., :2] * others[..., 3:]
    cross = q[..., 0, 0] * q[..., 1, 1] - q[..., 0, 1] * q[..., 1, 0]
    return torch.where(cross * first[..., 0, 3] >= 0, 1, -1)


def _on_screen(clip: Float[Tensor, "*k 4"], height: int, width: int) -> Float[Tensor, "*k 2"]:
    """Positions in pixels; the center of the first pixel is at (0.5, 0.5)."""
    x, y, _, w = clip.unbind(-1)
    w = torch.where(w > 0, w, 1)  # the result is not used for vertices behind the camera
    return torch.stack([(x / w + 1) * (width / 2), (1 - y / w) * (height / 2)], -1)


def _silhouettes(
    fragments: Fragments, height: int, width: int
) -> tuple[Int[Tensor, "m"], Float[Tensor, "m 2 4"]]:
    """The image and the two ends of each silhouette edge: x, y in pixels, depth, side of the faces.

    The side is 1 if the faces lie to the right of the direction from the first end to the second.
    """
    sides: EdgeSides = edge_sides(fragments.faces)
    clip = fragments.clip_vertices
    facing = _facing(clip.detach()[:, fragments.faces.long()])
    owners = torch.repeat_interleave(sides.counts())
    sums = facing.new_zeros(len(clip), len(sides.edges))
    sums.index_add_(1, owners, facing[:, sides.faces] * sides.along)
    in_front: Bool[Tensor, "b e"] = (clip[..., 3] > 0)[:, sides.edges].all(-1)
    image, edge = ((sums.abs() == sides.counts()) & in_front).nonzero(as_tuple=True)
    ends = clip[image[:, None], sides.edges[edge]]  # [m, 2, 4]
    position = _on_screen(ends, height, width)
    depth = (ends[..., 2] / ends[..., 3]).detach()
    # A front face is counterclockwise, so it lies to the left of its own edges.
    side = -sums[image, edge].sign().to(depth)[:, None].expand(-1, 2)
    return image, torch.cat([position, depth[..., None], side[..., None]], -1)


def _crossings(
    ends: Float[Tensor, "s 2 4"], axis: int, size: tuple[int, int]
) -> tuple[Pixels, Pixels, Pixels, Float[Tensor, "m"], Float[Tensor, "m"]]:
    """Crossings of the edges closer to one axis with the pixel pairs along the other axis.

    Returns:
        The edge, the inner and the outer pixel (indices in the image), s from the center of the
        inner pixel (see `antialias`), and the depth of the edge there.
    """
    position = ends.detach()
    span = (position[:, 1, :2] - position[:, 0, :2]).abs()
    mine = span[:, 0] >= span[:, 1] if axis == 0 else span[:, 1] > span[:, 0]
    along = position[:, :, axis]
    first = (along.amin(1) - 0.5).ceil().clamp_min(0).long()
    last = (along.amax(1) - 0.5).ceil().clamp_max(size[axis]).long()  # exclusive: ends count once
    counts = torch.where(mine, (last - first).clamp_min(0), 0)
    edge = torch.repeat_interleave(counts)
    step = first[edge] + torch.arange(len(edge), device=edge.device)
    step = step - (counts.cumsum(0) - counts)[edge]
    start, stop = ends[edge].unbind(1)
    where = (step + 0.5 - start[:, axis]) / (stop[:, axis] - start[:, axis])
    cross = start[:, 1 - axis] + where * (stop[:, 1 - axis] - start[:, 1 - axis])
    low = (cross.detach() - 0.5).floor().long()
    inside = (low >= 0) & (low + 1 < size[1 - axis])
    edge, step, low, cross = edge[inside], step[inside], low[inside], cross[inside]
    start, stop, where = start[inside], stop[inside], where[inside].detach()
    # The right side of a direction that points right is below it: the pixel in the higher row. The
    # right side of a direction that points down is to its left: the pixel in the lower column.
    forward = torch.where(stop[:, axis] > start[:, axis], 1, -1).detach()
    higher = forward * start[:, 3].detach() * (1 if axis == 0 else -1) > 0
    from_low = cross - (low + 0.5)
    part = torch.where(higher, 1 - from_low, from_low)
    strides = (1, size[0])
    lower = step * strides[axis] + low * strides[1 - axis]
    upper = lower + strides[1 - axis]
    depth = start[:, 2] + where * (stop[:, 2] - start[:, 2])
    inner, outer = torch.where(higher, upper, lower), torch.where(higher, lower, upper)
    return edge, inner, outer, part, depth


BACKEND = Backend("torch", visible, barycentrics, interpolate, vertex_normals, lambert, antialias)
