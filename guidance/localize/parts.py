"""Which faces of a mesh words are about, as far as an image-text model can see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.geometry.io.files import Normalization
from guidance.geometry.topology import face_pairs
from guidance.meshes import Mesh, MeshScene
from guidance.rendering.orbit import Orbit
from guidance.rendering.rasterizer.contract import Shading, rasterize
from guidance.rendering.shading import render_mesh, to_clip

#: What the mesh is looked at with: rings of cameras at elevations in degrees, each this many.
RINGS, VIEWS, PIXELS = (30.0, -15.0), 6, 224
#: Sides of the windows, in shares of an image's, and their step, in shares of their own side.
SIDES, STEP = (0.22, 0.33, 0.5), 0.25
#: Windows that show less of the mesh than this are about the background.
LEAST = 0.1
#: Images given to an encoder at once.
AT_ONCE = 128
#: Rounds of means over neighbouring faces, before the scores are cut in two.
ROUNDS = 8
#: Logits between the parts below which a model does not tell them apart: e^2 is seven to one.
CLEAR = 2.0

#: How well images `[b, 3, h, w]` fit the words, in logits `[b]`.
Scorer = Callable[[Float[Tensor, "b 3 h w"]], Float[Tensor, "b"]]


@dataclass(frozen=True)
class Found:
    """The part of a mesh that words are about."""

    faces: Bool[Tensor, "f"]
    scores: Float[Tensor, "f"]  # in logits, of all faces
    contrast: float  # between the means of the part and of the rest, in logits

    @property
    def is_clear(self) -> bool:
        """Whether the model tells the part from the rest."""
        return self.contrast >= CLEAR


@torch.no_grad()
def find_part(mesh: Mesh, scorers: Sequence[Scorer]) -> Found:
    """Asks image-text models where on a mesh the words fit best.

    Square windows of three sizes slide over images of the mesh from all sides, in its own colours
    or grey. A pixel's score is the mean over the windows that cover it, which count more the nearer
    it is to their middle; a face's score is the mean over its pixels, then smoothed over its
    neighbours. Otsu's threshold cuts the scores in two.

    So a part is found if the model knows it by itself. The embedded mini CLIP is too weak for parts
    of things: on a grey cow "horns", "legs" and "a head" stand out by 0.3 to 0.8 logits, and what
    is found are spots all over the body. Whole things in one mesh it does tell apart: of a red
    ball, a green cone and a brown ring, "a red apple" and "a donut" find 98% to 100% of theirs and
    at most 2% of another, by 5.4 and 2.8 logits; "a christmas tree" stands out by 1.5 and takes a
    third of the ball along. Hence `CLEAR`.

    Args:
        scorers: of one encoder each; their mean counts.

    Source: Otsu 1979, A Threshold Selection Method from Gray-Level Histograms. The windows are
    those of detectors before proposals; chosen over gradients of the score with respect to faces,
    which single out edges, and over hiding faces, which tells what the whole is known by.
    """
    scores, area = _face_scores(mesh, scorers), face_areas(mesh)
    scores = _smooth(scores, area, face_pairs(mesh.faces.long()))
    faces = scores > _threshold(scores, area)
    means = [(scores * area)[part].sum() / area[part].sum() for part in (faces, ~faces)]
    return Found(faces, scores, float(means[0] - means[1]))


def _face_scores(mesh: Mesh, scorers: Sequence[Scorer]) -> Float[Tensor, "f"]:
    """The mean score of each face's pixels, NaN for faces that no camera sees."""
    vertices = Normalization.of(mesh.vertices).apply(mesh.vertices.double()).float()[None]
    faces = mesh.faces.long()
    colors = None if mesh.colors is None else mesh.colors[None].float()
    sums, counts = (torch.zeros(len(faces), device=faces.device) for _ in range(2))
    orbit = Orbit(num_views=VIEWS, size=(PIXELS, PIXELS), device=str(faces.device))
    for elevation in RINGS:
        cameras = orbit.ring(1, VIEWS, elevation)
        scene = MeshScene(vertices, faces, vertices[0])
        seen = render_mesh(scene, cameras, colors, Shading(ambient=0.6))
        assert seen.alpha is not None
        triangles = rasterize(to_clip(vertices, cameras), faces, PIXELS, PIXELS).triangles.long()
        heat = _heat(seen.over()[0], seen.alpha[0], scorers)
        covered = triangles >= 0
        sums.index_add_(0, triangles[covered], heat[covered])
        counts.index_add_(0, triangles[covered], torch.ones_like(heat[covered]))
    return torch.where(counts > 0, sums / counts, torch.nan)


def _heat(
    pictures: Float[Tensor, "v 3 h w"], alpha: Float[Tensor, "v 1 h w"], scorers: Sequence[Scorer]
) -> Float[Tensor, "v h w"]:
    """The score of each pixel of the mesh, from the windows around it."""
    size = pictures.shape[-1]
    sums, weights = (torch.zeros_like(alpha) for _ in range(2))
    for share in SIDES:
        side = round(share * size)
        step = max(1, round(STEP * side))
        shown = F.avg_pool2d(alpha, side, step) >= LEAST
        view, _, row, column = shown.nonzero(as_tuple=True)
        windows = pictures.unfold(2, side, step).unfold(3, side, step)
        scores = alpha.new_zeros(shown.shape)
        found = []
        for batch in torch.split(torch.arange(len(view), device=alpha.device), AT_ONCE):
            looked_at = windows[view[batch], :, row[batch], column[batch]]
            found.append(torch.stack([score(looked_at) for score in scorers]).mean(0))
        scores[shown] = torch.cat(found) if found else scores[shown]
        hat = 1 - torch.linspace(-1, 1, side, device=alpha.device).abs() * (1 - 1 / side)
        kernel = (hat[:, None] * hat)[None, None]
        for total, values in ((sums, scores), (weights, shown.to(alpha))):
            spread = F.conv_transpose2d(values, kernel, stride=step)
            total[..., : spread.shape[2], : spread.shape[3]] += spread
    return (sums / weights.clamp_min(1e-12))[:, 0]


def face_areas(mesh: Mesh) -> Float[Tensor, "f"]:
    """Of each face, as a share of the whole surface."""
    a, b, c = mesh.vertices.double()[mesh.faces.long()].unbind(1)
    double: Tensor = torch.linalg.cross(b - a, c - a).norm(dim=-1)
    return (double / double.sum()).float()


def _smooth(
    scores: Float[Tensor, "f"], area: Float[Tensor, "f"], pairs: Int[Tensor, "e 2"]
) -> Float[Tensor, "f"]:
    """Means with the neighbours, by area; a face that was not seen takes its neighbours' mean."""
    known = scores.isfinite()
    middle = (scores * area)[known].sum() / area[known].sum()
    weight = torch.where(known, area, 1e-6 * area)
    scores = torch.where(known, scores, middle)
    one, other = pairs.unbind(1)
    for _ in range(ROUNDS):
        sums, total = weight * scores, weight.clone()
        for here, there in ((one, other), (other, one)):
            sums = sums.index_add(0, here, (weight * scores)[there])
            total = total.index_add(0, here, weight[there])
        scores, weight = sums / total, area
    return scores


def _threshold(scores: Float[Tensor, "f"], area: Float[Tensor, "f"]) -> Float[Tensor, ""]:
    """The cut that leaves the least variance on its two sides, each face by its area."""
    order = scores.argsort()
    values, share = scores[order].double(), area[order].double()
    below, sums = share.cumsum(0)[:-1], (share * values).cumsum(0)
    difference = sums[-1] * below - sums[:-1]
    between = difference.square() / (below * (1 - below)).clamp_min(1e-12)
    return values[between.argmax()].to(scores)
