"""A skinned body: its mesh, joints and skinning weights, and linear blend skinning.

The letters of the shapes are those of `guidance.types`; in addition, j counts the joints of the
body, 22 those of `guidance.body.skeleton`, and k shape components.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.body.joint_names import NAMES
from guidance.body.rig import Rig
from guidance.body.skeleton import Skeleton, canonical

CANONICAL = canonical()


@dataclass(frozen=True)
class Body:
    """A skinned mesh in the T-pose: meters, y up, facing +z, the lowest vertex at y = 0.

    At rest, the axes of all joints are those of the world. Joint j with the world rotation G_j and
    the position P_j moves a vertex v to G_j (v - rest_j) + P_j, and a vertex with several joints to
    the weighted mean of these positions (linear blend skinning).
    """

    name: str
    template: Float[Tensor, "p 3"]
    faces: Int[Tensor, "f 3"]
    weights: Float[Tensor, "p j"]  # skinning weights; each row sums to 1
    rest: Float[Tensor, "j 3"]  # positions of the joints
    parents: tuple[int, ...]  # -1 for roots; parents come before their children
    names: tuple[str, ...]  # of the joints
    canonical: tuple[int, ...]  # for each of the 22 canonical joints, the joint here, or -1
    shape_basis: Float[Tensor, "k p 3"] | None = None
    joint_basis: Float[Tensor, "k j 3"] | None = None
    #: Corrections of the vertices, linear in the entries of (R - 1) of joints 1, 2, ... (SMPL).
    pose_basis: Float[Tensor, "m p 3"] | None = None
    uv: Float[Tensor, "q 2"] | None = None  # (0, 0) is the top left of the map
    face_uv: Int[Tensor, "f 3"] | None = None
    base_color: Float[Tensor, "3 h w"] | None = None  # sRGB in [0, 1]; row 0 is v = 0
    colors: Float[Tensor, "p 3"] | None = None  # sRGB, of bodies without a map
    #: Shape coefficients per unit of a named control, e.g. "height" in centimeters.
    controls: Mapping[str, Float[Tensor, "k"]] = field(default_factory=dict)
    #: The nodes and materials of the GLB that the body is from, for export.
    rig: Rig | None = None

    @property
    def num_components(self) -> int:
        """The number of shape coefficients; 0 for a body of one shape."""
        return 0 if self.shape_basis is None else len(self.shape_basis)

    @property
    def pelvis(self) -> int:
        """The joint that `root` places."""
        return self.canonical[0]

    def to(self, like: Tensor) -> Body:
        """The same body with the device and floating point type of a tensor."""
        moved: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, Tensor):
                dtype = like.dtype if value.is_floating_point() else value.dtype
                moved[each.name] = value.to(like.device, dtype)
        controls = {name: value.to(like) for name, value in self.controls.items()}
        return replace(self, **moved, controls=controls)

    def betas(self, **controls: float | int) -> Float[Tensor, "k"]:
        """Shape coefficients of named controls, e.g. `betas(height=5, weight=-1)`.

        Raises:
            KeyError: the body has no such control.
        """
        total = self.template.new_zeros(self.num_components)
        for name, value in controls.items():
            total = total + value * self.controls[name]
        return total

    def shaped(
        self, betas: Float[Tensor, "n k"] | None = None
    ) -> tuple[Float[Tensor, "n p 3"], Float[Tensor, "n j 3"]]:
        """The vertices and joints in the T-pose, for each row of shape coefficients.

        Fewer coefficients than components are allowed; the others are 0. None is one sample of the
        template.
        """
        if betas is None or self.shape_basis is None:
            return self.template[None], self.rest[None]
        k = betas.shape[1]
        vertices = self.template + torch.tensordot(betas, self.shape_basis[:k], 1)
        if self.joint_basis is None:
            return vertices, self.rest.expand(len(betas), -1, -1)
        return vertices, self.rest + torch.tensordot(betas, self.joint_basis[:k], 1)

    def posed(
        self,
        rotations: Float[Tensor, "*b 22 3 3"],
        root: Float[Tensor, "*b 3"],
        betas: Float[Tensor, "n k"] | None = None,
        offsets: Float[Tensor, "n p 3"] | None = None,
        weights: Float[Tensor, "n p j"] | None = None,
    ) -> Float[Tensor, "*b p 3"]:
        """The vertices in each pose, by linear blend skinning; differentiable in all arguments.

        Args:
            rotations: of the canonical joints relative to their parents. Joints of the body that
                are not canonical, e.g. fingers, keep their rest rotation relative to the parent.
            root: position of the pelvis in meters; `placed` computes it from that of a motion.
            betas: shape coefficients; `*b` then starts with n, e.g. [n, t] for t poses of each
                sample. One row is shared by all.
            offsets: added to the vertices in the T-pose; one sample is shared by all, as for betas.
            weights: of the skinning, instead of those of the body; one for each sample.
        """
        vertices, joints = self.shaped(betas)
        if offsets is not None:
            vertices = vertices + offsets
        batch = root.shape[:-1]
        vertices, joints = _over(vertices, batch), _over(joints, batch)
        turned, placed = self._moved(rotations, root, joints)
        if self.pose_basis is not None:
            vertices = vertices + self._corrections(turned)
        if weights is None:
            return skin(self.weights, turned, placed, joints, vertices)
        return skin(_over(weights, batch), turned, placed, joints, vertices)

    def joints(
        self,
        rotations: Float[Tensor, "*b 22 3 3"],
        root: Float[Tensor, "*b 3"],
        betas: Float[Tensor, "n k"] | None = None,
    ) -> tuple[Float[Tensor, "*b j 3 3"], Float[Tensor, "*b j 3"]]:
        """World rotations and positions of all joints of the body; arguments as for `posed`."""
        return self._moved(rotations, root, _over(self.shaped(betas)[1], root.shape[:-1]))

    def placed(
        self, root: Float[Tensor, "*b 3"], betas: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "*b 3"]:
        """The root for this body from that of a motion of the canonical skeleton.

        It is scaled by the ratio of the heights of the pelvis above the lowest vertex, so that the
        feet stay on the ground, and steps fit the length of the legs.
        """
        vertices, joints = self.shaped(betas)
        height = joints[:, self.pelvis, 1] - vertices[..., 1].amin(1)
        return root * _over(height[:, None] / CANONICAL.rest[0, 1].item(), root.shape[:-1])

    @property
    def skeleton(self) -> Skeleton:
        """The canonical skeleton with the joints of this body where it has them."""
        rest = CANONICAL.offsets().to(self.template)
        for joint, parent in enumerate(CANONICAL.parents):
            own = self.canonical[joint]
            rest[joint] = self.rest[own] if own >= 0 else rest[joint] + rest[parent]
        return Skeleton(CANONICAL.names, CANONICAL.parents, rest)

    @cached_property
    def _sources(self) -> list[int]:
        """The canonical joint whose world rotation each joint follows; 22 for none."""
        own = {joint: index for index, joint in enumerate(self.canonical) if joint >= 0}
        found: list[int] = []
        for joint, parent in enumerate(self.parents):
            found.append(own.get(joint, found[parent] if parent >= 0 else len(NAMES)))
        return found

    @cached_property
    def _chains(self) -> Float[Tensor, "j j"]:
        """1 where the second joint is the first or one of its ancestors."""
        chains = torch.eye(len(self.parents))
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                chains[joint] += chains[parent]
        return chains

    def _moved(
        self,
        rotations: Float[Tensor, "*b 22 3 3"],
        root: Float[Tensor, "*b 3"],
        joints: Float[Tensor, "*b j 3"],
    ) -> tuple[Float[Tensor, "*b j 3 3"], Float[Tensor, "*b j 3"]]:
        """World rotations and positions of the joints.

        The root moves the pelvis and all joints below it; those above stay at rest. A joint has
        the world rotation of its canonical joint, so that the rotations of canonical joints that
        the body lacks are not lost.
        """
        world = _world_rotations(rotations)
        identity = torch.eye(3).to(world).expand(*world.shape[:-3], 1, 3, 3)
        turned = torch.cat([world, identity], -3)[..., self._sources, :, :]
        parents = [max(parent, 0) for parent in self.parents]
        is_root = torch.tensor([parent < 0 for parent in self.parents], device=joints.device)
        steps = joints - joints[..., parents, :]
        steps = (turned[..., parents, :, :] @ steps[..., None])[..., 0]
        steps = torch.where(is_root[:, None], joints, steps)
        chains = self._chains.to(joints)
        placed = chains @ steps
        shift = (root - placed[..., self.pelvis, :])[..., None, :]
        return turned, placed + chains[:, self.pelvis, None] * shift

    def _corrections(self, turned: Float[Tensor, "*b j 3 3"]) -> Float[Tensor, "*b p 3"]:
        assert self.pose_basis is not None
        parents = list(self.parents[1:])
        local = turned[..., parents, :, :].mT @ turned[..., 1:, :, :]
        features = (local - torch.eye(3).to(local)).flatten(-3)
        corrections: Tensor = torch.tensordot(features, self.pose_basis, 1)
        return corrections


def skin(
    weights: Float[Tensor, "*#b p j"],
    turned: Float[Tensor, "*b j 3 3"],
    placed: Float[Tensor, "*b j 3"],
    joints: Float[Tensor, "*b j 3"],
    vertices: Float[Tensor, "*b p 3"],
) -> Float[Tensor, "*b p 3"]:
    """Linear blend skinning.

    The transforms of all vertices are one dense product with the weights. That is faster than
    gathering the few joints of each vertex, whose backward pass is a scatter; see
    benchmarks/results/body.json.

    Args:
        weights: of the joints for each vertex.
        turned: world rotations of the joints.
        placed: positions of the joints.
        joints: positions of the joints at rest.
        vertices: at rest.
    """
    shift = placed - (turned @ joints[..., None])[..., 0]
    transforms = torch.cat([turned, shift[..., None]], -1).flatten(-2)  # [*b, j, 12]
    blended = transforms.mT @ weights.mT
    blended = blended.reshape(*blended.shape[:-2], 3, 4, weights.shape[-2])
    moved = (blended[..., :3, :] * vertices.mT[..., None, :, :]).sum(-2) + blended[..., 3, :]
    result: Tensor = moved.mT.contiguous()
    return result


def _levels() -> list[list[int]]:
    """The canonical joints by their distance from the root."""
    depth: list[int] = []
    for parent in CANONICAL.parents:
        depth.append(0 if parent < 0 else depth[parent] + 1)
    return [[joint for joint, d in enumerate(depth) if d == k] for k in range(max(depth) + 1)]


LEVELS = _levels()
#: Where the joints of all levels, concatenated, have their place in the canonical order.
_ORDER = torch.tensor([joint for level in LEVELS for joint in level]).argsort().tolist()


def _world_rotations(rotations: Float[Tensor, "*b 22 3 3"]) -> Float[Tensor, "*b 22 3 3"]:
    done = [rotations[..., LEVELS[0], :, :]]
    for above, level in pairwise(LEVELS):
        parents = [above.index(CANONICAL.parents[joint]) for joint in level]
        done.append(done[-1][..., parents, :, :] @ rotations[..., level, :, :])
    return torch.cat(done, -3)[..., _ORDER, :, :]


def _over(values: Float[Tensor, "n *m"], batch: torch.Size) -> Float[Tensor, "*b *m"]:
    """Per-sample values for each pose: the first dimension of the batch is the sample."""
    if len(values) > 1 and (not batch or batch[0] != len(values)):
        raise ValueError(
            f"poses of shape {tuple(batch)} for {len(values)} shapes; the first dimension of the "
            "poses has to be the sample"
        )
    shape = values.shape[1:]
    if not batch:
        return values[0]
    spread = values.reshape(len(values), *(1,) * (len(batch) - 1), *shape)
    return spread.expand(*batch, *shape)
