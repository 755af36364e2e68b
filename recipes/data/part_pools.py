"""Images whose parts are known in each pixel: avatars, cows, bodies and scenes of solids.

The masks cost nothing: the elements of an avatar name their part (`avatar_parts.mjs`), and the
renderer knows the triangle of each pixel.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import binary_fill_holes

from guidance.body.load import load_body
from guidance.geometry.normalization import Normalization
from guidance.meshes import MeshScene
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.rasterizer.contract import rasterize
from guidance.rendering.shading import Shading, render_mesh, to_clip
from recipes.assets import cow
from recipes.data import colors, part_words
from recipes.data import portrait_factors as factors
from recipes.data.meshes import PRIMITIVES, UPRIGHT
from recipes.data.portraits import Portraits, draw

SIDE = 128
OPAQUE = 0.5
PAINT = re.compile(r'(fill|stroke)="(?!none|url)[^"]*"')
SCENE_PARTS = tuple(f"solid {index}" for index in range(4))


@dataclass
class PartPool:
    """`m` RGBA images, straight alpha, and the parts of each pixel as bits.

    `names[i]` are the parts of the bits, from the lowest; an empty name is no part.
    """

    pictures: np.ndarray  # uint8 [m, h, w, 4]
    bits: np.ndarray  # uint16 [m, h, w]
    names: list[tuple[str, ...]]

    def save(self, path: Path) -> None:
        """Writes one npz file, by renaming, so that a file that exists is whole."""
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, pictures=self.pictures, bits=self.bits, names=json.dumps(self.names))
        partial.rename(path)


def cached(path: Path, make: Callable[[], PartPool]) -> PartPool:
    """Reads a pool, making it first where it is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        make().save(path)
    stored = np.load(path)
    names = [tuple(each) for each in json.loads(str(stored["names"]))]
    return PartPool(stored["pictures"], stored["bits"], names)


def avatars(file: Path, start: int = 0, stop: int | None = None) -> PartPool:
    """Avatars of lines of the file that `avatar_parts.mjs` writes."""
    lines = file.read_text().splitlines()[start:stop]
    pictures = np.empty((len(lines), SIDE, SIDE, 4), np.uint8)
    bits = np.zeros((len(lines), SIDE, SIDE), np.uint16)
    for index, line in enumerate(lines):
        svg = json.loads(line)["svg"]
        pictures[index] = _eight_bits(draw(svg, SIDE))
        solid = pictures[index, ..., 3] > 127
        shown = [part for part in part_words.PERSON if part == "skin" or f'"{part}"' in svg]
        for first in range(0, len(shown), 3):
            for part, inside in zip(
                shown[first:], _parts_of(svg, shown[first : first + 3]), strict=False
            ):
                bits[index] |= (inside & solid).astype(np.uint16) << part_words.PERSON.index(part)
    return PartPool(pictures, bits, [part_words.PERSON] * len(lines))


def _parts_of(svg: str, parts: list[str]) -> list[np.ndarray]:
    """Where up to three parts are visible: the drawing with each in a channel, all else black.

    Glasses include their lenses.
    """
    paints = dict(zip(parts, ("#f00", "#0f0", "#00f"), strict=False))
    found, stack, hidden = [], ["skin"], 0
    for token in re.split(r"(<[^>]+>)", svg):
        if token.startswith(("<mask", "<clipPath", "<filter")):
            hidden += 1
        elif token.startswith(("</mask", "</clipPath", "</filter")):
            hidden -= 1
        elif token.startswith("<g"):
            named = re.search(r'data-part="(\w+)"', token)
            stack.append(named[1] if named else stack[-1])
        if token.startswith("<") and not hidden:
            color = paints.get(stack[-1], "#000")
            painted = PAINT.sub(rf'\1="{color}"', token)
            found.append(re.sub(r"mix-blend-mode:[a-z-]+", "", painted))
        else:
            found.append(token)
        if token.startswith("</g"):
            stack.pop()
    rgba = draw("".join(found), SIDE)
    inside = [(channel * rgba[3] > OPAQUE).numpy() for channel in rgba[: len(parts)]]
    pairs = zip(parts, inside, strict=True)
    return [binary_fill_holes(mask) if part == "glasses" else mask for part, mask in pairs]


def _eight_bits(rgba: torch.Tensor) -> np.ndarray:
    return (rgba.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


#: Vertices, faces, the part of each face, and the names of the parts.
Parted = tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]


@cache
def cow_parts() -> Parted:
    """The cow of `recipes/assets`; a face belongs to the solid that is closest."""
    vertices, faces = cow.mesh()
    # In the order of `cow.parts`.
    of = (
        "body", "body", "body", "head", "head", "head", "legs", "legs", "legs", "legs", "udder",
        "udder", "udder", "horns", "ears", "head", "tail", "tail",
    )  # fmt: skip
    centers = vertices[faces].mean(1)
    nearest = np.stack([solid(centers) for solid, _ in cow.parts()]).argmin(0)
    parts = np.array([part_words.COW.index(each) for each in of])[nearest]
    return np.asarray(vertices), np.asarray(faces), parts, part_words.COW


@cache
def body_parts() -> Parted:
    """The embedded body in the T-pose; a face belongs to the joint that moves it most."""
    body = load_body("cc0")
    of_joint = np.array([part_words.BODY.index(_body_part(name)) for name in body.names])
    faces = body.faces.long().numpy()
    parts = np.sort(of_joint[body.weights.argmax(1).numpy()][faces], 1)[:, 1]
    return body.template.double().numpy(), faces, parts, part_words.BODY


def cows(count: int, seed: int) -> PartPool:
    """Views of the cow of `recipes/assets`."""
    vertices, faces, parts, names = cow_parts()
    return _views(count, seed, names, lambda _: (vertices, faces, parts))


def bodies(count: int, seed: int) -> PartPool:
    """Views of the embedded body in random poses and shapes."""
    body = load_body("cc0")
    _, faces, parts, names = body_parts()

    def pose(random: np.random.Generator) -> tuple[np.ndarray, ...]:
        turns = torch.from_numpy(random.normal(0, 0.15, (22, 3))).float()
        turns[0] *= 0.3
        for joint, sign in ((16, -1), (17, 1)):  # shoulders: arms anywhere from raised to hanging
            turns[joint, 2] += sign * float(random.uniform(-0.4, 1.3))
        rotations = torch.linalg.matrix_exp(_skew(turns))
        betas = torch.from_numpy(random.normal(0, 0.7, (1, body.num_components))).float()
        placed = body.posed(rotations[None], body.rest[None, body.pelvis], betas)
        return placed[0].double().numpy(), faces, parts

    return _views(count, seed, names, pose)


def _skew(v: torch.Tensor) -> torch.Tensor:
    zero = torch.zeros_like(v[:, 0])
    x, y, z = v.unbind(1)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).view(-1, 3, 3)


def _body_part(joint: str) -> str:
    for part, marks in (
        ("head", ("head", "jaw", "eye", "neck")),
        ("hands", ("wrist", "hand", "index", "middle", "pinky", "ring", "thumb")),
        ("feet", ("ankle", "foot", "toe")),
        ("legs", ("hip", "knee")),
        ("arms", ("elbow", "shoulder")),
    ):
        if any(mark in joint for mark in marks):
            return part
    return "torso"


def scenes(count: int, seed: int) -> PartPool:
    """Views of two to four solids of different kinds side by side, each in a named color."""
    solids = {}
    for noun, build in PRIMITIVES.items():
        mesh = build()
        places = mesh.vertices[:, [1, 2, 0]] if noun in UPRIGHT else mesh.vertices
        solids[noun] = (np.asarray(places), np.asarray(mesh.faces))
    titles: list[tuple[str, ...]] = []

    def compose(random: np.random.Generator) -> tuple[np.ndarray, ...]:
        nouns = random.choice(list(solids), int(random.integers(2, 5)), replace=False)
        hues = random.choice(colors.NAMES, len(nouns), replace=False)
        titles.append(tuple(f"{hue} {noun}" for hue, noun in zip(hues, nouns, strict=True)))
        vertices, faces, parts, paints, total = [], [], [], [], 0
        for index, noun in enumerate(nouns):
            places, triangles = solids[noun]
            angle = 2 * np.pi * index / len(nouns) + random.normal(0, 0.2)
            shift = 1.15 * np.array([np.cos(angle), random.normal(0, 0.15), np.sin(angle)])
            vertices.append(places * random.uniform(0.7, 1.1) + shift)
            faces.append(triangles + total)
            total += len(places)
            parts.append(np.full(len(triangles), index))
            paints.append(np.tile(colors.paint(str(hues[index]), random) / 255, (len(places), 1)))
        return (
            np.concatenate(vertices), np.concatenate(faces), np.concatenate(parts),
            np.concatenate(paints).clip(0, 1),
        )  # fmt: skip

    pool = _views(count, seed, SCENE_PARTS, compose)
    names = [titles[index] for index in range(count)]
    return PartPool(pool.pictures, pool.bits, names)


def _views(
    count: int,
    seed: int,
    names: tuple[str, ...],
    build: Callable[[np.random.Generator], tuple[np.ndarray, ...]],
) -> PartPool:
    """One view of each built mesh: vertices, faces, parts of faces, and colors, or any colors."""
    pictures = np.empty((count, SIDE, SIDE, 4), np.uint8)
    bits = np.zeros((count, SIDE, SIDE), np.uint16)
    for index in range(count):
        random = np.random.default_rng([seed, index])
        vertices, faces, parts, *own = build(random)
        places = torch.from_numpy(np.ascontiguousarray(vertices)).double()
        places = Normalization.of(places).apply(places).float()[None]
        triangles = torch.from_numpy(np.ascontiguousarray(faces)).long()
        paint = (
            torch.from_numpy(own[0]).float()
            if own
            else _painted(places[0], triangles, parts, random)
        )
        orbit = Orbit(size=(SIDE, SIDE), front_deg=float(random.uniform(0, 360)))
        cameras = orbit.ring(1, 1, float(random.uniform(-20, 45)))
        shading = Shading(ambient=float(random.uniform(0.4, 0.8)))
        scene = MeshScene(places, triangles, places[0])
        rendering = render_mesh(scene, cameras, paint[None], shading)
        assert rendering.alpha is not None
        alpha = rendering.alpha[0, 0]
        rgb = (rendering.image[0, 0] / alpha.clamp_min(1e-3)).clamp(0, 1)
        pictures[index] = _eight_bits(torch.cat([rgb, alpha]))
        found = (
            rasterize(to_clip(places, cameras), triangles, SIDE, SIDE).triangles[0].long().numpy()
        )
        own_bits = (1 << parts).astype(np.uint16)
        bits[index] = np.where(found >= 0, own_bits[found.clip(0)], 0)
    return PartPool(pictures, bits, [names] * count)


def _painted(
    places: torch.Tensor, faces: torch.Tensor, parts: np.ndarray, random: np.random.Generator
) -> torch.Tensor:
    """Colors of vertices: grey, one color, one for each part, or spots."""
    kind = random.random()
    if kind < 0.3:
        return torch.full_like(places, 0.7)
    hues = torch.from_numpy(random.uniform(0.05, 0.98, (parts.max() + 1, 3))).float()
    if kind < 0.5:
        return hues[:1].expand_as(places)
    if kind < 0.7:
        waves = torch.sin(places @ torch.from_numpy(random.normal(0, 5, (3, 3))).float()).sum(1)
        return torch.where(waves[:, None] > 0.6, hues[0], hues[1])
    found = torch.zeros_like(places)
    found[faces.flatten()] = hues[torch.from_numpy(parts)].repeat_interleave(3, 0)
    return found


def portraits(file: Path, count: int, seed: int) -> PartPool:
    """The portraits of the mini StyleGAN2, of the file that `portraits.mjs` writes."""
    drawn = factors.sample(count, np.random.default_rng(seed), 0.5)
    portraits = Portraits(file, SIDE)
    layers = {"head": "skin", "body": "clothes"}
    bits = np.zeros((count, SIDE, SIDE), np.uint16)
    seen = torch.zeros(count, SIDE, SIDE)
    for layer in portraits.layers:
        chosen = torch.zeros(count, dtype=torch.long)
        if layer.attribute is not None:
            chosen = torch.from_numpy(drawn[layer.attribute])
        inside = (layer.opacity[:, 0] > OPAQUE).numpy()
        part = layers.get(layer.name, layer.name)
        bit = 1 << part_words.PERSON.index(part)
        covered = inside[chosen]
        # Glasses include their lenses, which hide nothing.
        bits = np.where(covered, bits & 0 if part != "nose" else bits, bits)
        if part == "glasses":
            covered = np.stack([binary_fill_holes(each) for each in inside])[chosen]
        bits = np.where(covered, bits | bit, bits).astype(np.uint16)
        seen = torch.maximum(seen, layer.opacity[chosen, 0])
    images = portraits.images(drawn)
    rgba = torch.cat([images, seen[:, None]], 1)
    return PartPool(
        np.stack([_eight_bits(each) for each in rgba]), bits, [part_words.PERSON] * count
    )
