"""Images edited by prompts: changed from what one text describes to what another describes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from guidance.config.fields import Losses
from guidance.errors import InputError
from guidance.masks import Mask
from guidance.prompts import Prompt
from guidance.tasks.base import Task

if TYPE_CHECKING:
    from guidance.diffusion.options import DenoiserOptions
    from guidance.runs.plan import Plan

#: Learning rates of the latents by optimizer. A step of SGD moves them by 0.049 of the update, as
#: in the code of DDS (a rate of 0.1, a loss of 2000, 64 x 64 latents): with Nesterov momentum of
#: 0.9 a tenth of that is the rate, divided by the weight of the loss. Adam moves unimportant values
#: as far as important ones, and so changes more than was asked for.
RATES = {"sgd": 0.1 * 2000 / 64**2 / 10 / 1e-3, "adam": 0.03}
#: Pixels of the longer side in previews and for the judge, if the image keeps its size.
PREVIEW = 256


class Edit(Task):
    """An image edited by a prompt, after Delta Denoising Score (Hertz et al., arXiv 2304.07090).

    `guide run edit --image apple.png --source "a red apple" --prompt "a green apple"`
    """

    PRESETS: ClassVar = {
        "draft": {"steps": 100},
        "normal": {"steps": 200},
        "best": {"steps": 500},
    }
    #: Processor time of the whole command with the embedded denoiser; most of the first is imports.
    PRESET_MINUTES: ClassVar = {
        "draft": "20 seconds of one core",
        "normal": "26 seconds of one core",
        "best": "52 seconds of one core",
    }

    image: Path | None = None
    """The image to change: PNG, JPEG, WebP, AVIF, GIF, BMP, TIFF or PPM."""
    source: Prompt | None = None
    """What the image shows now, in a text that differs from the prompt where it should change."""
    mask: Mask | None = None
    """A mask, white = inside, or "words:the hair"; outside, no pixel is changed."""
    segmenter: str = "mini"
    """What finds the part of --mask words:...; see docs/regions.md."""
    size: Annotated[int, Field(ge=16, le=2048)] | Literal["image"] = "image"
    """Pixels of the longer side of the result; "image" keeps the size of the image. Changes are as
    sharp as the denoiser's resolution, the rest is as sharp as before."""
    loss: Losses = Field(default="dds")  # type: ignore[arg-type]
    """How the denoiser guides: "dds" follows the difference between the predictions for the prompt
    and for the source; "pds" also pulls back to the image and stays closer to it. --denoiser is an
    option of both."""

    @property
    def usual_optimizer(self) -> Literal["adam", "sgd"]:
        return "sgd"

    def build(self) -> Plan:
        from guidance.augment.whole import Whole
        from guidance.generators.image.latent_edit import LatentEdit
        from guidance.runs.plan import Plan
        from guidance.runs.artifacts.given_files import GivenFiles
        from guidance.tasks.shared.photo import GivenMask, eight_bits, found_files, open_photo

        source = self._source()
        longer = PREVIEW if self.size == "image" else self.size
        mask = GivenMask(self.mask, self.segmenter, self.torch_device())
        photo = open_photo(self.image, mask, longer, "edit")
        files, notes = found_files(mask, photo)
        own = (eight_bits(photo.original), photo.original_mask)
        generator = LatentEdit(
            self.sample_seeds,
            photo.content,
            denoiser=self._denoiser().load(self.torch_device()),
            mask=photo.mask,
            learning_rate=RATES["sgd" if self.optimizer == "auto" else self.optimizer],
            original=own if self.size == "image" else None,
        )
        context = replace(
            self.loss_context(Whole.plain()), source=source, reference=generator.before()
        )
        return Plan(
            generator,
            self.losses(context),
            self.settings(),
            self.sample_prompts,
            artifacts=(GivenFiles(files),) if files else (),
            notes=notes,
        )

    def _denoiser(self) -> DenoiserOptions:
        """The diffusion model of the loss, whose latents are edited."""
        from guidance.diffusion.options import DenoiserOptions

        for each in self.components:
            if isinstance(each, DenoiserOptions):
                return each
        raise InputError("--loss: edit needs a loss with a denoiser; use dds or pds")

    def _source(self) -> Prompt:
        """The source. Raises InputError if it is missing, or equal to the prompt."""
        if self.source is None:
            raise InputError(
                'edit: no source; say what the image shows now: --source "a red apple"'
            )
        if self.source.phrases in [prompt.phrases for prompt in self.styled_prompts]:
            raise InputError(
                f"--source {self.source.text[:60]!r} is equal to the prompt, so nothing would "
                "change; describe what the image shows now"
            )
        return self.source
