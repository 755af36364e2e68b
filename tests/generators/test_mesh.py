"""The mesh generator's own promises; the contract tests check the rest."""

from __future__ import annotations

import pytest
import torch

from guidance.errors import InputError
from guidance.generators.mesh import MeshGenerator, Surface
from guidance.geometry.primitives import primitive
from guidance.loop import optimize
from guidance.losses.mesh import Laplacian
from guidance.rendering.cameras import Orbit
from tests.stand_ins import Target


def test_cameras_are_needed() -> None:
    with pytest.raises(InputError, match=r"needs cameras; give views=Orbit\(...\)"):
        MeshGenerator.tiny()()


def test_a_displacement_of_a_whole_radius_is_refused() -> None:
    with pytest.raises(InputError, match=r"Surface.max_displacement: expected radii in \[0, 1\)"):
        Surface(max_displacement=1.0)


def test_a_mesh_that_keeps_its_shape_may_be_regularized() -> None:
    surface = Surface(paint="vertices", max_displacement=0.0, edge_length=1.0)
    generator = MeshGenerator(primitive("cube"), (0,), surface)
    before = generator.mesh(0)
    orbit = Orbit(num_views=1, size=(16, 16))
    optimize(generator, Target([0.3]) + Laplacian(), steps=2, views=orbit)
    after = generator.mesh(0)
    assert torch.equal(before.vertices, after.vertices)
    assert not torch.equal(before.colors, after.colors)
