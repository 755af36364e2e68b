"""Clothes and shape of a body that is seen in several poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from guidance.body.body import Body
from guidance.body.capsule import capsule_body
from guidance.body.load import load_body
from guidance.generators.mesh.param.avatar_files import GLB, missing_for_vrm, write_avatar
from guidance.generators.mesh.param.avatar_options import AvatarOptions
from guidance.generators.mesh.param.base import MeshGenerator
from guidance.generators.mesh.param.body_parts import PARTS, free_vertices, part_of_faces
from guidance.generators.mesh.param.body_texels import BodyTexels, Palette, Surface
from guidance.generators.mesh.param.dressed_body import base_map, body_with_uv
from guidance.generators.mesh.param.outfit import Outfit, shaped, skinned
from guidance.generators.mesh.param.posed_cameras import PosedCameras
from guidance.generators.mesh.param.poses import Poses, distinct
from guidance.meshes import Material, Mesh, MeshScene
from guidance.motion.motion import Motion
from guidance.options import Options as ComponentOptions
from guidance.outputs import Rendering
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.rasterizer.backend import Fragments
from guidance.rendering.rasterizer.contract import antialias, lambert, rasterize, vertex_normals
from guidance.rendering.shading import to_clip
from guidance.rendering.texture import Mipmaps, UVPixels
from guidance.views import Cameras

#: Largest shape coefficient, in standard deviations of adults.
MAX_BETA = 2.0
#: Largest change of a shape coefficient: encoders see muscles in everything.
MAX_CHANGE = 0.7
#: Learning rates of shape coefficients, and of offsets in meters.
BETA_RATE, OFFSET_RATE = 0.004, 1e-4
#: Share of the light that comes from everywhere.
AMBIENT = 0.7


class Avatar(MeshGenerator):
    """A skinned body for each sample: its shape, its texture map, and offsets of its vertices.

    All three are optimized directly. The map is seen in the poses of the cameras
    (`PosedCameras`); offsets move the vertices in the T-pose, before the skinning.

    Args:
        body: with or without UV coordinates and a map, which are kept.
        seeds: one per sample.
        motions: one per sample, or none for a neutral pose.
        change: which of `PARTS` may change in color and offset, for each sample.
        betas: shape coefficients to start from, for each sample.
        outfits: what each sample wears at the start; by default the body as it is.

    Raises:
        InputError: a body whose UV coordinates cannot be used or made.
    """

    class Options(AvatarOptions, ComponentOptions):
        """Resolution of the map, and bounds of the shape."""

    def __init__(
        self,
        body: Body,
        seeds: Sequence[int],
        motions: Sequence[Motion | None] = (),
        options: Avatar.Options = Options(),  # noqa: B008  (frozen)
        *,
        change: Bool[Tensor, "n k"] | None = None,
        betas: Float[Tensor, "n c"] | None = None,
        outfits: Sequence[Outfit] = (),
    ) -> None:
        super().__init__()
        n = self.num_samples = len(seeds)
        self.options = options
        self.motions = tuple(motions) or (None,) * n
        self.body, self.notes = body_with_uv(body)
        self.poses = Poses.of(self.motions)
        problem = missing_for_vrm(self.body)
        self.writes_vrm = problem is None
        if problem is not None:
            self.notes = (*self.notes, f"no avatar.vrm: {problem}")
        change = torch.ones(n, len(PARTS), dtype=torch.bool) if change is None else change
        seen = min(options.texels, options.seen_texels)
        surface = Surface.of(self.body, seen, options.symmetric)
        base = base_map(self.body, options.texels)
        dressed = tuple(outfits) or (Outfit(),) * n
        palette = Palette.of(self.body, base, change.float(), dressed, options.texels)
        first = min(32, seen)
        self.texels = BodyTexels(seeds, base, surface, palette, size=seen, first=first)
        components = self.body.num_components
        given = torch.zeros(n, components) if betas is None else betas
        self.betas = nn.Parameter(given.clone()) if components else None
        points = len(self.body.template)
        self.offsets = nn.Parameter(torch.zeros(n, points, 3)) if options.reach else None
        self.moves = options.offsets_from == 0
        part = part_of_faces(self.body)
        self.register_derived(
            faces=self.body.faces,
            part=part,
            pairs=surface.pairs,
            free=free_vertices(self.body.faces, change[:, part], points)[..., None],
            clothes=shaped(self.body, dressed),
            weights=skinned(self.body, dressed),
            rotations=self.poses.rotations,
            root=self.poses.root,
            betas_at_start=given.clone(),
        )
        self._placed: Body = self.body

    def _apply(self, function: Any, recurse: bool = True) -> Avatar:
        moved: Avatar = super()._apply(function, recurse)  # type: ignore[no-untyped-call]
        self._placed = self.body.to(self.get_buffer("root"))
        return moved

    def advance(self, progress: float) -> None:
        """More texels, and then offsets, in the course of the run."""
        self.texels.advance(progress)
        self.moves = progress >= self.options.offsets_from

    @torch.no_grad()
    def project(self) -> None:
        """Bounds the shape coefficients, and the length of the offsets."""
        if self.betas is not None:
            first = self.get_buffer("betas_at_start")
            self.betas.clamp_(first - MAX_CHANGE, first + MAX_CHANGE).clamp_(-MAX_BETA, MAX_BETA)
        if self.offsets is not None:
            length = self.offsets.norm(dim=-1, keepdim=True).clamp_min(1e-12)
            self.offsets.mul_((self.options.reach / length).clamp_max(1))

    def param_groups(self) -> list[dict[str, Any]]:
        groups = [
            {"params": [self.texels.colors], "lr": self.options.part_rate},
            {"params": list(self.texels.levels), "lr": self.options.texel_rate},
        ]
        if self.betas is not None:
            groups.append({"params": [self.betas], "lr": BETA_RATE})
        if self.offsets is not None:
            groups.append({"params": [self.offsets], "lr": OFFSET_RATE})
        return groups

    def moved(self) -> Float[Tensor, "n p 3"] | None:
        """The offsets of the vertices; 0 in parts that may not change; None before they begin."""
        if self.offsets is None or not self.moves:
            return None
        return self.offsets * self.get_buffer("free")

    def _offsets(self) -> Float[Tensor, "n p 3"]:
        """The shapes of the clothes at the start, and how they changed."""
        moved, clothes = self.moved(), self.get_buffer("clothes")
        return clothes if moved is None else clothes + moved

    def posed(self, cameras: Cameras) -> Float[Tensor, "n v p 3"]:
        """The vertices in the pose of each camera."""
        n, v = cameras.light.shape[:2]
        pose = cameras.pose if isinstance(cameras, PosedCameras) else None
        if pose is None:
            pose = torch.zeros(n, v, dtype=torch.long, device=cameras.light.device)
        rows = torch.arange(n, device=pose.device)[:, None]
        own, place = distinct(pose)
        rotations, root = (self.get_buffer(name)[rows, own] for name in ("rotations", "root"))
        betas, body = self.betas, self._placed
        found = body.posed(
            rotations, body.placed(root, betas), betas, self._offsets(), self._buffers["weights"]
        )
        return found[rows, place]

    def render(self, cameras: Cameras) -> Rendering:
        n, v = cameras.light.shape[:2]
        vertices = self.posed(cameras).flatten(0, 1)
        one = cameras.mapped(lambda values: values.flatten(0, 1)[:, None])
        faces = self.get_buffer("faces")
        clip = to_clip(vertices, one)
        fragments = rasterize(clip, faces, cameras.height, cameras.width)
        normals = vertex_normals(vertices, faces)
        lights = cameras.light.flatten(0, 1)
        white = torch.ones_like(vertices)
        shaded = lambert(fragments, normals, white, lights, ambient=AMBIENT)
        texels = self.texels()
        painted = self._painted(shaded, fragments, cameras, texels)
        images = antialias(painted, fragments).movedim(-1, 1)
        image, alpha = torch.split(images.view(n, v, *images.shape[1:]), [3, 1], dim=2)
        return Rendering(image, alpha, self._scene(texels), cameras)

    def _painted(
        self,
        shaded: Float[Tensor, "b h w 4"],
        fragments: Fragments,
        cameras: Cameras,
        texels: Float[Tensor, "n 3 s s"],
    ) -> Float[Tensor, "b h w 4"]:
        """The shaded pixels times the colors of the map; hidden parts are transparent."""
        body = self._placed
        assert body.uv is not None and body.face_uv is not None
        pixels = UVPixels.of(fragments, body.uv, body.face_uv)
        views = cameras.light.shape[1]
        colors = Mipmaps.of(texels).sample(pixels, pixels.image // views)
        factor = torch.nn.functional.pad(colors, (0, 1), value=1.0)
        shown = cameras.shown if isinstance(cameras, PosedCameras) else None
        if shown is not None:
            part = self.get_buffer("part")[pixels.triangle]
            visible = (shown.flatten()[pixels.image] >> part) & 1
            factor = factor * visible[:, None]
        place = (pixels.image, pixels.row, pixels.column)
        return shaded * factor.new_zeros(shaded.shape).index_put(place, factor)

    def _scene(self, texels: Float[Tensor, "n 3 s s"]) -> MeshScene:
        """The offsets and texels, for regularizers; poses and coefficients of shape change nothing.

        Offsets are in units of the body's height.
        """
        body = self._placed
        moved = self.moved()
        rest = body.template
        vertices = rest.expand(self.num_samples, -1, -1) if moved is None else rest + moved
        pairs = self.get_buffer("pairs")
        return MeshScene(
            vertices,
            self.get_buffer("faces"),
            rest,
            texels=self.texels.coarse_colors(texels),
            texel_pairs=pairs,
        )

    @property
    def map_size(self) -> int:
        """Texels per side of the exported map: those of the base map, if they are more."""
        base = self.texels.get_buffer("base")
        return max(self.options.texels, min(4096, int(base.shape[-1])))

    @torch.no_grad()
    def texture(self, sample: int) -> Float[Tensor, "3 h w"]:
        """The map of one sample as it is exported, on the CPU."""
        maps: Tensor = self.texels(self.map_size)
        return maps[sample].cpu()

    @torch.no_grad()
    def mesh(self, sample: int) -> Mesh:
        """The mesh of one sample in the T-pose."""
        body, (betas, offsets) = self.body, self._shape(sample)
        color = self.texture(sample)
        flat = torch.ones_like(color[:1])
        normal = torch.nn.functional.pad(color[:1] * 0 + 1, (0, 0, 0, 0, 2, 0))
        material = Material(color, 0.9 * flat, 0 * flat, normal)
        vertices = body.shaped(betas)[0][0] + offsets
        return Mesh(vertices, body.faces, None, body.uv, body.face_uv, material)

    def _shape(self, sample: int) -> tuple[Float[Tensor, "1 k"] | None, Float[Tensor, "p 3"]]:
        betas = None if self.betas is None else self.betas[sample : sample + 1].detach().cpu()
        return betas, self._offsets()[sample].detach().cpu()

    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes avatar.glb with its motion, avatar.vrm and texture.png."""
        motion, shape = self.motions[sample], self._shape(sample)
        texture, body = self.texture(sample), self.body
        weights = self._buffers["weights"]
        if weights is not None:
            body = replace(body, weights=weights[sample].cpu())
        return write_avatar(folder, body, motion, texture, shape, vrm=self.writes_vrm)

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Avatar:
        options = cls.Options(texels=32, reach=0.0005, offsets_from=0)
        return cls(tiny_body(), range(num_samples), (), options)

    @staticmethod
    def tiny_views(num_samples: int) -> Cameras:
        orbit = Orbit(num_views=2, size=(24, 24)).fixed(num_samples)
        view = orbit.view.clone()
        view[..., 3] -= view[..., :3] @ view.new_tensor([0.0, 0.9, 0.0])
        return replace(orbit, view=view)

    @classmethod
    def tiny_reload(cls, folder: Path) -> Float[Tensor, "v 3 h w"]:
        loaded = load_body(folder / GLB)
        options = cls.Options(texels=32)
        again = cls(loaded, range(1), (), options)
        return again.forward(cls.tiny_views(1)).over()[0]


def tiny_body() -> Body:
    """A coarse body of capsules with two shape coefficients: height and width."""
    body = capsule_body(6)
    scales = torch.tensor([[0.0, 0.01, 0.0], [0.01, 0.0, 0.01]])
    return replace(
        body,
        shape_basis=scales[:, None] * body.template,
        joint_basis=scales[:, None] * body.rest,
    )
