"""The mesh generator's own promises; the contract tests check the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from guidance.errors import InputError
from guidance.evaluate.shape import measure
from guidance.generators.mesh.stylized import StylizedMesh
from guidance.geometry.deformation import Deformation
from guidance.geometry.io.files import load_mesh
from guidance.geometry.primitives import octahedron, primitive
from guidance.loop.optimize import optimize
from guidance.losses.laplacian import Laplacian
from guidance.meshes import Mesh
from guidance.rendering.cameras.orbit import Orbit
from tests.stand_ins import Target


def test_cameras_are_needed() -> None:
    with pytest.raises(InputError, match=r"needs cameras; give views=Orbit\(...\)"):
        StylizedMesh.tiny()()


def test_a_displacement_of_a_whole_radius_is_refused() -> None:
    with pytest.raises(ValueError, match="expected less than 1"):
        StylizedMesh.Options(max_displacement=1.0)


def test_a_mesh_that_keeps_its_shape_may_be_regularized() -> None:
    options = StylizedMesh.Options(paint="vertices", max_displacement=0.0, edge_length=1.0)
    generator = StylizedMesh(primitive("cube"), (0,), options)
    before = generator.mesh(0)
    orbit = Orbit(num_views=1, size=(16, 16))
    optimize(generator, Target([0.3]) + Laplacian(), steps=2, views=orbit)
    after = generator.mesh(0)
    assert torch.equal(before.vertices, after.vertices)
    assert not torch.equal(before.colors, after.colors)


def test_steps_in_bfloat16_follow_the_same_gradient_and_results_are_exact() -> None:
    """Also at the end of a run, where images and exports are without gradient."""
    random = torch.Generator().manual_seed(0)
    options = StylizedMesh.Options(edge_length=0.3)
    exact, rounded = (
        StylizedMesh(primitive("sphere"), (0, 1), options, precision=precision)
        for precision in ("fp32", "bf16")
    )
    for parameter, same in zip(exact.parameters(), rounded.parameters(), strict=True):
        with torch.no_grad():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=random))
            same.copy_(parameter)
    cameras = Orbit(num_views=2, size=(48, 48)).fixed(2)
    target = torch.rand(2, 2, 3, 48, 48, generator=random)
    for generator in (exact, rounded):
        (generator(cameras).image - target).square().sum().backward()
    for parameter, other in zip(exact.parameters(), rounded.parameters(), strict=True):
        assert parameter.grad is not None and other.grad is not None
        for one, two in zip(parameter.grad.flatten(1), other.grad.flatten(1), strict=True):
            assert torch.cosine_similarity(one, two, 0) >= 0.999
    assert not torch.equal(exact(cameras).image, rounded(cameras).image)
    with torch.no_grad():
        assert torch.equal(exact(cameras).image, rounded(cameras).image)
    assert torch.equal(exact.mesh(1).vertices, rounded.mesh(1).vertices)
    assert rounded(cameras).image.dtype == torch.float32


def test_exports_keep_the_rest_shape_beside_what_moved(tmp_path: Path) -> None:
    mesh = Mesh(100 * octahedron().vertices + 7, octahedron().faces)
    generator = StylizedMesh(
        mesh, (0,), StylizedMesh.Options(edge_length=0.4, max_displacement=0.3)
    )
    orbit = Orbit(num_views=1, size=(16, 16))
    optimize(generator, Target([0.3]) + Laplacian(), steps=2, views=orbit)
    files = generator.export(tmp_path, 0)
    assert [file.name for file in files] == ["mesh.glb", "mesh.obj", "deformation.npz"]
    kept = Deformation.load(tmp_path / "deformation.npz")
    made = load_mesh(tmp_path / "mesh.glb").mesh
    assert torch.allclose(kept.at(1.0).vertices.float(), made.vertices, rtol=0, atol=1e-4)
    assert torch.equal(kept.at(0.0).vertices[:6].float(), mesh.vertices)
    assert 0.01 < kept.displacements.norm(dim=-1).max() <= 0.3 * 100
    shape = measure(kept.at(1.0), kept.mesh)
    assert shape.area_distortion is not None and shape.area_distortion > 1e-4


def test_a_mesh_that_keeps_its_shape_leaves_no_deformation(tmp_path: Path) -> None:
    options = StylizedMesh.Options(max_displacement=0.0, edge_length=1.0)
    files = StylizedMesh(primitive("cube"), (0,), options).export(tmp_path, 0)
    assert [file.name for file in files] == ["mesh.glb", "mesh.obj"]
