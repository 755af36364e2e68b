"""Images from prompts: the parameters of a generator follow the gradient of a frozen model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from guidance.config.choices import Switch
from guidance.config.fields import ImageGenerator
from guidance.errors import InputError
from guidance.options import Options
from guidance.tasks.base import Task
from guidance.tasks.shared.animation import AnimationOptions
from guidance.tasks.shared.size import ImageSize

if TYPE_CHECKING:
    from guidance.generators.image.param.canvas import Canvas, ImageOptions
    from guidance.loop.settings import Settings, Views
    from guidance.runs.artifacts.animation import Animation
    from guidance.runs.plan import Plan
    from guidance.types import Generator, StepContext, Terms
    from guidance.views import Windows

#: Of a cutout: chosen by eye, for recognizable objects, among areas of 0.1 to 0.6.
OUTLINE: dict[str, Any] = {"area": (0.12, 0.3), "crispness": "0 -> 0.6", "perimeter": 0.075}
#: In an animation, progress stays at 0 until the first frame, which needs an outline as well.
#: Chosen by eye: at 0.3 the outlines of a pizza, an apple and a star are clear, at 0.6 the objects
#: are small.
CRISP_IN_ANIMATIONS = 0.3
#: Large images: a step renders the whole at about `LOOK` x `LOOK` pixels, and in the second phase also `WINDOWS`
#: windows of the share `WINDOW` of its side. Chosen by eye at 1024 pixels: three windows of a half
#: fill a frog with small frogs' eyes, and no window leaves encoder artifacts in fine levels.
LOOK, WINDOWS, WINDOW = 256, 1, 0.75


class TextToImage(Task):
    """Images from prompts.

    `guide run text2image --prompt "a red heart" --prompt "a pizza"` optimizes both side by side.
    """

    PRESETS: ClassVar = {
        "draft": {"steps": 60, "crops": 6},
        "normal": {"steps": 150, "crops": 10},
        "best": {"steps": 400, "crops": 24},
    }
    #: One prompt, the whole command, with the embedded models.
    PRESET_MINUTES: ClassVar = {
        "draft": "7 seconds on two cores",
        "normal": "13 seconds on two cores",
        "best": "42 seconds on two cores",
    }

    generator: ImageGenerator = Field(default="cutout")  # type: ignore[assignment]
    """What the image is made of. Use "cutout" for a single object; the others fill the canvas."""
    size: ImageSize = ImageSize.parse("auto")
    """Pixels per side, or width x height, e.g. 512 or 512x768. "auto" is 128, 256 with --preset best, and for "latent" and "noise" the
    training resolution of the denoiser. Above 512, memory stays that of 512 pixels for "cutout",
    "pyramid", "siren", "grid" and "strokes"."""
    crops: int = Field(default=10, ge=1, le=1024)
    """Random crops per image and step for encoders; a denoiser gets a fifth of them."""
    animation: Annotated[
        Options | None, Switch("guidance.tasks.shared.animation:AnimationOptions", "frames")
    ] = None
    """A video of the image while it moves; `frames` switches it on."""

    def build(self) -> Plan:
        from guidance.runs.plan import Plan
        from guidance.types import Generator

        canvas = self._canvas()
        kind = self.generator.component
        assert kind is not None and issubclass(kind, Generator)
        generator = kind.from_options(self.generator, canvas)
        animation = self._animation(generator, canvas)
        return Plan(
            generator,
            self._losses(),
            self.settings(),
            self.sample_prompts,
            self._views(canvas),
            warps=None if animation is None else animation.warp,
            artifacts=() if animation is None else (animation,),
        )

    def _canvas(self) -> Canvas:
        from guidance.generators.image.param.canvas import Canvas

        usual = 256 if self.preset == "best" else 128
        return Canvas(
            self.sample_seeds,
            self.size.pixels or usual,
            self.styled_prompts,
            device=self.torch_device(),
            steps=self.steps,
            optimizer=self.usual_optimizer if self.optimizer == "auto" else self.optimizer,
            follows_fsd=self._follows_fsd,
            default_size=self.size.pixels is None,
        )

    @property
    def _follows_fsd(self) -> bool:
        """Whether flow score distillation alone guides the run: latents then follow DDIM."""
        return [each.options.kind() for each in self.loss] == ["fsd"]

    @property
    def usual_optimizer(self) -> Literal["adam", "sgd"]:
        from guidance.generators.image.latent import Latent
        from guidance.generators.image.param.canvas import ImageOptions

        if isinstance(self.generator, Latent.Options) and self._follows_fsd:
            return "sgd"
        options = self.generator
        return options.usual_optimizer if isinstance(options, ImageOptions) else "adam"

    def settings(self) -> Settings:
        """The settings of the loop; an animation has the steps of all frames."""
        settings = super().settings()
        if self._animated is None:
            return settings
        steps = self._animated.animation(self.steps).steps
        return replace(settings, steps=steps, warm_up=self.steps)

    @property
    def _animated(self) -> AnimationOptions | None:
        assert self.animation is None or isinstance(self.animation, AnimationOptions)
        return self.animation

    def _animation(self, generator: Generator, canvas: Canvas) -> Animation | None:
        """The animation, after checking that the generator can be moved."""
        if self._animated is None:
            return None
        animation = self._animated.animation(self.steps)
        name = self.generator.kind()
        if self._views(canvas) is not None:
            raise InputError(
                f"--frames: above 512 pixels, {name} adds detail in the middle of a run, which "
                "would be visible in the video; use --size 512 or less"
            )
        for warp in animation.moves():
            generator.check_warp(warp)
        return animation

    def _views(self, canvas: Canvas) -> Views | None:
        """The views of a large image: the whole at low resolution, and later windows as well."""
        from guidance.generators.image.param.canvas import ImageOptions
        from guidance.generators.image.param.sizes import of_area
        from guidance.generators.image.param.windows import DETAIL, whole, whole_and_parts

        windows = isinstance(self.generator, ImageOptions) and self.generator.renders_windows
        if not windows or not canvas.is_large:
            return None

        look = of_area(canvas.size, LOOK)

        def views(context: StepContext) -> Windows:
            if context.phase == "validation" or context.progress < DETAIL:
                return whole(len(context.seeds), look)
            return whole_and_parts(context, WINDOWS, WINDOW, look, canvas.size)

        return views

    def _losses(self) -> Terms:
        from guidance.augment import Augment
        from guidance.generators.image.param.canvas import ImageOptions

        options = self.generator
        scale = options.crop_scale if isinstance(options, ImageOptions) else ImageOptions.crop_scale
        terms = self.losses(self.loss_context(Augment(crops=self.crops, scale=scale)))
        if isinstance(options, ImageOptions):
            terms = terms + self._regularizers(options)
        return terms

    def _regularizers(self, options: ImageOptions) -> Terms:
        """The regularizers whose weights are options of the generator."""
        from guidance.generators.image.cutout import Cutout
        from guidance.generators.image.noise import Noise
        from guidance.generators.image.stylegan import StyleGANImages
        from guidance.losses.latent_distance import LatentDistance
        from guidance.losses.noise_norm import NoiseNorm
        from guidance.losses.outline import Outline
        from guidance.losses.total_variation import TotalVariation
        from guidance.types import Terms

        terms = Terms()
        if isinstance(options, Cutout.Options):
            crisp = {} if self.animation is None else {"crispness": CRISP_IN_ANIMATIONS}
            terms = terms + options.outline * Outline(**OUTLINE | crisp)
        if isinstance(options, Noise.Options):
            terms = terms + options.noise_norm * NoiseNorm()
        if isinstance(options, StyleGANImages.Options) and not options.latent_distance.is_zero:
            terms = terms + options.latent_distance * LatentDistance()
        if not options.total_variation.is_zero:
            terms = terms + options.total_variation * TotalVariation()
        return terms
