"""The bases of generators: what a new one gets for implementing a few methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.generators.image.param.base import ImageGenerator
from guidance.generators.image.param.windows import whole
from guidance.generators.mesh.param.base import MeshGenerator
from guidance.geometry.primitives import octahedron
from guidance.loop.optimize import optimize
from guidance.meshes import Mesh, MeshScene
from guidance.outputs import Rendering
from guidance.rendering.shading import render_mesh
from guidance.views import Cameras, Frames
from tests.contracts.test_generators import generators
from tests.stand_ins import Target

MESHES = [kind for kind in generators() if issubclass(kind, MeshGenerator)]


class Ball(MeshGenerator):
    """One mesh of a radius for each sample."""

    num_samples = 2

    def __init__(self) -> None:
        super().__init__()
        self.radius = nn.Parameter(torch.tensor([0.5, 0.9]))
        given = octahedron()
        self.register_derived(rest=given.vertices, faces=given.faces.long())

    def render(self, cameras: Cameras) -> Rendering:
        rest = self.get_buffer("rest")
        scene = MeshScene(self.radius[:, None, None] * rest, self.get_buffer("faces"), rest)
        return render_mesh(scene, cameras)

    def mesh(self, sample: int) -> Mesh:
        rest, faces = self.get_buffer("rest"), self.get_buffer("faces")
        return Mesh(self.radius[sample].detach() * rest, faces)

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.radius], "lr": 0.05}]


class Plain(ImageGenerator):
    """One grey for each sample."""

    num_samples = 2

    def __init__(self) -> None:
        super().__init__()
        self.grey = nn.Parameter(torch.tensor([0.2, 0.6]))

    def images(self) -> Tensor:
        return self.grey.view(-1, 1, 1, 1).expand(-1, 3, 8, 8)

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.grey], "lr": 0.05}]


def test_a_mesh_generator_renders_and_exports(tmp_path: Path) -> None:
    ball, cameras = Ball(), MeshGenerator.tiny_views(2)
    small, large = ball(cameras).alpha.mean((1, 2, 3, 4))
    assert 0 < small < large
    ball.formats = ("glb", "ply")
    assert [file.name for file in ball.export(tmp_path, 1)] == ["mesh.glb", "mesh.ply"]
    assert not ball.notes and set(ball.state_dict()) == {"radius"}


@pytest.mark.parametrize("view", [None, whole(2, 8), Frames(torch.zeros(2, 1, dtype=torch.long))])
def test_a_mesh_generator_needs_cameras(view: object) -> None:
    with pytest.raises(InputError, match=r"Ball: needs cameras; give views=Orbit\(...\)"):
        Ball()(view)


@pytest.mark.parametrize("kind", MESHES, ids=lambda kind: kind.__name__)
def test_meshes_start_with_their_faces(kind: type[MeshGenerator]) -> None:
    generator = kind.tiny(1)
    scene = generator(kind.tiny_views(1)).scene
    faces = scene.faces if isinstance(scene, MeshScene) else scene.meshes[0].faces
    assert torch.equal(generator.faces_at_start(), faces)


def test_an_image_generator_renders_and_exports(tmp_path: Path) -> None:
    result = optimize(Plain(), Target([0.3, 0.7]), steps=40)
    assert torch.allclose(result.images.mean((1, 2, 3, 4)), torch.tensor([0.3, 0.7]), atol=0.02)
    assert [file.name for file in result.generator.export(tmp_path, 0)] == ["image.png"]


def test_an_image_generator_may_have_no_windows() -> None:
    with pytest.raises(InputError, match="Plain: computes its image as a whole"):
        Plain()(whole(2, 8))
    with pytest.raises(InputError, match="Plain: a flat image takes no cameras"):
        Plain()(MeshGenerator.tiny_views(2))
