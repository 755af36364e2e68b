"""Images from words: a generator's parameters climb the gradient of a frozen CLIP-type model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from guidance.errors import InputError
from guidance.tasks.base import Task
from guidance.tasks.shared.drawing import CELLS, IN_ONE, OF_DENOISERS, ONLY_OF, is_large, make_generator
from guidance.tasks.shared.guides import Guides

if TYPE_CHECKING:
    from guidance.loop.optimize import Settings, Views
    from guidance.runs.artifacts.animation import Animation
    from guidance.runs.plan import Plan
    from guidance.types import StepContext, Terms
    from guidance.views import Windows

#: Of a cutout: what a person names soonest, chosen by eye among areas of 0.1 to 0.6.
OUTLINE: dict[str, Any] = {"area": (0.12, 0.3), "crispness": "0 -> 0.6", "perimeter": 0.075}
#: Progress waits at 0 for the first frame of an animation, which is to have an outline, too. By
#: eye: at 0.3 the outlines of a pizza, an apple and a star are clear, at 0.6 the things are small.
CRISP_IN_MOTION = 0.3
#: How much of the image a crop shows; by eye, too.
SCALE_OF_CUTOUT, SCALE = (1.0, 1.8), (0.7, 1.3)
#: Above `IN_ONE` pixels, a step looks at the whole at `LOOK`, and in the detail phase through
#: `WINDOWS` windows of the share `WINDOW` of its side as well. By eye at 1024: three windows of a
#: half fill a frog with small frogs' eyes, and none leaves the encoder's pixels in fine levels.
LOOK, WINDOWS, WINDOW = 256, 1, 0.75
#: Of animations, where nothing is said. Measured on two prompts, pyramid, 24 frames of zoom 1.03:
#: with 2 steps a frame, differences between pixels fall by 19% and the loss rises from 0.562 to
#: 0.618; with 5 by 8%, most of it at once, and the loss stays (0.553 to 0.561).
STEPS_PER_FRAME, FPS = 5, 15
#: Options that only animations have.
OF_FRAMES = ("steps_per_frame", "fps", "zoom", "pan", "rotate")


class TextToImage(Task):
    """Images from words.

    `guide run text2image --prompt "a red heart" --prompt "a pizza"` optimizes both side by side.
    """

    PRESETS: ClassVar = {
        "draft": {"steps": 60, "crops": 6},
        "normal": {"steps": 150, "crops": 10},
        "best": {"steps": 400, "crops": 24},
    }
    #: One prompt, the whole command, with the embedded models.
    PRESET_MINUTES: ClassVar = {
        "draft": "7 seconds on two cores; not measured on a GPU",
        "normal": "13 seconds on two cores; not measured on a GPU",
        "best": "42 seconds on two cores; not measured on a GPU",
    }

    generator: Literal[
        "cutout",
        "pyramid",
        "wavelet",
        "fourier",
        "siren",
        "grid",
        "strokes",
        "pixels",
        "latent",
        "noise",
    ] = "cutout"
    """What the image is made of; "cutout" is one thing on its own, the others fill the canvas.
    "latent" and "noise" are of the denoiser."""
    size: int | None = Field(default=None, ge=8, le=2048)
    """Pixels a side (128, in "best" 256; of "latent" and "noise" what the denoiser was trained on).
    Above 512, a step looks at less, so memory stays that of 512; but "pixels", "wavelet", "fourier",
    "latent" and "noise" have as many values as pixels, and their memory grows with them."""
    crops: int = Field(default=10, ge=1, le=1024)
    """Random crops of each image that the encoder sees in a step; a denoiser sees a fifth of them,
    each in noise of its own."""
    finest: int | None = Field(default=None, ge=1, le=2048)
    """Cells a side of the finest level of "cutout" and "pyramid", a power of two (32; above 512
    pixels 64 for colour, from the middle of the run on)."""
    start: Path | None = None
    """An image that "cutout", "pyramid" and "latent" start from."""
    wavelet: Literal["cdf97", "haar"] | None = None
    """Basis of "wavelet": "cdf97" is smooth, "haar" is made of squares (cdf97)."""
    cells: int | None = Field(default=None, ge=1, le=1024)
    """Cells a side of "grid" (32)."""
    colors: int | None = Field(default=None, ge=2, le=256)
    """How many colours "grid" may choose for itself; any number where this is left out."""
    tileable: bool | None = None
    """Lets "grid" fit to itself at its borders."""
    num_strokes: int | None = Field(default=None, ge=1, le=4096)
    """Strokes of "strokes" (512)."""
    sampler_steps: int | None = Field(default=None, ge=1, le=100)
    """Steps in which "noise" draws (6; 1 of denoisers that are called turbo, schnell, lightning, lcm
    or hyper)."""
    sampler_scale: float | None = Field(default=None, ge=0)
    """The guidance scale with which "noise" draws (4; 1 of denoisers for few steps)."""
    noise_norm: float | str | None = None
    """Weight of "noise" keeping the length that noise has (0.01)."""
    export_size: int | None = Field(default=None, ge=8, le=8192)
    """Pixels a side of the files of "strokes", "siren" and "grid", sharp at any (size)."""
    outline: float | str | None = None
    """Weight of a compact outline of "cutout" (1)."""
    total_variation: float | str | None = None
    """Weight of few differences between neighbouring pixels; a number or a schedule (0.3; 0 of
    "latent" and "noise", whose decoders see to it)."""
    smoothness: float | str = 0.0
    """Weight of even gradients of colour, a calmer kind of smoothness."""
    symmetry: float | str = 0.0
    """Weight of left looking like right."""
    palette: list[str] = Field(default=[])
    """Colours to be kept to, "#rrggbb" or names; "grid" uses no others."""
    palette_weight: float | str | None = None
    """Weight of the palette, but for "grid", which has no choice; a number or a schedule (1)."""
    edge: str | None = None
    """A colour that the border of the image should have."""
    edge_weight: float | str | None = None
    """Weight of the border's colour; a number or a schedule (1)."""
    reference: Path | None = None
    """An image to look like, as --lpips says how much."""
    lpips: float | str | None = None
    """Weight of the perceptual distance LPIPS from the reference, e.g. 0.5; a number or a schedule.
    Needs the extra [lpips], and once `guide models fetch lpips-alex`."""
    lpips_network: Literal["alex", "vgg"] | None = None
    """What LPIPS looks through: "alex" is faster, "vgg" keeps more of textures (alex)."""
    frames: int | None = Field(default=None, ge=2, le=100_000)
    """Frames of an animation; the first one gets all the steps of an image (no animation)."""
    steps_per_frame: int | None = Field(default=None, ge=1, le=10_000)
    """Steps of each further frame (5)."""
    fps: int | None = Field(default=None, ge=1, le=120)
    """Frames a second (15)."""
    zoom: float | str | None = None
    """Factor a frame by which the image grows: a number, or a schedule over the video (1)."""
    pan: str | None = None
    """How far the image moves right and down, in shares of its side a frame: "0.01,0", or two
    schedules (0,0)."""
    rotate: float | str | None = None
    """Degrees a frame, counterclockwise: a number, or a schedule over the video (0)."""

    def build(self) -> Plan:
        from guidance.runs.plan import Plan

        self._refuse_ignored()
        return Plan(
            make_generator(self),
            self._losses(),
            self.settings(),
            self.sample_prompts,
            self._views(),
            animation=self._animation(),
        )

    @property
    def usual_optimizer(self) -> Literal["adam", "sgd"]:
        return "sgd" if self.draws_as_ddim or self.generator == "noise" else "adam"

    @property
    def draws_as_ddim(self) -> bool:
        """Whether latents follow fsd alone, which leads them where their denoiser would draw."""
        guides = Guides.parse(self.loss)
        alone = set(guides.distillations) == {"fsd"} and not guides.comparisons
        return alone and self.generator == "latent"

    @property
    def drawn_by_denoiser(self) -> bool:
        return self.generator in OF_DENOISERS

    @property
    def side(self) -> int:
        """Pixels a side where it is not the denoiser that says it."""
        return self.size or (256 if self.preset == "best" else 128)

    def settings(self) -> Settings:
        """Those of the common fields, and the steps of all frames."""
        settings, animation = super().settings(), self._animation()
        if animation is None:
            return settings
        return replace(settings, steps=animation.steps, warm_up=self.steps)

    def _animation(self) -> Animation | None:
        if self.frames is None:
            return None
        from guidance.generators.image.grid import whole_cells
        from guidance.runs.artifacts.animation import Animation, parse_pan
        from guidance.schedule import Schedule

        animation = Animation(
            self.frames,
            self.steps,
            self.steps_per_frame or STEPS_PER_FRAME,
            self.fps or FPS,
            Schedule.parse(1.0 if self.zoom is None else self.zoom),
            parse_pan("0,0" if self.pan is None else self.pan),
            Schedule.parse(self.rotate or 0.0),
        )
        if self.generator == "grid":
            for warp in animation.moves():
                whole_cells(warp, self.cells or CELLS)
        return animation

    def _views(self) -> Views | None:
        """View at a large image: from afar, and later through windows as well."""
        if not is_large(self):
            return None
        from guidance.generators.image.param.windows import DETAIL, whole, whole_and_parts

        def views(context: StepContext) -> Windows:
            if context.phase == "validation" or context.progress < DETAIL:
                return whole(len(context.seeds), LOOK)
            return whole_and_parts(context, WINDOWS, WINDOW, LOOK, self.side)

        return views

    def _refuse_ignored(self) -> None:
        """Raises InputError for options that were given and would do nothing."""
        for name, generators in ONLY_OF.items():
            value = getattr(self, name)
            if value is not None and value is not False and self.generator not in generators:
                raise InputError(
                    f"{name}: {self.generator} has none; leave it out, or use --generator "
                    f"{' or '.join(generators)}"
                )
        for name in OF_FRAMES:
            if self.frames is None and getattr(self, name) is not None:
                raise InputError(
                    f"{name}: is of animations, and an image has one frame; give e.g. "
                    "--frames 120, or leave it out"
                )
        if self.frames is not None and self.drawn_by_denoiser:
            raise InputError(
                f"frames: {self.generator} cannot be moved between frames; docs/animation.md says "
                "which generators can"
            )
        if self.frames is not None and is_large(self):
            raise InputError(
                f"frames: above {IN_ONE} pixels {self.generator} is given more detail in the "
                f"middle of a run, which would show; use --size {IN_ONE} or less"
            )
        if (self.reference is None) != (self.lpips is None):
            given, other = (
                ("lpips", "reference") if self.reference is None else ("reference", "lpips")
            )
            ways = {"lpips": "--lpips 0.5", "reference": "--reference photo.png"}
            raise InputError(
                f"{given}: goes together with {other}; give {ways[other]}, or leave it out"
            )
        if self.lpips_network is not None and self.lpips is None:
            raise InputError(
                "lpips_network: there is no --lpips; give --lpips 0.5, or leave it out"
            )
        if self.palette_weight is not None and (not self.palette or self.generator == "grid"):
            reason = "grid uses no other colours" if self.palette else "there is no palette"
            raise InputError(f"palette_weight: {reason}; leave it out")
        if self.edge_weight is not None and self.edge is None:
            raise InputError("edge_weight: there is no edge; give --edge white, or leave it out")
        if self.colors is not None and self.palette:
            raise InputError("colors: the palette says the colours; give one of the two")

    def _losses(self) -> Terms:
        from guidance.augment import Augment
        from guidance.losses.border import Border
        from guidance.losses.palette import Palette
        from guidance.losses.smoothness import Smoothness
        from guidance.losses.symmetry import Symmetry
        from guidance.losses.total_variation import TotalVariation
        from guidance.losses.lpips import Lpips
        from guidance.losses.noise_norm import NoiseNorm
        from guidance.losses.outline import Outline

        scale = SCALE_OF_CUTOUT if self.generator == "cutout" else SCALE
        losses = self.guides(Augment(crops=self.crops, scale=scale))
        if self.generator == "cutout":
            weight = 1.0 if self.outline is None else self.outline
            crisp = {} if self.frames is None else {"crispness": CRISP_IN_MOTION}
            losses = losses + weight * Outline(**OUTLINE | crisp)
        if self.generator == "noise":
            losses = losses + (0.01 if self.noise_norm is None else self.noise_norm) * NoiseNorm()
        if self.palette and self.generator != "grid":
            weight = 1.0 if self.palette_weight is None else self.palette_weight
            losses = losses + weight * Palette(self.palette)
        if self.edge is not None:
            losses = losses + (1.0 if self.edge_weight is None else self.edge_weight) * Border(
                self.edge
            )
        if self.reference is not None and self.lpips is not None:
            losses = losses + self.lpips * Lpips(self.reference, self.lpips_network or "alex")
        smooth = 0.0 if self.drawn_by_denoiser else 0.3
        for term, weight in (
            (TotalVariation(), smooth if self.total_variation is None else self.total_variation),
            (Smoothness(), self.smoothness),
            (Symmetry(), self.symmetry),
        ):
            if weight != 0:
                losses = losses + weight * term
        return losses
