"""The part of a mesh that a text describes, found by image-text encoders or by a segmenter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.encoders.text.embedding import device_of, embed_text
from guidance.geometry.normalization import Normalization
from guidance.geometry.topology import face_pairs
from guidance.localize.localizer import Localizer
from guidance.meshes import Mesh, MeshScene
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.rasterizer.contract import rasterize
from guidance.rendering.shading import Shading, render_mesh, to_clip
from guidance.segmenters.base import Segmenter

#: The views of the mesh: this many azimuths at each elevation in degrees, and pixels per side.
ELEVATIONS_DEG, AZIMUTHS, PIXELS = (30.0, -15.0), 6, 224
#: Sides of the sliding windows as shares of the image's side, and the stride as a share of theirs.
SIDES, STRIDE = (0.22, 0.33, 0.5), 0.25
#: Windows with a smaller share of mesh pixels are skipped.
MIN_COVERAGE = 0.1
#: Images per batch of an encoder.
BATCH = 128
#: Smoothing rounds over neighboring faces, before the threshold.
ROUNDS = 8
#: The same for a segmenter, whose edges are sharp, and the closest to 0 and 1 that it is believed.
SEGMENTER_ROUNDS, CERTAIN = 2, 1e-3
#: Least contrast in logits of a part that counts as recognized: e^2 is odds of seven to one.
CLEAR = 2.0

#: Maps images `[b, 3, h, w]` to logits `[b]` of how well they match a text.
Scorer = Callable[[Float[Tensor, "b 3 h w"]], Float[Tensor, "b"]]
#: Maps views and their alpha to a score of each pixel, `[v, h, w]`.
PixelScores = Callable[[Float[Tensor, "v 3 h w"], Float[Tensor, "v 1 h w"]], Float[Tensor, "v h w"]]


@dataclass(frozen=True)
class MeshPart:
    """A part of a mesh."""

    faces: Bool[Tensor, "f"]
    scores: Float[Tensor, "f"]  # logits of all faces
    contrast: float  # mean logit of the part minus that of the rest

    @property
    def is_clear(self) -> bool:
        """Whether the encoders distinguish the part from the rest."""
        return self.contrast >= CLEAR


def find_part_by_text(mesh: Mesh, text: str, localizer: Localizer) -> MeshPart:
    """The part that a text describes; see `find_part` and, with a segmenter, `segment_part`."""
    if localizer.segmenter != "encoders":
        from guidance.segmenters.files.loading import load_segmenter

        return segment_part(mesh, text, load_segmenter(localizer.segmenter, localizer.device))
    encoders = localizer.load()
    return find_part(mesh, [text_scorer(each, text, localizer.templates) for each in encoders])


def text_scorer(encoder: Encoder, text: str, templates: Sequence[str] | None = None) -> Scorer:
    """An encoder's logits of images for a text, without the bias; on the CPU."""
    target = embed_text(encoder, text, templates)
    device = device_of(encoder)

    def score(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b"]:
        embeddings = encoder.encode_image(images.to(device)).float()
        return (encoder.logit_scale * (embeddings @ target.to(embeddings))).cpu()

    return score


@torch.no_grad()
def find_part(mesh: Mesh, scorers: Sequence[Scorer]) -> MeshPart:
    """The faces with high scores in images of the mesh.

    Square windows of three sizes slide over images of the mesh from all sides, in its colors or in
    grey. The score of a pixel is the mean over the windows that contain it, weighted by its
    distance to their centers. The score of a face is the mean over its pixels, then smoothed over
    neighboring faces. Otsu's threshold separates the part from the rest.

    A part is found only if the encoder recognizes it by itself. The embedded mini CLIP is too weak
    for parts of objects: on a grey cow, the contrast of "horns", "legs" and "a head" is 0.3 to 0.8
    logits, and the result is patches all over the body. It distinguishes whole objects within one
    mesh: of a red ball, a green cone and a brown ring, "a red apple" and "a donut" find 98% to 100%
    of their object and at most 2% of another, with a contrast of 5.4 and 2.8 logits. "a christmas
    tree" has a contrast of 1.5 and includes a third of the ball. Hence the value of `CLEAR`.

    Args:
        scorers: their mean is used.

    Source: Otsu 1979, A Threshold Selection Method from Gray-Level Histograms. Sliding windows are
    those of early object detectors. Two alternatives were worse: gradients of the score with
    respect to faces respond to edges, and occluding faces finds what identifies the whole object.
    """

    def pixels(
        images: Float[Tensor, "v 3 h w"], alpha: Float[Tensor, "v 1 h w"]
    ) -> Float[Tensor, "v h w"]:
        return _pixel_scores(images, alpha, scorers)

    scores, area = _face_scores(mesh, pixels), face_areas(mesh)
    scores = _smooth(scores, area, face_pairs(mesh.faces.long()))
    return _part(scores, area, scores > _threshold(scores, area))


@torch.no_grad()
def segment_part(mesh: Mesh, text: str, segmenter: Segmenter) -> MeshPart:
    """The faces that a segmenter assigns to a text in most images of the mesh from all sides.

    The score of a face is the mean over its pixels of the logit of the segmenter, which is positive
    inside the part.
    """

    def pixels(
        images: Float[Tensor, "v 3 h w"], alpha: Float[Tensor, "v 1 h w"]
    ) -> Float[Tensor, "v h w"]:
        found = [segmenter.probabilities(image, [text])[0] for image in images]
        return torch.stack(found).logit(CERTAIN)

    scores, area = _face_scores(mesh, pixels), face_areas(mesh)
    scores = _smooth(scores, area, face_pairs(mesh.faces.long()), SEGMENTER_ROUNDS)
    return _part(scores, area, scores > 0)


def _part(
    scores: Float[Tensor, "f"], area: Float[Tensor, "f"], faces: Bool[Tensor, "f"]
) -> MeshPart:
    shares = [area[part].sum().clamp_min(1e-12) for part in (faces, ~faces)]
    means = [
        (scores * area)[part].sum() / share
        for part, share in zip((faces, ~faces), shares, strict=True)
    ]
    return MeshPart(faces, scores, float(means[0] - means[1]))


def _face_scores(mesh: Mesh, pixel_scores: PixelScores) -> Float[Tensor, "f"]:
    """The mean score of each face's pixels, NaN for faces that are not visible in any view."""
    vertices = Normalization.of(mesh.vertices).apply(mesh.vertices.double()).float()[None]
    faces = mesh.faces.long()
    colors = None if mesh.colors is None else mesh.colors[None].float()
    sums, counts = (torch.zeros(len(faces), device=faces.device) for _ in range(2))
    orbit = Orbit(num_views=AZIMUTHS, size=(PIXELS, PIXELS), device=str(faces.device))
    for elevation in ELEVATIONS_DEG:
        cameras = orbit.ring(1, AZIMUTHS, elevation)
        scene = MeshScene(vertices, faces, vertices[0])
        rendering = render_mesh(scene, cameras, colors, Shading(ambient=0.6))
        assert rendering.alpha is not None
        triangles = rasterize(to_clip(vertices, cameras), faces, PIXELS, PIXELS).triangles.long()
        scores = pixel_scores(rendering.over()[0], rendering.alpha[0])
        covered = triangles >= 0
        sums.index_add_(0, triangles[covered], scores[covered])
        counts.index_add_(0, triangles[covered], torch.ones_like(scores[covered]))
    return torch.where(counts > 0, sums / counts, torch.nan)


def _pixel_scores(
    images: Float[Tensor, "v 3 h w"], alpha: Float[Tensor, "v 1 h w"], scorers: Sequence[Scorer]
) -> Float[Tensor, "v h w"]:
    """The weighted mean score of the windows that contain each pixel."""
    size = images.shape[-1]
    sums, weights = (torch.zeros_like(alpha) for _ in range(2))
    for share in SIDES:
        side = round(share * size)
        stride = max(1, round(STRIDE * side))
        used = F.avg_pool2d(alpha, side, stride) >= MIN_COVERAGE
        view, _, row, column = used.nonzero(as_tuple=True)
        windows = images.unfold(2, side, stride).unfold(3, side, stride)
        scores = alpha.new_zeros(used.shape)
        found = []
        for batch in torch.split(torch.arange(len(view), device=alpha.device), BATCH):
            crops = windows[view[batch], :, row[batch], column[batch]]
            found.append(torch.stack([score(crops) for score in scorers]).mean(0))
        scores[used] = torch.cat(found) if found else scores[used]
        hat = 1 - torch.linspace(-1, 1, side, device=alpha.device).abs() * (1 - 1 / side)
        kernel = (hat[:, None] * hat)[None, None]
        for total, values in ((sums, scores), (weights, used.to(alpha))):
            spread = F.conv_transpose2d(values, kernel, stride=stride)
            total[..., : spread.shape[2], : spread.shape[3]] += spread
    return (sums / weights.clamp_min(1e-12))[:, 0]


def face_areas(mesh: Mesh) -> Float[Tensor, "f"]:
    """The area of each face as a share of the whole surface."""
    a, b, c = mesh.vertices.double()[mesh.faces.long()].unbind(1)
    double: Tensor = torch.linalg.cross(b - a, c - a).norm(dim=-1)
    return (double / double.sum()).float()


def _smooth(
    scores: Float[Tensor, "f"],
    area: Float[Tensor, "f"],
    pairs: Int[Tensor, "e 2"],
    rounds: int = ROUNDS,
) -> Float[Tensor, "f"]:
    """Repeated area-weighted means over a face and its neighbors; also fills in NaN scores."""
    known = scores.isfinite()
    middle = (scores * area)[known].sum() / area[known].sum()
    weight = torch.where(known, area, 1e-6 * area)
    scores = torch.where(known, scores, middle)
    one, other = pairs.unbind(1)
    for _ in range(rounds):
        sums, total = weight * scores, weight.clone()
        for here, there in ((one, other), (other, one)):
            sums = sums.index_add(0, here, (weight * scores)[there])
            total = total.index_add(0, here, weight[there])
        scores, weight = sums / total, area
    return scores


def _threshold(scores: Float[Tensor, "f"], area: Float[Tensor, "f"]) -> Float[Tensor, ""]:
    """Otsu's threshold, which minimizes the variance within both sides; faces weighted by area."""
    order = scores.argsort()
    values, share = scores[order].double(), area[order].double()
    below, sums = share.cumsum(0)[:-1], (share * values).cumsum(0)
    difference = sums[-1] * below - sums[:-1]
    between = difference.square() / (below * (1 - below)).clamp_min(1e-12)
    return values[between.argmax()].to(scores)
