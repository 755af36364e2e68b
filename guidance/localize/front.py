"""Which way a mesh is looked at: where its front is, and which view fits the words best.

Both are told by the run's own encoders before the first step, from images of the mesh as it was
given. They depend on nothing else, so a run that is resumed finds the same again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.geometry.io.files import Normalization
from guidance.losses.text.embeddings import embed_phrase
from guidance.meshes import Mesh, MeshScene
from guidance.prompts import Phrase, parse_prompt, read_templates
from guidance.rendering.orbit import Orbit
from guidance.rendering.sampling.anchor import Anchor
from guidance.rendering.shading import render_mesh
from guidance.tasks.base import Task

#: Views of the ring that is scored, a circle, and the circles' elevations in degrees.
RING, ELEVATIONS_DEG = 24, (0.0, 30.0)
SIDE = 224
#: Sides whose cosines differ by less than this from best to worst fit the words alike; those that
#: differ by less than the other do so for the rounding of pixels.
ALIKE, EQUAL = 0.01, 0.002
#: How the two sides are called; the prompt goes in place of {}.
FRONT, BACK = "front view of {}", "back view of {}"


@dataclass(frozen=True)
class Aim:
    """Where a run's cameras look, and a line for the user on each thing that was found out."""

    front_deg: float = 0.0
    anchors: tuple[Anchor | None, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What an aim is found by: the samples' prompts, and who looks."""

    prompts: tuple[str, ...]  # one a sample, in the grammar of `guidance.prompts`
    encoders: tuple[Encoder, ...]
    templates: tuple[str, ...] | None = None


def parse_front(value: float | str) -> float | None:
    """Degrees, or None for "auto". Raises InputError for anything else."""
    return None if value == "auto" else _degrees(value, "front", '"auto"')


def parse_anchor(value: float | str) -> float | str | None:
    """Degrees, None for "none", or "auto". Raises InputError for anything else."""
    if value in ("auto", "none"):
        return "auto" if value == "auto" else None
    return _degrees(value, "anchor", '"auto", "none"')


def _degrees(value: float | str, name: str, words: str) -> float:
    try:
        angle = float(value)
    except ValueError:
        angle = math.nan
    if not -360 <= angle <= 360:
        raise InputError(
            f"{name}: expected {words} or degrees from -360 to 360 (0 is +z, 90 is +x), got {value}"
        )
    return angle


def aim_of(task: Task, mesh: Mesh, front: float | str, anchor: float | str) -> Aim:
    """The aim of a task of meshes; its encoders are loaded only if they are asked.

    Raises:
        InputError: a front or an anchor that is neither a word nor degrees.
    """
    from guidance.encoders import load_encoder

    encoders: tuple[Encoder, ...] = ()
    if "auto" in (front, anchor):
        device = task.torch_device()
        encoders = tuple(load_encoder(name, device) for name in task.encoder)
    asked = Asked(task.styled_prompts, encoders, read_templates(task.templates))
    return find_aim(mesh, front, anchor, asked)


def find_aim(mesh: Mesh, front: float | str, anchor: float | str, asked: Asked) -> Aim:
    """View at the mesh as far as that is needed to know its front and its anchors.

    Args:
        front, anchor: as `parse_front` and `parse_anchor` take them. Azimuths of anchors are
            counted from the front.
    """
    front_deg, place = parse_front(front), parse_anchor(anchor)
    notes: list[str] = []
    if front_deg is None:
        found = find_front(mesh, asked)
        front_deg = 0.0 if found is None else found
        notes.append(
            "front: no side fits front words better than the others, so it is taken to be +z"
            if found is None
            else f"front: found at {found:g} degrees (0 is +z, 90 is +x)"
        )
    if place is None:
        return Aim(front_deg, (), tuple(notes))
    if not isinstance(place, str):
        return Aim(front_deg, (Anchor(place),) * len(asked.prompts), tuple(notes))
    anchors = find_anchors(mesh, front_deg, asked)
    for prompt, one in dict(zip(asked.prompts, anchors, strict=True)).items():
        where = "no view stands out, so cameras go all around"
        if one is not None:
            where = f"azimuth {one.azimuth_deg:g}, elevation {one.elevation_deg:g} degrees"
        notes.append(f"anchor of {prompt!r}: {where}")
    return Aim(front_deg, anchors, tuple(notes))


@torch.no_grad()
def find_front(mesh: Mesh, asked: Asked) -> float | None:
    """The azimuth from which the mesh fits "front view of ..." best against "back view of ...".

    The difference of both cosines, the mean over prompts and encoders, has its first harmonic
    around the mesh there: a smooth fit to all views, which no single one decides. None where that
    is smaller than what of the difference it does not explain, or than `ALIKE`.
    """
    scores: Float[Tensor, "k"] = torch.zeros(RING)
    azimuths = 360.0 * torch.arange(RING) / RING
    for encoder in asked.encoders:
        seen = _seen(mesh, encoder, 0.0, colored=True).view(len(ELEVATIONS_DEG), RING, -1).mean(0)
        for prompt in dict.fromkeys(asked.prompts):
            phrase = next((one for one in parse_prompt(prompt) if one.image is None), None)
            if phrase is None:
                continue
            front, back = (
                _embedded(encoder, replace(phrase, text=words.format(phrase.text)), asked)
                for words in (FRONT, BACK)
            )
            scores += (seen @ (front - back)).cpu()
    scores = (scores - scores.mean()) / (len(asked.encoders) * len(set(asked.prompts)))
    wave = torch.stack([azimuths.deg2rad().cos(), azimuths.deg2rad().sin()])
    cosine, sine = (2 / RING * wave @ scores).tolist()
    rest = scores - torch.tensor([cosine, sine]) @ wave
    strength = math.hypot(cosine, sine)
    if 2 * strength < ALIKE or strength / 2**0.5 < float(rest.square().mean().sqrt()):
        return None
    # In steps of the ring, so that another rounding finds the same.
    step = 360 / RING
    return round(math.degrees(math.atan2(sine, cosine)) / step) * step % 360


@torch.no_grad()
def find_anchors(mesh: Mesh, front_deg: float, asked: Asked) -> tuple[Anchor | None, ...]:
    """For each sample, the view of the mesh in plain grey that fits its words best.

    Of views that fit equally well, as those of a cube do, the one nearest to the front. None where
    it makes no difference from which side the mesh is seen, as with a ball or a bottle.
    """
    scores = torch.zeros(len(asked.prompts), len(ELEVATIONS_DEG), RING)
    for encoder in asked.encoders:
        seen = _seen(mesh, encoder, front_deg, colored=False)
        for sample, prompt in enumerate(asked.prompts):
            for phrase in parse_prompt(prompt):
                fit = seen @ _embedded(encoder, phrase, asked)
                share = phrase.weight(0.0) / len(asked.encoders)
                scores[sample] += share * fit.cpu().view(len(ELEVATIONS_DEG), RING)
    return tuple(_best(table) for table in scores)


def _best(scores: Float[Tensor, "e k"]) -> Anchor | None:
    sides = scores.mean(0)
    if float(sides.max() - sides.min()) < ALIKE:
        return None
    level, place = divmod(int(scores.argmax()), RING)
    equal = (scores[level] > scores[level, place] - EQUAL).nonzero()[:, 0]
    azimuths = (360.0 / RING * equal + 180) % 360 - 180
    return Anchor(float(azimuths[azimuths.abs().argmin()]), ELEVATIONS_DEG[level])


def _seen(mesh: Mesh, encoder: Encoder, front_deg: float, *, colored: bool) -> Float[Tensor, "k d"]:
    """Unit vectors of views all around, circle after circle, in the mesh's colours or in grey."""
    device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
    places = Normalization.of(mesh.vertices).apply(mesh.vertices.double()).float().to(device)
    scene = MeshScene(places[None], mesh.faces.long().to(device), places)
    colors = mesh.colors[None].float().to(device) if colored and mesh.colors is not None else None
    orbit = Orbit(size=(SIDE, SIDE), device=device, front_deg=front_deg)
    vectors = []
    for elevation in ELEVATIONS_DEG:
        pictures = render_mesh(scene, orbit.ring(1, RING, elevation), colors).over().clamp(0, 1)
        vectors.append(F.normalize(encoder.encode_image(pictures[0]).float(), dim=-1))
    return torch.cat(vectors)


def _embedded(encoder: Encoder, phrase: Phrase, asked: Asked) -> Float[Tensor, "d"]:
    return embed_phrase(encoder, phrase, ("",), asked.templates)[0].to(
        next((p.device for p in encoder.parameters()), torch.device("cpu"))
    )
