"""Cameras around a body in the poses of its motion: the whole body, its face, back and parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.body.body import Body
from guidance.body.joint_names import NAMES
from guidance.body.skeleton import canonical
from guidance.generators.mesh.param.body_parts import ALL, PARTS, bits, part_weights
from guidance.generators.mesh.param.posed_cameras import PosedCameras
from guidance.generators.mesh.param.poses import Poses
from guidance.rendering.cameras.orbit import Orbit
from guidance.types import StepContext
from guidance.views import WHOLE, Cameras

#: The face is seen from this far: radii of the head, so that the shoulders are visible.
BUST = 2.3
HEAD = NAMES.index("head")
#: Elevation of turntables in degrees, and frames over which their camera moves smoothly.
ELEVATION, SMOOTH = 8.0, 21


@dataclass(frozen=True)
class ViewGroup:
    """Cameras that look at the same part of the body."""

    subject: int  # `WHOLE`, or the index of a prompt
    views: int
    azimuth_deg: tuple[float, float]
    elevation_deg: tuple[float, float] = (-5.0, 25.0)
    bust: bool = False  # looks at the head and the shoulders
    #: The parts that are shown, for each sample; empty for the whole body.
    parts: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Frame:
    """The part of a scene that fills an image: center, radius and the direction of the front."""

    center: Float[Tensor, "*b 3"]
    radius: Float[Tensor, "*b"]
    yaw: Float[Tensor, "*b"]  # in radians around y; 0 looks along +z


@dataclass(frozen=True)
class BodyViews:
    """The cameras of a run: called with a context, as `Orbit` is.

    Each view of a step sees one of the anchor poses at random. The fixed views of validation see
    other poses of the motion, from angles between those of the steps.
    """

    body: Body  # of mean shape
    poses: Poses
    groups: tuple[ViewGroup, ...]
    resolution: int
    anchors: tuple[tuple[int, ...], ...]  # poses of the steps, for each sample
    unseen: tuple[tuple[int, ...], ...]  # poses of the validation
    device: str = "cpu"
    #: The shapes of the clothes at the start, as offsets of the vertices.
    clothes: Float[Tensor, "n p 3"] | None = None
    #: Frames by their group, sample and pose, which a run needs again in each step.
    _known: dict[tuple[int, int, int], Frame] = field(default_factory=dict, repr=False)

    def __call__(self, context: StepContext) -> PosedCameras:
        fixed = context.phase == "validation"
        n = len(context.seeds)
        pieces = []
        for number, group in enumerate(self.groups):
            orbit = self._orbit(group)
            if fixed:
                cameras = orbit.fixed(n)
                order = torch.arange(group.views).expand(n, -1)
            else:
                named = StepContext(
                    context.seeds, context.step, context.progress, f"{context.phase}/{number}"
                )
                cameras = orbit(named)
                draws = named.uniform("poses", group.views + 1)
                order = (draws[:, :1] * 1000).long() + torch.arange(group.views)
            chosen = self.unseen if fixed else self.anchors
            pose = torch.tensor(
                [
                    [own[i % len(own)] for i in row]
                    for own, row in zip(chosen, order.tolist(), strict=True)
                ]
            )
            pieces.append(self.aimed(cameras, group, pose, self._frames(number, pose)))
        return joined(pieces, self.device)

    def around(
        self,
        poses: Sequence[Sequence[int]],
        azimuth_deg: Sequence[float],
        size: int,
        *,
        steady: bool = False,
        betas: Float[Tensor, "n k"] | None = None,
    ) -> PosedCameras:
        """Cameras at these azimuths, which see these poses of each sample, of the whole body.

        Args:
            betas: the shape of each sample; by default the mean.
            steady: for consecutive frames; the camera follows the body without turning or zooming.
        """
        found = [
            Orbit(num_views=1, size=(size, size), front_deg=azimuth).ring(len(poses), 1, ELEVATION)
            for azimuth in azimuth_deg
        ]
        view, projection, light = (
            torch.cat([getattr(cameras, name) for cameras in found], 1)
            for name in ("view", "projection", "light")
        )
        azimuth = torch.tensor(list(azimuth_deg)).expand(len(poses), -1)
        elevation = torch.full_like(azimuth, ELEVATION)
        cameras = Cameras(view, projection, light, azimuth, elevation, size, size)
        group, pose = ViewGroup(WHOLE, len(found), (0.0, 0.0)), torch.tensor(poses)
        frame = self._frame(group, pose, betas)
        return joined(
            [self.aimed(cameras, group, pose, _steady(frame) if steady else frame)], self.device
        )

    def _orbit(self, group: ViewGroup) -> Orbit:
        side = (self.resolution, self.resolution)
        return Orbit(
            num_views=group.views,
            size=side,
            azimuth_deg=group.azimuth_deg,
            elevation_deg=group.elevation_deg,
            offset=0.06,
        )

    @staticmethod
    def aimed(
        cameras: Cameras, group: ViewGroup, pose: Int[Tensor, "n v"], frame: Frame
    ) -> PosedCameras:
        """Cameras around a ball of radius 1, moved to a body in its poses."""
        cosine, sine, zero = frame.yaw.cos(), frame.yaw.sin(), torch.zeros_like(frame.yaw)
        rows = [cosine, zero, -sine, zero, zero + 1, zero, sine, zero, cosine]
        turn = torch.stack(rows, -1).view(
            *zero.shape, 3, 3
        )  # from the world to the front of the body
        linear = turn / frame.radius[..., None, None]
        shift = -(linear @ frame.center[..., None])
        bottom = torch.tensor([0.0, 0, 0, 1]).expand(*shift.shape[:-2], 1, 4)
        into = torch.cat([torch.cat([linear, shift], -1), bottom], -2)
        shown = [bits(parts) for parts in group.parts] or [ALL] * len(pose)
        return PosedCameras(
            cameras.view @ into,
            cameras.projection,
            (turn.mT @ cameras.light[..., None])[..., 0],
            cameras.azimuth_deg,
            cameras.elevation_deg,
            cameras.height,
            cameras.width,
            subject=torch.full(pose.shape, group.subject),
            pose=pose,
            shown=torch.tensor(shown)[:, None].expand(pose.shape).contiguous(),
        )

    def _frames(self, number: int, pose: Int[Tensor, "n v"]) -> Frame:
        """The frames of a group of views, each computed once."""
        for sample, own in enumerate(pose.tolist()):
            if any((number, sample, each) not in self._known for each in own):
                frame = self._frame(self.groups[number], pose)
                for view, each in enumerate(own):
                    one = (frame.center[sample, view], frame.radius[sample, view])
                    self._known[number, sample, each] = Frame(*one, frame.yaw[sample, view])
        rows = [
            [self._known[number, sample, each] for each in own]
            for sample, own in enumerate(pose.tolist())
        ]
        return Frame(
            *(
                torch.stack([torch.stack([getattr(one, name) for one in row]) for row in rows])
                for name in ("center", "radius", "yaw")
            )
        )

    @torch.no_grad()
    def _frame(
        self, group: ViewGroup, pose: Tensor, betas: Float[Tensor, "n k"] | None = None
    ) -> Frame:
        rows = torch.arange(len(pose))[:, None]
        rotations, root = self.poses.rotations[rows, pose], self.poses.root[rows, pose]
        placed = self.body.placed(root, betas)
        vertices = self.body.posed(rotations, placed, betas, self.clothes)
        world = canonical().pose(rotations, root)[0]
        if group.bust:
            center, radius = _ball(vertices[..., self._vertices(("scalp", "face")), :])
            center = center - radius[..., None] * torch.tensor([0.0, 0.7, 0.0])
            return Frame(center, BUST * radius, _yaw(world[..., HEAD, :, :]))
        balls = []
        for sample, parts in enumerate(group.parts or ((),) * len(pose)):
            balls.append(_ball(vertices[sample][:, self._vertices(parts or PARTS)]))
        center, radius = (torch.stack(each) for each in zip(*balls, strict=True))
        return Frame(center, radius, _yaw(world[..., 0, :, :]))

    def _vertices(self, parts: Sequence[str]) -> Tensor:
        chosen = torch.tensor([PARTS.index(part) for part in parts])
        own = part_weights(self.body)[:, chosen].sum(1) > 0.5
        return own if bool(own.any()) else torch.ones_like(own)


def _steady(frame: Frame) -> Frame:
    """A frame for a video: smooth on the ground, at one height, of one size and direction."""
    center = frame.center.clone()
    width = min(SMOOTH, center.shape[1] // 2 * 2 - 1)
    if width > 1:
        padded = torch.nn.functional.pad(center.mT, (width // 2, width // 2), mode="replicate")
        center = torch.nn.functional.avg_pool1d(padded, width, 1).mT.contiguous()
    center[..., 1] = center[..., 1].mean(1, keepdim=True)
    reach = frame.radius + (frame.center - center).norm(dim=-1)
    radius = reach.amax(1, keepdim=True).expand_as(reach)
    return Frame(center, radius, frame.yaw[:, :1].expand_as(reach))


def _ball(points: Float[Tensor, "*b m 3"]) -> tuple[Float[Tensor, "*b 3"], Float[Tensor, "*b"]]:
    """A ball around points: the center of their bounding box, and the farthest distance."""
    center = (points.amin(-2) + points.amax(-2)) / 2
    return center, (points - center[..., None, :]).norm(dim=-1).amax(-1)


def _yaw(rotation: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b"]:
    """The direction of the front on the ground; of someone who lies, that of the body's top."""
    front, up = rotation[..., :, 2], rotation[..., :, 1]
    flat = front.clone()
    lies = front[..., 1:2].abs() > math.cos(math.radians(25))
    flat = torch.where(lies, -front[..., 1:2].sign() * up, flat)
    return torch.atan2(flat[..., 0], flat[..., 2])


def joined(pieces: Sequence[PosedCameras], device: str) -> PosedCameras:
    """The views of all groups, one after the other."""
    names = (
        "view",
        "projection",
        "light",
        "azimuth_deg",
        "elevation_deg",
        "subject",
        "pose",
        "shown",
    )
    found = {name: torch.cat([getattr(p, name) for p in pieces], 1).to(device) for name in names}
    return PosedCameras(height=pieces[0].height, width=pieces[0].width, **found)
