"""The choice of a backend, its requirements, and invalid input."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import MeshScene
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.rasterizer import nvdiffrast, reference
from guidance.rendering.rasterizer.contract import (
    antialias,
    interpolate,
    lambert,
    rasterize,
    vertex_normals,
)
from guidance.rendering.rasterizer.selection import choose_backend
from guidance.rendering.shading import Shading, render_mesh
from guidance.types import StepContext

from .scenes import BACKENDS, egg, flat, orbit, random_triangles, sheet

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda"), torch.device("mps")
VERTICES, FACES = sheet(1)
CLIP = flat(VERTICES).expand(2, -1, -1)


def installed(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(nvdiffrast, "is_installed", lambda: there)


def test_auto_depends_on_device_and_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, on_cuda in ((True, "nvdiffrast"), (False, "torch")):
        installed(monkeypatch, there)
        assert choose_backend("auto", CPU) == "cpu"
        assert choose_backend("auto", CUDA) == on_cuda
        assert choose_backend("auto", MPS) == "torch"


def test_a_named_backend_is_taken_or_refused() -> None:
    for name, device in (("cpu", CPU), ("torch", CPU), ("torch", CUDA), ("nvdiffrast", CUDA)):
        assert choose_backend(name, device) == name  # type: ignore[arg-type]
    with pytest.raises(InputError, match="'cpu' runs on cpu, but the vertices are on cuda; move"):
        choose_backend("cpu", CUDA)
    with pytest.raises(InputError, match="'nvdiffrast' runs on cuda, but the vertices are on cpu"):
        rasterize(CLIP, FACES, 4, 4, "nvdiffrast")


def test_unknown_backends_are_told_the_known_ones() -> None:
    # Annotations are checked while tests run; a user's typing error gets past them.
    plain: Any = getattr(choose_backend, "__wrapped__", choose_backend)
    with pytest.raises(
        InputError, match="unknown backend 'opengl'; use auto, cpu, torch, nvdiffrast"
    ):
        plain("opengl", CPU)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_backend_that_was_chosen_draws(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rasterize(CLIP, FACES, 4, 4, backend).backend.name == backend
    assert rasterize(CLIP, FACES, 4, 4).backend.name == "cpu"
    used: list[str] = []

    def counted(name: str, function: Any) -> Any:
        def call(*given: Any) -> Any:
            used.append(name)
            return function(*given)

        return call

    whole = ["visible", "vertex_normals", "lambert", "antialias"]
    slow = {name: counted(name, getattr(reference.BACKEND, name)) for name in whole}
    monkeypatch.setattr(reference, "BACKEND", replace(reference.BACKEND, **slow))
    scene = egg(1, 1)
    render_mesh(scene, Orbit(num_views=1, size=(8, 8)).fixed(1), None, Shading(backend=backend))
    assert used == (whole if backend == "torch" else [])


def test_missing_nvdiffrast_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, False)
    nvdiffrast._context.cache_clear()
    with pytest.raises(InputError) as caught:
        nvdiffrast.visible(CLIP, FACES, 4, 4)
    told = str(caught.value)
    assert "\n" not in told
    assert "pip install git+https://github.com/NVlabs/nvdiffrast.git" in told
    assert "non-commercial" in told and "backend='torch'" in told


def test_drawing_on_the_cpu_needs_no_nvdiffrast() -> None:
    """Neither nvdiffrast nor the reference is imported; importing the renderer needs no numba."""
    script = """
import sys
import torch
from guidance.rendering.rasterizer.contract import rasterize
assert not {"numba", "guidance.rendering.rasterizer.nvdiffrast"} & set(sys.modules)
sys.modules["nvdiffrast"] = None  # an import of it would fail
found = rasterize(torch.rand(1, 3, 4), torch.tensor([[0, 1, 2]]), 4, 4)
assert found.backend.name == "cpu" and "numba" in sys.modules
room = "guidance.rendering.rasterizer"
assert not {f"{room}.nvdiffrast", f"{room}.reference"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_without_numba_torch_draws_and_says_so_once() -> None:
    script = """
import sys
import warnings
import torch
sys.modules["numba"] = None  # an import of it fails
from guidance.meshes import MeshScene
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.rasterizer.contract import rasterize
from guidance.rendering.rasterizer.selection import choose_backend, load_backend
from guidance.rendering.shading import render_mesh
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    faces = torch.tensor([[0, 1, 2]])
    vertices = torch.tensor([[[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]]]).requires_grad_()
    assert rasterize(torch.rand(1, 3, 4), faces, 4, 4).backend.name == "torch"
    scene = MeshScene(vertices, faces, vertices[0].detach())
    image = render_mesh(scene, Orbit(num_views=1, size=(16, 16)).fixed(1))
    image.image.sum().backward()
    assert vertices.grad.abs().sum() > 0
(one,) = told
assert "numba cannot be imported" in str(one.message) and "pip install numba" in str(one.message)
assert not any(name.startswith("guidance.rendering.rasterizer.kernels") for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


class Toolkit:
    """Stands in for nvdiffrast: rows from the bottom up, faces counted from 1."""

    def rasterize(
        self, context: Any, clip: Tensor, faces: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, None]:
        assert context == "context" and faces.dtype == torch.int32
        triangles, depth, _ = reference.visible(clip, faces, *size)
        depth = torch.where(triangles >= 0, depth, 0.0)
        found = torch.stack([0 * depth, 0 * depth, depth, triangles + 1.0], -1)
        return found.flip(1), None


def test_nvdiffrast_is_asked_for_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    clip, faces = random_triangles("any")
    monkeypatch.setattr(nvdiffrast, "_context", lambda device: (Toolkit(), "context"))
    triangles, depth, _ = nvdiffrast.visible(clip, faces, 12, 20)
    expected = reference.visible(clip, faces, 12, 20)
    assert (triangles == expected[0]).float().mean() > 0.99  # of equals, others may win
    same = triangles == expected[0]
    torch.testing.assert_close(depth[same], expected[1][same], atol=1e-4, rtol=0)
    assert (depth[triangles < 0] == 1).all() and (triangles < 0).any()


@pytest.mark.parametrize("size", [(0, 4), (4, -1)])
def test_pictures_have_pixels(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=rf"at least one pixel, got {size[0]} x {size[1]}"):
        rasterize(CLIP, FACES, *size)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
def test_vertices_are_float32(kind: torch.dtype) -> None:
    with pytest.raises(InputError, match=f"rasterize: expected float32 vertices, got {kind}"):
        rasterize(CLIP.to(kind), FACES, 4, 4)


@pytest.mark.parametrize("wrong", [-1, 4])
def test_faces_name_vertices_that_there_are(wrong: int) -> None:
    """Compiled loops would write to memory that is not theirs."""
    faces = FACES.clone()
    faces[1, 2] = wrong
    low, high = min(0, wrong), max(3, wrong)
    told = rf"expected vertex indices from 0 to 3 in the faces, got {low} to {high}$"
    with pytest.raises(InputError, match="rasterize: " + told):
        rasterize(CLIP, faces, 4, 4)
    with pytest.raises(InputError, match="vertex_normals: " + told):
        vertex_normals(VERTICES[None], faces)
    faces[1, 2] = 3  # mended in place
    rasterize(CLIP, faces, 4, 4)


def test_everything_is_on_one_device() -> None:
    away = FACES.to("meta")
    told = "the faces are on meta, the vertices on cpu; move them to one device"
    with pytest.raises(InputError, match="rasterize: " + told):
        rasterize(CLIP, away, 4, 4)
    with pytest.raises(InputError, match="vertex_normals: " + told):
        vertex_normals(VERTICES[None], away)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sets_fit_pictures_and_vertices(backend: Any) -> None:
    fragments = rasterize(CLIP, FACES, 4, 4, backend)
    lights = torch.tensor([[0.0, 0, 1]]).expand(2, 3)
    for count in (0, 3):
        told = f"expected a number of sets that divides the 2 images, got {count}"
        with pytest.raises(InputError, match="interpolate: attributes: " + told):
            interpolate(fragments, torch.ones(count, 4, 2))
        sets = torch.ones(count, 4, 3)
        with pytest.raises(InputError, match="lambert: normals: " + told):
            lambert(fragments, sets, sets, lights)
    told = "expected one for each of 4 vertices, got 3"
    with pytest.raises(InputError, match="interpolate: attributes: " + told):
        interpolate(fragments, torch.ones(1, 3, 2))
    sets = torch.ones(1, 3, 3)
    with pytest.raises(InputError, match="lambert: normals: " + told):
        lambert(fragments, sets, sets, lights)
    plain: Any = getattr(lambert, "__wrapped__", lambert)
    with pytest.raises(InputError, match="lambert: colors: " + told):
        plain(fragments, torch.ones(1, 4, 3), sets, lights)


@pytest.mark.parametrize("backend", BACKENDS)
def test_antialias_takes_the_pictures_own_pixels(backend: Any) -> None:
    fragments = rasterize(CLIP, FACES, 4, 4, backend)
    with pytest.raises(InputError, match=r"a color for each pixel, \[2, 4, 4\], got \[2, 3, 4\]"):
        antialias(torch.ones(2, 3, 4, 3), fragments)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_draws_what_the_cpu_draws() -> None:
    scene, cameras = egg(3), orbit()(StepContext((1, 2)))
    away = {
        field.name: getattr(cameras, field.name).cuda()
        for field in fields(cameras)
        if isinstance(getattr(cameras, field.name), Tensor)
    }
    there = MeshScene(scene.vertices.cuda(), scene.faces.cuda(), scene.rest_vertices.cuda())
    picture = render_mesh(there, replace(cameras, **away)).image.cpu()
    expected = render_mesh(scene, cameras).image
    assert (picture - expected).abs().mean() < 1e-4
