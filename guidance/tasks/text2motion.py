"""Motions of a person from prompts: found in a bank, joined, edited by constraints, and refined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from guidance.config.fields import MotionGenerators, OptionalLosses
from guidance.errors import InputError
from guidance.options import NamesFile, OfThePlace
from guidance.prompts import Prompt, plain_text
from guidance.tasks.base import Task
from guidance.tasks.motion.constraints import At, Gaze, KeyPoseFile, ObstacleText, RouteFile

if TYPE_CHECKING:
    from guidance.body.body import Body
    from guidance.evaluate.motion import MotionJudge
    from guidance.generators.motion.param.base import MotionGenerator, MotionStage
    from guidance.loop.settings import Settings
    from guidance.runs.plan import Plan
    from guidance.motion.motion import Motion
    from guidance.tasks.motion.acceptance import AcceptedRepair
    from guidance.tasks.motion.repair import Repair
    from guidance.tasks.motion.rules import Rules
    from guidance.tasks.motion.start import Start
    from guidance.types import Terms

BODIES = ("cc0", "capsule")
#: Factor on the learning rate of refinements: at 1, poses were contorted on two of three prompts.
REFINING = 0.15


class TextToMotion(Task):
    """Motions of a person that match prompts, after CLIP-Actor (Youwang et al., arXiv 2206.04382).

    `guide run text2motion --prompt "walks forward, then waves"` finds motions in a bank and joins
    them. Constraints such as `--at 1.0s:right_hand=0.4,1.2,0.3` change the motion; they hold to the
    centimeter. `--loss clip` refines it by images, and keeps that only if a judge prefers it.
    """

    FLAT: ClassVar = False
    OWN_OPTIONS: ClassVar = ("at",)
    PRESETS: ClassVar = {"draft": {"steps": 60}, "normal": {"steps": 150}, "best": {"steps": 400}}
    #: Processor time for seven seconds of motion; "normal" is measured, the others are estimates.
    PRESET_MINUTES: ClassVar = {
        "draft": "5 seconds of one core",
        "normal": "7 seconds of one core; 22 with --loss clip",
        "best": "12 seconds of one core",
    }

    loss: OptionalLosses = Field(default="none")  # type: ignore[arg-type]
    """What refines the motion by images of it, e.g. "clip"; "none" leaves it as it was found."""
    generator: MotionGenerators = Field(default="residual")  # type: ignore[assignment]
    """What is optimized: changes of the motion that was found, or a motion from scratch."""
    motion: Path | None = None
    """A motion to start with, in place of the bank: a BVH, GLB or NPZ file."""
    bank: Path | None = None
    """A folder that `guide motion import` made, in place of the embedded bank."""
    body: Annotated[str, NamesFile(apart_from=BODIES)] = "cc0"
    """cc0, capsule, a skinned GLB, or a model file of SMPL."""
    at: tuple[At, ...] = ()
    """A joint at a point in meters, e.g. 1.0s:right_hand=0.4,1.2,0.3 (x to the left, z forward)."""
    look_at: tuple[Gaze, ...] = ()
    """A point that the head looks at, e.g. 1s-2s:0,1.5,2."""
    keyframe: tuple[KeyPoseFile, ...] = ()
    """A pose at a time, e.g. pose.json@50%."""
    path: RouteFile | None = None
    """An SVG file whose path the person follows, and its length, e.g. circle.svg:6m."""
    obstacle: tuple[ObstacleText, ...] = ()
    """Something not to touch: sphere:x,y,z,radius or box:x,y,z,width,height,depth."""
    loop: bool = False
    """The last pose continues with the first one."""
    mirror: bool = False
    """Left and right do the same."""
    foot_lock: bool = True
    """Feet on the ground stay where they are."""
    formats: str = "glb,bvh,npz"
    """Files to write: glb, bvh, npz, vrm, vrma."""
    resolution: int = Field(default=112, ge=16, le=1024)
    """Pixels per side of the views of the losses and the judge."""
    crops: int = Field(default=2, ge=1, le=256)
    """Crops of each view that the encoder compares with the prompt."""

    def _starting_prompts(self) -> tuple[Prompt, ...]:
        if not self.prompt and self.motion is not None:
            return (Prompt.of(self.motion.stem.replace("_", " ") or "motion"),) * self.samples
        return super()._starting_prompts()

    def build(self) -> Plan:
        from guidance.body.load import load_body_with_notes
        from guidance.generators.motion.param.base import MotionStage
        from guidance.generators.motion.param.files import parse_motion_formats
        from guidance.runs.plan import Plan
        from guidance.tasks.motion.artifacts import MotionFiles
        from guidance.tasks.motion.shots import MotionShots

        formats = parse_motion_formats(self.formats)
        loaded = load_body_with_notes(self.body)
        start = self._start(loaded.body)
        rules = self._rules(start)
        device = self.torch_device()
        stage = MotionStage(self.sample_seeds, start.motions, loaded.body, rules.free_joints())
        repair = self._repair(rules, start)
        if not self._from_scratch:
            skeleton = loaded.body.skeleton
            first = (repair.first(m, i, skeleton) for i, m in enumerate(start.motions))
            stage = replace(stage, start=tuple(first))
        if self.loss and self._edits(rules):
            stage = replace(stage, start=self._edited(stage, rules, repair))
        generator = self._generator(stage)
        generator.formats = formats
        losses = rules.losses() + self._priors()
        generator.repair = repair
        if self.loss:
            losses = self._image_losses() + losses
            generator.repair = self._accepted(repair, stage, generator)
        return Plan(
            generator,
            losses,
            self.settings(),
            self.sample_prompts,
            views=MotionShots(self.resolution, device),
            artifacts=(MotionFiles(rules, self._motion_judge(loaded.body), start.motions),),
            notes=(*loaded.notes, *start.notes),
        )

    def settings(self) -> Settings:
        rate = self.learning_rate.scaled(REFINING) if self.loss else self.learning_rate
        return replace(super().settings(), validations=3, learning_rate=rate)

    @property
    def _from_scratch(self) -> bool:
        """Whether the generator needs no motion of the bank."""
        return "seconds" in type(self.generator).model_fields

    def _start(self, body: Body) -> Start:
        """The motions that the samples start with."""
        from guidance.motion.bank import load_bank
        from guidance.tasks.motion.start import (
            Start,
            along,
            feet_on_ground,
            found_motions,
            motion_of_file,
            standing_motion,
        )

        n = len(self.sample_prompts)
        if self._from_scratch:
            for flag, given in {"--motion": self.motion, "--bank": self.bank}.items():
                if given is not None:
                    raise InputError(
                        f"{flag}: --generator {self.generator.kind()} starts from scratch; "
                        f"remove {flag}"
                    )
            if self.path is not None:
                raise InputError("--path: needs a motion that walks; use --generator residual")
            seconds = self.generator.seconds  # type: ignore[attr-defined]
            return Start((standing_motion(seconds, body),) * n, (None,) * n, (), ())
        if self.motion is not None:
            if self.bank is not None:
                raise InputError("--bank: --motion gives the motion; remove one of the two")
            found = motion_of_file(self.motion, body)
            feet = (feet_on_ground(found, body),) * n
            return along(Start((found,) * n, (None,) * n, feet, ()), self.path)
        prompts = [plain_text(prompt) for prompt in self.sample_prompts]
        return found_motions(prompts, self.sample_seeds, load_bank(self.bank), body, self.path)

    def _rules(self, start: Start) -> Rules:
        """The constraints in frames of each sample."""
        from guidance.tasks.motion.pose_file import read_pose
        from guidance.tasks.motion.rules import Rules

        sizes = [(motion.num_frames, motion.fps) for motion in start.motions]
        return Rules(
            tuple(tuple(one.target(*size) for one in self.at) for size in sizes),
            tuple(tuple(one.target(*size) for one in self.look_at) for size in sizes),
            tuple(
                tuple(
                    read_pose(
                        Path(one.path), one.time.start.frame(*size, f"keyframe {one.written()}")
                    )
                    for one in self.keyframe
                )
                for size in sizes
            ),
            start.paths,
            tuple(one.solid() for one in self.obstacle),
            self.loop,
            self.mirror,
        )

    @staticmethod
    def _edits(rules: Rules) -> bool:
        return bool(rules.losses().terms)

    def _generator(self, stage: MotionStage) -> MotionGenerator:
        from guidance.generators.motion.param.base import MotionGenerator

        kind = self.generator.component
        assert kind is not None and issubclass(kind, MotionGenerator)
        return kind.from_options(self.generator, stage)

    def _priors(self) -> Terms:
        """What makes a motion plausible, whatever the prompt."""
        from guidance.losses.foot_skate import FootSkate
        from guidance.losses.ground import Ground
        from guidance.losses.joint_acceleration import JointAcceleration
        from guidance.losses.joint_limits import JointLimits
        from guidance.losses.pose_prior import PosePrior
        from guidance.losses.start_distance import StartDistance

        terms = 20.0 * Ground() + 1.0 * JointLimits()
        if self._from_scratch:
            terms = terms + 1e-4 * JointAcceleration(absolute=True) + 0.003 * PosePrior()
            # Feet stay where they are, unless images may want a walk.
            return terms if self.loss else terms + 0.5 * FootSkate()
        return terms + 4.0 * StartDistance() + 3e-4 * JointAcceleration() + 0.05 * FootSkate()

    def _repair(self, rules: Rules, start: Start) -> Repair:
        from guidance.tasks.motion.repair import Repair

        # Contacts of the motion that was found hold as long as nothing but a path changes it.
        known = any(path is not None for path in start.paths)
        return Repair(rules, self.foot_lock, start.contacts if known else None)

    def _image_losses(self) -> Terms:
        from guidance.augment import Augment

        augment = Augment(crops=self.crops, scale=(0.8, 1.1), backgrounds=("solid", "noise"))
        return self.losses(self.loss_context(augment))

    def _edited(
        self, stage: MotionStage, rules: Rules, repair: Repair
    ) -> tuple[Motion, ...]:
        """The motions after the constraints alone: what a refinement has to be better than."""
        from guidance.loop.optimize import optimize

        generator = self._generator(stage)
        generator.repair = repair
        settings = replace(self.settings(), learning_rate=self.learning_rate)
        optimize(generator, rules.losses() + self._priors(), settings, quiet=True)
        output = generator()
        return tuple(output.motion(sample) for sample in range(output.num_samples))

    @staticmethod
    def _motion_judge(body: Body) -> MotionJudge:
        """The judge that reads joints, and no images."""
        from guidance.evaluate.motion import MotionJudge

        return MotionJudge(pelvis_height=float(body.skeleton.rest[0, 1]))

    def _accepted(
        self, repair: Repair, stage: MotionStage, generator: MotionGenerator
    ) -> AcceptedRepair:
        """The repair that returns the motions of the stage where a judge prefers them."""
        from guidance.tasks.motion.acceptance import AcceptedRepair

        encoders = [each for term in self._image_losses() for each in term.loss.encoders]
        prompts = tuple(plain_text(prompt) for prompt in self.sample_prompts)
        judge = self._motion_judge(stage.body)
        return AcceptedRepair(
            repair,
            stage.start,
            generator.draw,
            prompts,
            tuple(encoders),
            self.torch_device(),
            judge if all(map(judge.knows, prompts)) else None,
        )
