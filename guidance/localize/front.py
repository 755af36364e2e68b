"""The front of a mesh and the views that match a prompt best, found by image-text encoders.

Both are computed once, before the first step, from images of the mesh as it was given. They depend
on nothing else, so a resumed run finds the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.encoders.text.embedding import BACK, FRONT, device_of, embed_phrase
from guidance.geometry.normalization import Normalization
from guidance.localize.localizer import Localizer
from guidance.meshes import Mesh, MeshScene
from guidance.prompts import Phrase, Prompt
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.cameras.sampling.anchor import Anchor
from guidance.rendering.shading import render_mesh

#: The views that are scored: this many azimuths at each elevation.
AZIMUTHS, ELEVATIONS_DEG = 24, (0.0, 30.0)
#: Pixels per side of these views.
SIDE = 224
#: If the cosines of all azimuths lie within this range, no view is better than the others.
ALIKE = 0.01
#: Cosines that differ by less than this count as equal; rounding of pixels causes such differences.
EQUAL = 0.002


@dataclass(frozen=True)
class CameraAim:
    """The front of the mesh, the anchor of each sample's cameras, and notes for the user."""

    front_deg: float = 0.0
    anchors: tuple[Anchor | None, ...] = ()  # one per sample, or empty; None: all around
    notes: tuple[str, ...] = ()


def find_aim(
    mesh: Mesh,
    front: float | Literal["auto"],
    anchor: float | Literal["auto", "none"],
    prompts: Sequence[Prompt],
    localizer: Localizer,
) -> CameraAim:
    """The front and the anchors as given, or found with the encoders.

    Args:
        front: azimuth in degrees (0 is +z, 90 is +x), or "auto".
        anchor: azimuth in degrees from the front, for all samples; "auto" finds an anchor for each
            sample, "none" gives none.
        prompts: of the samples.
        localizer: its encoders are loaded only for "auto".
    """
    encoders = localizer.load() if "auto" in (front, anchor) else ()
    notes: list[str] = []
    if front == "auto":
        found = find_front(mesh, prompts, encoders, localizer.templates)
        front = 0.0 if found is None else found
        notes.append(
            'front: no side matches "front view" better than the others; +z is used'
            if found is None
            else f"front: found at {found:g} degrees (0 is +z, 90 is +x)"
        )
    if anchor == "none":
        return CameraAim(front, (), tuple(notes))
    if anchor != "auto":
        return CameraAim(front, (Anchor(anchor),) * len(prompts), tuple(notes))
    anchors = find_anchors(mesh, front, prompts, encoders, localizer.templates)
    texts = [prompt.text for prompt in prompts]
    for text, one in dict(zip(texts, anchors, strict=True)).items():
        view = "no view matches better than the others; the cameras are all around"
        if one is not None:
            view = f"azimuth {one.azimuth_deg:g}, elevation {one.elevation_deg:g} degrees"
        notes.append(f"anchor of {text!r}: {view}")
    return CameraAim(front, anchors, tuple(notes))


@torch.no_grad()
def find_front(
    mesh: Mesh,
    prompts: Sequence[Prompt],
    encoders: Sequence[Encoder],
    templates: Sequence[str] | None = None,
) -> float | None:
    """The azimuth whose views match "front view of ..." best compared with "back view of ...".

    The difference of both cosines is averaged over prompts and encoders, and the maximum of its
    first harmonic over the azimuth is returned: a smooth fit to all views. None if the amplitude
    is below `ALIKE`, or below the residual of the fit.
    """
    scores: Float[Tensor, "k"] = torch.zeros(AZIMUTHS)
    azimuths = 360.0 * torch.arange(AZIMUTHS) / AZIMUTHS
    distinct = {prompt.text: prompt for prompt in prompts}
    for encoder in encoders:
        views = _view_embeddings(mesh, encoder, 0.0, colored=True)
        views = views.view(len(ELEVATIONS_DEG), AZIMUTHS, -1).mean(0)
        for prompt in distinct.values():
            phrase = next((one for one in prompt.phrases if one.image is None), None)
            if phrase is None:
                continue
            front, back = (
                _embedding(encoder, replace(phrase, text=side.format(phrase.text)), templates)
                for side in (FRONT, BACK)
            )
            scores += (views @ (front - back)).cpu()
    scores = (scores - scores.mean()) / (len(encoders) * len(distinct))
    wave = torch.stack([azimuths.deg2rad().cos(), azimuths.deg2rad().sin()])
    cosine, sine = (2 / AZIMUTHS * wave @ scores).tolist()
    residual = scores - torch.tensor([cosine, sine]) @ wave
    amplitude = math.hypot(cosine, sine)
    if 2 * amplitude < ALIKE or amplitude / 2**0.5 < float(residual.square().mean().sqrt()):
        return None
    # Rounded to a scored azimuth, so that small numerical differences give the same result.
    step = 360 / AZIMUTHS
    return round(math.degrees(math.atan2(sine, cosine)) / step) * step % 360


@torch.no_grad()
def find_anchors(
    mesh: Mesh,
    front_deg: float,
    prompts: Sequence[Prompt],
    encoders: Sequence[Encoder],
    templates: Sequence[str] | None = None,
) -> tuple[Anchor | None, ...]:
    """For each sample, the view of the mesh in plain grey that matches its prompt best.

    Among equal views, such as those of a cube, the one closest to the front. None if all azimuths
    match alike, as for a ball or a bottle.
    """
    scores = torch.zeros(len(prompts), len(ELEVATIONS_DEG), AZIMUTHS)
    for encoder in encoders:
        views = _view_embeddings(mesh, encoder, front_deg, colored=False)
        for sample, prompt in enumerate(prompts):
            for phrase in prompt.phrases:
                cosines = views @ _embedding(encoder, phrase, templates)
                weight = phrase.weight(0.0) / len(encoders)
                scores[sample] += weight * cosines.cpu().view(len(ELEVATIONS_DEG), AZIMUTHS)
    return tuple(_best(table) for table in scores)


def _best(scores: Float[Tensor, "e k"]) -> Anchor | None:
    sides = scores.mean(0)
    if float(sides.max() - sides.min()) < ALIKE:
        return None
    level, place = divmod(int(scores.argmax()), AZIMUTHS)
    equal = (scores[level] > scores[level, place] - EQUAL).nonzero()[:, 0]
    azimuths = (360.0 / AZIMUTHS * equal + 180) % 360 - 180
    return Anchor(float(azimuths[azimuths.abs().argmin()]), ELEVATIONS_DEG[level])


def _view_embeddings(
    mesh: Mesh, encoder: Encoder, front_deg: float, *, colored: bool
) -> Float[Tensor, "k d"]:
    """Unit vectors of the views, one elevation after another, in the mesh's colors or in grey."""
    device = device_of(encoder)
    vertices = Normalization.of(mesh.vertices).apply(mesh.vertices.double()).float().to(device)
    scene = MeshScene(vertices[None], mesh.faces.long().to(device), vertices)
    colors = mesh.colors[None].float().to(device) if colored and mesh.colors is not None else None
    orbit = Orbit(size=(SIDE, SIDE), device=device, front_deg=front_deg)
    embeddings = []
    for elevation in ELEVATIONS_DEG:
        images = render_mesh(scene, orbit.ring(1, AZIMUTHS, elevation), colors).over().clamp(0, 1)
        embeddings.append(F.normalize(encoder.encode_image(images[0]).float(), dim=-1))
    return torch.cat(embeddings)


def _embedding(
    encoder: Encoder, phrase: Phrase, templates: Sequence[str] | None
) -> Float[Tensor, "d"]:
    return embed_phrase(encoder, phrase, templates)[0].to(device_of(encoder))
