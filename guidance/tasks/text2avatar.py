"""People from prompts: the shape and clothes of a body that moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from guidance.config.fields import Losses
from guidance.errors import InputError
from guidance.generators.mesh.param.avatar_options import AvatarOptions
from guidance.options import NamesFile
from guidance.schedule import Schedule
from guidance.tasks.avatar.part_prompt import PARTS, PartPrompt, ShapeValue
from guidance.tasks.base import Task

if TYPE_CHECKING:
    import torch

    from guidance.body.body import Body
    from guidance.runs.plan import Plan
    from guidance.tasks.avatar.recipe import Wanted

#: Bodies that need no file; those of `guidance.body.load`.
BUILT_IN = ("cc0", "capsule")
#: Weight of similar offsets of adjacent vertices.
LAPLACIAN = 0.5


@dataclass(frozen=True)
class NamesMotion(NamesFile):
    """A motion names a file by its ending, and is an action otherwise."""

    def names_file(self, text: str) -> bool:
        return text.lower().endswith((".bvh", ".glb", ".npz"))


class TextToAvatar(AvatarOptions, Task):
    """A person who moves, dressed as a prompt says, after CLIP-Actor (arXiv 2206.04382).

    `guide run text2avatar --prompt "an astronaut walking"` writes a skinned and animated GLB, a
    VRM and a video.
    """

    FLAT: ClassVar = False
    PRESETS: ClassVar = {
        "draft": {"steps": 60, "seen_texels": 256},
        "normal": {"steps": 200},
        "best": {"steps": 500, "resolution": 160},
    }
    #: Processor time of whole runs with one prompt on the embedded body.
    PRESET_MINUTES: ClassVar = {
        "draft": "25 seconds of one core",
        "normal": "about 1 minute of one core",
        "best": "about 2 minutes of one core",
    }

    loss: Losses = Field(default={"kind": "clip", "encoder": "mini-people"})  # type: ignore[arg-type]
    """What guides the run; the default encoder has seen people in costumes. Another model is an
    option of it: --encoder of "clip", --denoiser of "fsd" and the other methods of score
    distillation."""
    body: Annotated[str, NamesFile(apart_from=BUILT_IN)] = "cc0"
    """"cc0" (the embedded body), a skinned GLB or VRM, or a model file of SMPL (.npz, .pkl)."""
    motion: Annotated[str, NamesMotion()] = ""
    """An action of the bank, e.g. "walking", or a file (BVH, GLB, NPZ); by default that of the
    prompt."""
    part: tuple[PartPrompt, ...] = ()
    """'head=a helmet' or 'torso+arms=a red coat': a prompt for parts of the body: head, torso,
    arms, legs, face, scalp, neck, chest, belly, hips, upper_arms, forearms, hands, thighs, shins,
    feet."""
    keep: str = "auto"
    """Parts that keep the colors of the body, e.g. "head,hands", or "none"; "auto" keeps what a
    prompt like "a person in a red coat" does not name."""
    shape: tuple[ShapeValue, ...] = ()
    """"height_cm=10": the shape at the start as a difference from the mean: height_cm, weight_kg,
    female (-0.5 to 0.5), muscle, age."""
    start: Literal["words", "body"] = "words"
    """Clothes at the start: "words" takes those that the prompt names ("a red coat"), and the
    costumes in docs/avatars.md; "body" none."""
    poses: int = Field(default=4, ge=1, le=16)
    """Poses of the motion that are seen during the run."""
    resolution: int = Field(default=96, ge=32, le=512)
    """Pixels per side of each view."""
    crops: int = Field(default=2, ge=1, le=64)
    """Random crops of each view."""
    smoothness: Schedule = Schedule.parse(2.0)
    """Weight of similar colors of neighboring texels."""
    backgrounds: str = "solid,checker,noise,blur"
    """Random backgrounds of the crops; "none" is white."""

    def build(self) -> Plan:
        from guidance.augment import Augment
        from guidance.body.load import load_body_with_notes
        from guidance.generators.mesh.avatar import Avatar
        from guidance.losses.laplacian import Laplacian
        from guidance.losses.texel_variation import TexelVariation
        from guidance.runs.plan import Plan
        from guidance.tasks.avatar.artifacts import MovingTurntable, PoseSheet
        from guidance.tasks.avatar.encodes import image_encodes
        from guidance.tasks.avatar.recipe import losses_of, view_groups
        from guidance.tasks.avatar.views import BodyViews

        loaded = load_body_with_notes(self.body)
        samples = self._wanted()
        generator = Avatar(
            loaded.body,
            self.sample_seeds,
            [each.motion for each in samples],
            Avatar.Options(**{name: getattr(self, name) for name in AvatarOptions.model_fields}),
            change=_mask(samples),
            betas=self._betas(loaded.body, samples),
            outfits=[each.outfit for each in samples],
        )
        generator.to(self.torch_device())
        groups = view_groups(samples)
        poses = generator.poses
        anchors = [tuple(poses.chosen(index, self.poses)) for index in range(len(samples))]
        unseen = [
            tuple(poses.chosen(index, self.poses, skip=own)) for index, own in enumerate(anchors)
        ]
        views = BodyViews(
            generator.body,
            poses,
            groups,
            self.resolution,
            tuple(anchors),
            tuple(unseen),
            self.torch_device(),
            generator.get_buffer("clothes").cpu(),
        )
        behind = tuple(kind.strip() for kind in self.backgrounds.split(","))
        augment = Augment(scale=(0.8, 1.2), backgrounds=behind)
        crops = [self.crops * group.views for group in groups]
        losses = losses_of(samples, self.losses, self.loss_context(augment), self.style, crops)
        encodes = image_encodes(losses, groups, self.crops, self.settings())
        losses = losses + self.smoothness * TexelVariation()
        if self.reach:
            losses = losses + LAPLACIAN * Laplacian()
        notes = [f"{self.body}: {note}" for note in (*loaded.notes, *generator.notes)]
        notes += dict.fromkeys(note for each in samples for note in each.notes)
        return Plan(
            generator,
            losses,
            self.settings(),
            self.sample_prompts,
            views=views,
            artifacts=(MovingTurntable(views, {"image_encodes": encodes}), PoseSheet(views)),
            notes=tuple(notes),
        )

    def _wanted(self) -> list[Wanted]:
        from guidance.tasks.avatar.recipe import check_motion, wanted

        check_motion(self.motion)
        words = self.start == "words"
        return [
            wanted(prompt, self.motion, self.part, self.keep, words=words)
            for prompt in self.sample_prompts
        ]

    def _betas(self, body: Body, samples: list[Wanted]) -> torch.Tensor:
        """The shape coefficients of each sample to start from."""
        import torch

        unknown = [each.control for each in self.shape if each.control not in body.controls]
        if unknown:
            known = ", ".join(body.controls) or "none"
            raise InputError(
                f"--shape: {self.body} has no {unknown[0]!r}; its controls are {known}"
            )
        given = {each.control: each.value for each in self.shape}
        usual = [{"female": each.female} if "female" in body.controls else {} for each in samples]
        return torch.stack([body.betas(**(own | given)) for own in usual])


def _mask(samples: list[Wanted]) -> torch.Tensor:
    import torch

    return torch.tensor([[part in each.change for part in PARTS] for each in samples])
