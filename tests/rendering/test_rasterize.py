"""The CPU backend against the reference backend, and both against known values."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch
from torch import Tensor

from guidance.rendering.rasterizer.backend import Fragments
from guidance.rendering.rasterizer.contract import (
    antialias,
    interpolate,
    lambert,
    rasterize,
    vertex_normals,
)
from guidance.rendering.rasterizer.kernels import threads
from guidance.rendering.rasterizer.kernels.prepare import add_up, bands
from guidance.rendering.shading import to_clip
from guidance.types import StepContext

from .scenes import (
    BACKENDS,
    SUBDIVISIONS,
    colors_of,
    cosine,
    egg,
    flat,
    in_pixels,
    orbit,
    random_triangles,
    sheet,
    sphere,
)

SQUARE = torch.tensor([[0, 1, 2], [0, 2, 3]])
#: Triangles, some of them seen by no pixel; images higher than wide and wider than high.
SOUPS = [(kind, seed) for kind in ("any", "behind", "thin") for seed in (0, 1)]
SIZES = ((33, 17), (48, 64))


def weights(like: Tensor) -> Tensor:
    return torch.rand(like.shape, generator=torch.Generator().manual_seed(9))


def agree(fast: Tensor, slow: Tensor, tolerance: float = 1e-4) -> None:
    """Gradients point the same way and are as long."""
    assert slow.norm() > 0
    assert cosine(fast, slow) > 1 - tolerance
    assert float(fast.norm() / slow.norm()) == pytest.approx(1, abs=tolerance)


def steps(clip: Tensor, faces: Tensor, size: tuple[int, int], backend: Any) -> dict[str, Tensor]:
    """Every operation on a soup, and the gradients of a weighted sum of what they give."""
    clip = clip.clone().requires_grad_()
    draw = torch.Generator().manual_seed(3)
    values = torch.rand(len(clip), clip.shape[1], 5, generator=draw).requires_grad_()
    fragments = rasterize(clip, faces, *size, backend)
    shown = interpolate(fragments, values)
    blended = antialias(shown, fragments)
    (blended * weights(blended)).sum().backward(retain_graph=True)
    assert clip.grad is not None and values.grad is not None
    found = {"clip.grad": clip.grad.clone(), "values.grad": values.grad}
    clip.grad = None
    barycentrics = fragments.barycentrics
    (barycentrics * weights(barycentrics)).sum().backward()
    found |= {"triangles": fragments.triangles, "depth": fragments.depth}
    found |= {"barycentrics": barycentrics.detach(), "inner clip.grad": clip.grad}
    return found | {"shown": shown.detach(), "blended": blended.detach()}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kind", "seed"), SOUPS)
def test_backends_agree_on_loose_triangles(kind: str, seed: int, size: tuple[int, int]) -> None:
    clip, faces = random_triangles(kind, seed)
    fast, slow = (steps(clip, faces, size, backend) for backend in BACKENDS)
    assert torch.equal(fast["triangles"], slow["triangles"])
    assert (fast["triangles"] >= 0).float().mean() > 0.02
    for name in ("depth", "barycentrics", "shown", "blended"):
        torch.testing.assert_close(fast[name], slow[name], atol=5e-4, rtol=0)
    for name in ("clip.grad", "inner clip.grad", "values.grad"):
        agree(fast[name], slow[name], 1e-3)


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("subdivisions", SUBDIVISIONS)
def test_backends_agree_on_lit_spheres(subdivisions: int, two_sided: bool) -> None:
    """Two samples with three views each, off the middle; one mesh is turned inside out."""
    scene, cameras = egg(subdivisions), orbit()(StepContext((4, 5)))
    faces = scene.faces.flip(1) if two_sided else scene.faces
    found = {}
    for backend in BACKENDS:
        vertices = scene.vertices.clone().requires_grad_()
        colors = colors_of(scene).requires_grad_()
        fragments = rasterize(to_clip(vertices, cameras), faces, 48, 64, backend)
        normals = vertex_normals(vertices, faces, backend)
        lights = cameras.light.flatten(0, 1)
        lit = lambert(fragments, normals, colors, lights, ambient=0.3, two_sided=two_sided)
        (antialias(lit, fragments) * weights(lit)).sum().backward()
        values = (fragments.triangles, normals.detach(), lit.detach())
        found[backend] = (*values, vertices.grad, colors.grad)
    for fast, slow in zip(found["cpu"][:3], found["torch"][:3], strict=True):
        torch.testing.assert_close(fast, slow, atol=2e-4, rtol=0)
    for fast, slow in zip(found["cpu"][3:], found["torch"][3:], strict=True):
        assert fast is not None and slow is not None
        agree(fast, slow)


def cast_rays(clip: Tensor, faces: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """The nearest face that each pixel's ray meets, its depth and weights, in double precision.

    The ray of a pixel is all (x w, y w, w) with w > 0; it meets a triangle at the sum of its
    corners (x_i, y_i, w_i) with weights that are proportional to the barycentrics.
    """
    height, width = size
    corners = clip.double()[faces]  # [f, 3, 4]
    x = (torch.arange(width) + 0.5) * 2 / width - 1
    y = 1 - (torch.arange(height) + 0.5) * 2 / height
    ray = torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], -1).double()
    ray = torch.nn.functional.pad(ray, (0, 1), value=1.0)
    matrices = corners[..., [0, 1, 3]].mT  # [f, 3, 3]
    proper = torch.linalg.det(matrices).abs() > 1e-12
    inverse = torch.linalg.inv(torch.where(proper[:, None, None], matrices, torch.eye(3).double()))
    shares = torch.einsum("fij,hwj->hwfi", inverse, ray)
    depth = (shares * corners[:, :, 2]).sum(-1)  # w is 1 on this ray
    met = (shares >= 0).all(-1) & proper & (depth >= -1) & (depth < 1)
    nearest, face = torch.where(met, depth, 1.0).min(-1)
    chosen = shares.gather(2, face[..., None, None].expand(-1, -1, 1, 3))[:, :, 0]
    some = met.any(-1)
    chosen = torch.where(some[..., None], chosen / chosen.sum(-1, keepdim=True), 0)
    return torch.where(some, face, -1), nearest, chosen


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("kind", "seed"), SOUPS)
def test_pixels_see_what_their_rays_meet(kind: str, seed: int, backend: Any) -> None:
    clip, faces = random_triangles(kind, seed, num_pictures=2)
    fragments = rasterize(clip, faces, 24, 40, backend)
    for picture in range(2):
        triangles, depth, shares = cast_rays(clip[picture], faces, (24, 40))
        same = fragments.triangles[picture] == triangles
        assert same.float().mean() > 0.998  # rays may hit an edge
        torch.testing.assert_close(
            fragments.depth[picture][same], depth[same].float(), atol=5e-4, rtol=0
        )
        torch.testing.assert_close(
            fragments.barycentrics[picture][same], shares[same].float(), atol=5e-4, rtol=0
        )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_picture_begins_at_its_upper_left_corner(backend: Any) -> None:
    vertices = in_pixels([(0, 0), (0, 2), (3, 2), (3, 0)], 4, 6)
    fragments = rasterize(flat(vertices, 0.25), SQUARE, 4, 6, backend)
    covered = torch.zeros(4, 6, dtype=torch.bool)
    covered[:2, :3] = True
    assert torch.equal(fragments.triangles[0] >= 0, covered)
    assert torch.equal(fragments.depth[0], torch.where(covered, 0.25, 1.0))
    assert fragments.barycentrics[0].sum(-1).equal(covered.float())
    places = interpolate(fragments, vertices[None])[0, 1, 2]
    torch.testing.assert_close(places, torch.tensor([2.5 / 3 - 1, 1 - 1.5 / 2, 0.0]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_nearer_than_near_or_beyond_far_is_not_seen(backend: Any) -> None:
    vertices, faces = sheet(1)
    for depth, seen in ((-1.001, 0), (-0.999, 1), (0.999, 1), (1.0, 0), (1.001, 0)):
        fragments = rasterize(flat(vertices, depth), faces, 4, 4, backend)
        assert (fragments.triangles >= 0).float().mean() == seen, depth


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("listed", [[0, 1], [1, 0]])
def test_of_faces_at_one_depth_the_front_is_seen(listed: list[int], backend: Any) -> None:
    vertices = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 1]])[listed]
    fragments = rasterize(flat(vertices, 0.3), faces, 8, 8, backend)
    assert fragments.triangles.unique().tolist() == [-1, listed.index(0)]
    twice = rasterize(flat(vertices, 0.3), faces[[0, 0]], 8, 8, backend)
    assert twice.triangles.unique().tolist() == [-1, 0]


def test_the_front_of_a_doubled_sheet_hides_its_back_everywhere() -> None:
    """Both sides of a leaf, at one place and slanted: depths must not depend on the order."""
    vertices, faces = sheet(11, 0.9)
    w = 2 + 0.3 * vertices[:, 0] + 0.2 * vertices[:, 1]
    clip = torch.stack([vertices[:, 0] * w, vertices[:, 1] * w, 0.9 * w - 0.5, w], -1)
    both = torch.cat([faces.flip(1), faces])
    triangles = rasterize(clip[None], both, 64, 64, "cpu").triangles
    assert (triangles >= 0).float().mean() > 0.8
    assert not ((triangles >= 0) & (triangles < len(faces))).any()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [16, 23])
def test_neighbours_leave_no_gap(size: int, backend: Any) -> None:
    """Also where edges and vertices lie on the pixels' centers."""
    vertices, faces = sheet(16, 1 + 1 / 16)  # at 16 pixels, vertices are in the middle of pixels
    wild = vertices + 0.03 * torch.randn(vertices.shape, generator=torch.Generator().manual_seed(1))
    wild = torch.where(vertices.abs().amax(1, keepdim=True) > 1, vertices * 1.1, wild)
    for places in (vertices, wild * torch.tensor([1.0, 1.0, 0.0])):
        fragments = rasterize(flat(places), faces, size, size, backend)
        assert (fragments.triangles >= 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_scenes_with_nothing_to_see_are_empty(backend: Any) -> None:
    nothing = torch.zeros(0, 3, dtype=torch.long)
    corner = torch.tensor([[0, 1, 2]])
    for clip, faces in (
        (torch.rand(2, 3, 4), nothing),
        (torch.full((2, 3, 4), torch.nan), corner),  # after a diverging step
        (torch.full((2, 3, 4), torch.inf), corner),
        (torch.tensor([0.0, 0, 0, -1]).expand(2, 3, 4), corner),  # behind the camera
        (torch.tensor([0.0, 0, 0, 1]).expand(2, 3, 4), corner),  # a point
    ):
        fragments = rasterize(clip, faces, 8, 8, backend)
        assert (fragments.triangles == -1).all() and (fragments.depth == 1).all()
        picture = antialias(interpolate(fragments, torch.ones(2, 3, 1)), fragments)
        assert (picture == 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_attributes_are_shared_by_the_views_of_a_sample(backend: Any) -> None:
    vertices, faces = sheet(1)
    clip = flat(vertices).expand(4, -1, -1)
    sets = torch.tensor([1.0, 2.0])[:, None, None].expand(2, 4, 1).clone().requires_grad_()
    shown = interpolate(rasterize(clip, faces, 3, 5, backend), sets)
    assert shown[:, 0, 0, 0].tolist() == [1, 1, 2, 2]
    shown[2:].sum().backward()
    assert sets.grad is not None
    assert sets.grad.sum((1, 2)).tolist() == pytest.approx([0, 30])


@pytest.mark.parametrize("backend", BACKENDS)
def test_normals_are_weighted_by_area(backend: Any) -> None:
    vertices, faces = sphere(3)
    normals = vertex_normals(vertices[None], faces, backend)[0]
    assert (normals * vertices).sum(-1).min() > 0.999
    torch.testing.assert_close(normals.norm(dim=-1), torch.ones(len(vertices)))
    # A corner of two unequal triangles, upright to one another; and a vertex without a face.
    places = torch.tensor([[0.0, 0, 0], [2, 0, 0], [0, 3, 0], [0, 0, 1], [5, 5, 5]])
    places = places.requires_grad_()
    found = vertex_normals(places[None], torch.tensor([[0, 1, 2], [0, 2, 3]]), backend)[0]
    torch.testing.assert_close(found[0], torch.tensor([3.0, 0, 6]) / 45**0.5)
    assert found[4].tolist() == [0, 0, 0]
    found.sum().backward()
    assert places.grad is not None and places.grad.isfinite().all()
    assert places.grad[4].tolist() == [0, 0, 0] and places.grad[0].norm() > 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_light_falls_by_the_angle(backend: Any) -> None:
    vertices, faces = sheet(1)
    colors = torch.tensor([0.8, 0.4, 0.2]).expand(1, 4, 3)
    front = torch.tensor([0.0, 0, 1]).expand(1, 4, 3)
    towards = torch.tensor([[0.6, 0, 0.8]])
    lit, ambient = 0.25 + 0.75 * 0.8, 0.25
    for turned, two_sided, before, behind in (  # with the light before the sheet, and behind it
        (False, True, lit, ambient),
        (False, False, lit, ambient),
        (True, True, ambient, lit),  # its back is lit as if it were the front
        (True, False, ambient, ambient),
    ):
        listed = faces.flip(1) if turned else faces
        fragments = rasterize(flat(vertices), listed, 3, 3, backend)
        for side, bright in ((1, before), (-1, behind)):
            picture = lambert(
                fragments, front, colors, side * towards, ambient=0.25, two_sided=two_sided
            )
            expected = torch.tensor([0.8 * bright, 0.4 * bright, 0.2 * bright, 1])
            torch.testing.assert_close(picture[0, 1, 1], expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_normals_there_is_ambient_light_only(backend: Any) -> None:
    vertices, faces = sheet(1)
    fragments = rasterize(flat(vertices), faces, 3, 3, backend)
    normals = torch.zeros(1, 4, 3, requires_grad=True)
    ones = torch.ones(1, 4, 3)
    picture = lambert(fragments, normals, ones, torch.tensor([[0.0, 0, 1]]), ambient=0.25)
    torch.testing.assert_close(picture[..., :3], torch.full((1, 3, 3, 3), 0.25))
    picture.sum().backward()
    assert normals.grad is not None and (normals.grad == 0).all()


def cover(places: list[tuple[float, float]], backend: Any, size: int = 12) -> Tensor:
    """What the square of four places covers of each pixel."""
    vertices = in_pixels(places, size, size)
    fragments = rasterize(flat(vertices), SQUARE, size, size, backend)
    return antialias((fragments.triangles >= 0).float()[..., None], fragments)[0, :, :, 0]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("upright", [False, True])
def test_silhouettes_cover_parts_of_pixels(upright: bool, turned: bool, backend: Any) -> None:
    """From 3.2 to 7.9 and across the whole image, seen from both sides."""
    places = [(3.2, -1.0), (3.2, 13.0), (7.9, 13.0), (7.9, -1.0)]
    if not upright:
        places = [(y, x) for x, y in places]
    picture = cover(places[::-1] if turned else places, backend)
    line = torch.tensor([0, 0, 0, 0.8, 1, 1, 1, 0.9, 0, 0, 0, 0])
    expected = line.expand(12, 12) if upright else line[:, None].expand(12, 12)
    torch.testing.assert_close(picture, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_silhouettes_cover_as_much_as_there_is(backend: Any) -> None:
    """A slanted square far from the borders: its area is known."""
    picture = cover([(8.3, 3.1), (26.2, 9.7), (19.6, 27.6), (1.7, 21.0)], backend, 32)
    assert float(picture.sum()) == pytest.approx(17.9**2 + 6.6**2, rel=3e-3)
    assert 50 < ((picture > 0.01) & (picture < 0.99)).sum() < 100


@pytest.mark.parametrize("backend", BACKENDS)
def test_inner_and_hidden_edges_are_not_blended(backend: Any) -> None:
    vertices, faces = sheet(7)
    draw = torch.Generator().manual_seed(0)
    fragments = rasterize(flat(vertices), faces, 20, 20, backend)
    color = torch.rand(1, 20, 20, 3, generator=draw)
    assert torch.equal(antialias(color, fragments), color)
    small = vertices * 0.3  # a smaller sheet, before the larger one and then behind it
    both = torch.cat([faces, faces + len(vertices)])
    for depth, changes in ((-0.5, True), (0.5, False)):
        clip = torch.cat([flat(vertices), flat(small, depth)], 1)
        blended = antialias(color, rasterize(clip, both, 20, 20, backend))
        assert torch.equal(blended, color) != changes


@pytest.mark.parametrize("backend", BACKENDS)
def test_blends_keep_the_range_where_silhouettes_crowd(backend: Any) -> None:
    clip, faces = random_triangles("any", 2, count=300)
    fragments = rasterize(clip, faces, 20, 20, backend)
    color = (torch.rand(3, 20, 20, 1, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    blended = antialias(color, fragments)
    assert blended.min() >= 0 and blended.max() <= 1
    assert not torch.equal(blended, color)


def test_faces_may_change_in_place() -> None:
    """What is remembered of a list of faces is forgotten when it changes, and when it goes."""
    vertices, faces = sheet(1)
    clip = flat(vertices)
    assert (rasterize(clip, faces, 4, 4, "cpu").triangles >= 0).all()
    faces[:] = faces[:, :1]
    assert not (rasterize(clip, faces, 4, 4, "cpu").triangles >= 0).any()
    del faces
    gc.collect()
    assert (rasterize(clip, SQUARE.clone()[:, [0, 1, 2]], 4, 4, "cpu").triangles >= 0).any()


@pytest.mark.parametrize("kind", ["int32", "int16"])
def test_faces_of_other_whole_numbers(kind: str) -> None:
    clip, faces = random_triangles("any")
    for backend in BACKENDS:
        wide = rasterize(clip, faces, 16, 16, backend).triangles
        narrow = rasterize(clip, faces.to(getattr(torch, kind)), 16, 16, backend)
        assert torch.equal(narrow.triangles, wide)
        values = torch.rand(len(clip), clip.shape[1], 2)
        assert antialias(interpolate(narrow, values), narrow).isfinite().all()


def test_second_derivatives_are_refused() -> None:
    vertices, faces = sheet(1)
    values = torch.rand(1, 4, 1, requires_grad=True)
    shown = interpolate(rasterize(flat(vertices), faces, 4, 4, "cpu"), values)
    (slope,) = torch.autograd.grad(shown.square().sum(), values, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def all_of(fragments: Fragments, vertices: Tensor) -> Tensor:
    """One image that every loop had a part in."""
    normals = vertex_normals(vertices, fragments.faces)
    lamps = torch.tensor([[0.0, 0.6, 0.8]]).expand(len(fragments.triangles), -1)
    lit = lambert(fragments, normals, vertices.abs().clamp(max=1), lamps)
    return antialias(torch.cat([lit, interpolate(fragments, vertices)], -1), fragments)


@pytest.mark.parametrize("pool", [False, True])
def test_results_do_not_depend_on_threads(pool: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of rows on several threads, torch's own or a pool's, give the image of one."""
    scene, cameras = egg(3, 1), orbit(2)(StepContext((7,)))
    before, found = torch.get_num_threads(), []
    if pool:
        monkeypatch.setattr(threads, "_torch_threads", lambda: None)
    try:
        for count in (1, 5):
            torch.set_num_threads(count)
            vertices = scene.vertices.clone().requires_grad_()
            fragments = rasterize(to_clip(vertices, cameras), scene.faces, 48, 64, "cpu")
            picture = all_of(fragments, vertices) + fragments.barycentrics.mean(-1, keepdim=True)
            (picture * weights(picture)).sum().backward()
            assert vertices.grad is not None
            found.append((picture.detach(), vertices.grad))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-3, rtol=1e-4)


def test_work_is_cut_into_bands_unless_gradients_would_need_too_much_room() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert bands(2, 10) == [(0, (0, 5)), (0, (5, 10)), (1, (0, 5)), (1, (5, 10))]
        assert bands(3, 10) == [(0, (0, 10)), (1, (0, 10)), (2, (0, 10))]
        assert bands(1, 2) == [(0, (0, 1)), (0, (1, 2))]
        assert bands(1, 10, vertices=2_000_000) == [(0, (0, 10))]
    finally:
        torch.set_num_threads(before)
    pieces = torch.arange(4.0)[:, None].numpy()
    assert add_up(pieces, 2).tolist() == [[1], [5]]
    assert add_up(pieces, 4).tolist() == [[0], [1], [2], [3]]


@pytest.mark.parametrize("pool", [False, True])
def test_failures_on_any_thread_reach_the_caller(
    pool: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pool:
        monkeypatch.setattr(threads, "_torch_threads", lambda: None)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)

    def work(job: int) -> int:
        if job == 4:
            raise ArithmeticError(f"job {job}")
        return job

    assert list(threads.spread(work, 4)) == [0, 1, 2, 3]
    with pytest.raises(ArithmeticError, match="job 4"):
        threads.spread(work, 6)
