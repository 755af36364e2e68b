"""Images of a StyleGAN network edited by prompts: a face, a car, or whatever it was trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from guidance.config.fields import EditMethods, Losses
from guidance.errors import InputError
from guidance.generators.image.param.network import EMBEDDED, NamesNetwork
from guidance.masks import Mask
from guidance.prompts import Prompt
from guidance.schedule import Schedule
from guidance.tasks.base import Task
from guidance.tasks.stylegan.method import EditMethod
from guidance.tasks.stylegan.unused import refuse_changed

if TYPE_CHECKING:
    from guidance.generators.image.param.latents import Given, Kept
    from guidance.loop.settings import Settings
    from guidance.losses.text.context import LossContext
    from guidance.runs.plan import Plan
    from guidance.stylegan import StyleGAN
    from guidance.tasks.stylegan.source import Source
    from guidance.types import Terms

#: Crops of nearly the whole image, for losses.
CROPS, SCALE = 8, (0.7, 1.0)
#: Whose feature maps are compared in inversion, --keep and DONE.json.
ENCODER = "mini-people"


class StyleEdit(Task):
    """An image of a StyleGAN network edited by a prompt, after StyleCLIP (arXiv 2103.17249).

    `guide run style_edit --image face.png --prompt "a smiling person with red hair"`
    """

    PRESETS: ClassVar = {
        "draft": {"steps": 60, "inversion_steps": 100},
        "normal": {"steps": 300, "inversion_steps": 300},
        "best": {"steps": 300, "inversion_steps": 1000},
    }
    #: Of a sample of the embedded network, with a dictionary in the cache.
    PRESET_MINUTES: ClassVar = {
        "draft": "10 seconds on two cores",
        "normal": "10 seconds on two cores, 22 seconds with --image",
        "best": "20 seconds on two cores",
    }

    image: Path | None = None
    """The image to change; the middle square is used. Without one, samples of the network by
    --seed."""
    latents: Path | None = None
    """The latents.safetensors of an earlier run, to continue from its result."""
    network: Annotated[str, NamesNetwork(apart_from=EMBEDDED)] = "mini-stylegan"
    """The network: "mini-stylegan", or the folder that `guide models convert` has written."""
    truncation: float = Field(default=0.7, ge=0, le=2)
    """Distance of samples from the network's mean: lower is more typical, 0 the mean itself."""
    source: Prompt = Prompt.parse("a face")
    """What the images of the network show, e.g. "a car"."""
    mask: Mask | None = None
    """A mask in the size of the image, white = inside, or "words:the hair"; outside, no pixel is
    changed."""
    segmenter: str = "mini"
    """What finds the part of --mask words:...; see docs/regions.md."""
    method: EditMethods = Field(default="direction")  # type: ignore[assignment]
    """How the latents are found: "direction" takes seconds, "latent" optimizes them."""
    keep: float = Field(default=0.0, ge=0, le=1)
    """How much must stay: the change is reduced until the features of the image have moved by at
    most 1 - keep of the distance of two samples of the network. 0 does not reduce it."""
    inversion_steps: int = Field(default=300, ge=2, le=100_000)
    """Steps that find the latents of --image."""
    inversion: Literal["features", "lpips"] = "features"
    """What is compared there: features of the embedded encoder, or LPIPS (see --loss lpips)."""
    inversion_noise: bool = False
    """Also fits the noise maps of the network there, if it has any."""
    tuning_steps: int = Field(default=0, ge=0, le=100_000)
    """Further steps that change the weights of a copy of the network until it makes --image, for
    images that its latents do not reach; 350 are usual. The copy is written as network/."""
    loss: Losses = Field(default={"kind": "clip", "encoder": ENCODER})  # type: ignore[arg-type]
    """What guides --method latent, and is measured by --method direction. Add "content:0.3" or
    "lpips:0.3" to keep the identity."""
    # The schedule of StyleCLIP, which starts and ends at 0: there two steps of the run are lost.
    learning_rate: Schedule = Schedule.parse("0.07 -> 1 @ 0.05 -> 1 @ 0.75 -> 0.02 cosine")
    """Factor on the learning rate of the latents, 0.1, e.g. 0.5 or "1 -> 0.1 cosine"."""

    def build(self) -> Plan:
        from guidance.runs.artifacts.given_files import GivenFiles
        from guidance.runs.plan import Plan
        from guidance.stylegan import load_stylegan
        from guidance.tasks.stylegan.method import EditJob
        from guidance.tasks.stylegan.report import EditFiles

        self._check()
        network = load_stylegan(self.network, self.torch_device())
        source = self._source(network)
        notes = list(source.notes)
        job = EditJob(network, source, self.styled_prompts, self.source, self.negative, notes=notes)
        given = self._given(source)
        kept = self._kept(network, source, given)
        generator = self._method.generator(replace(job, given=given, kept=kept))
        files, found = self._mask_files(given)
        return Plan(
            generator,
            self._losses(source),
            self.settings(),
            self.sample_prompts,
            artifacts=(
                EditFiles(network, source, self._method, ENCODER, self.network in EMBEDDED),
                *((GivenFiles(files),) if files else ()),
            ),
            notes=(*notes, *found),
        )

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.network, ENCODER, *super().models)))

    @property
    def _method(self) -> EditMethod:
        assert isinstance(self.method, EditMethod)
        return self.method

    def settings(self) -> Settings:
        """The settings of the loop; some methods have their own number of steps."""
        settings = super().settings()
        own = self._method.own_steps
        return settings if own is None else replace(settings, steps=own)

    def _check(self) -> None:
        """Raises InputError for options that would have no effect."""
        if self.image is not None and self.latents is not None:
            raise InputError("--latents: the image gives the latents; remove --image or --latents")
        usual = self.PRESETS[self.preset]
        if self.image is None:
            of_images = ("inversion", "inversion_steps", "inversion_noise", "tuning_steps")
            refuse_changed(self, of_images, "applies only to --image; remove it", usual)
        if self.image is not None or self.latents is not None:
            refuse_changed(
                self, ("truncation",), "applies only to samples of the network; remove it", usual
            )
        refuse_changed(self, self._method.IGNORED, self._method.WHY_IGNORED, usual)

    def _source(self, network: StyleGAN) -> Source:
        from guidance.tasks.stylegan import source

        n = len(self.sample_prompts)
        if self.latents is not None:
            return source.from_file(network, self.latents, n)
        if self.image is None:
            return source.from_seeds(network, self.sample_seeds, self.truncation)
        how = source.Inverting(
            self.inversion_steps, self.inversion, ENCODER, self.inversion_noise, self.tuning_steps
        )
        return source.from_image(network, self.image, n, how)

    def _given(self, source: Source) -> Given | None:
        from guidance.tasks.shared.photo import GivenMask
        from guidance.tasks.stylegan.source import given_outside

        mask = GivenMask(self.mask, self.segmenter, self.torch_device())
        return given_outside(source, mask, self.image)

    def _mask_files(self, given: Given | None) -> tuple[tuple[tuple[str, bytes], ...], tuple[str, ...]]:
        """The masks that were found by words, one below the other, and a note about them."""
        if given is None or self.mask is None or self.mask.words is None:
            return (), ()
        from guidance.tasks.shared.photo import GivenMask, found_mask

        column = given.mask.cpu().flatten(0, 2)[None]
        return found_mask(GivenMask(self.mask, self.segmenter), column)

    def _kept(self, network: StyleGAN, source: Source, given: Given | None) -> Kept | None:
        """What must stay, relative to the network's images of the source."""
        if self.keep <= 0:
            return None
        import torch

        from guidance.generators.image.param.latents import Kept
        from guidance.tasks.stylegan.kept import FeatureDistance, KeptShare

        with torch.no_grad():
            before = source.latents.images(source.network.synthesis)
        distance = FeatureDistance(ENCODER, network.device)
        return Kept(self.keep, KeptShare(distance, network, before))

    def _losses(self, source: Source) -> Terms:
        context: LossContext = self.loss_context(self._augment())
        context = replace(context, source=self.source, reference=source.images[:, None])
        return self.losses(context) + self._method.regularizers()

    @staticmethod
    def _augment() -> Any:
        from guidance.augment import Augment

        return Augment(crops=CROPS, scale=SCALE)
