"""Images edited by words: changed from what one text says to what another says, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from guidance.errors import InputError
from guidance.prompts import parse_prompt
from guidance.tasks.base import Task
from guidance.tasks.shared.guides import DENOISER, load

if TYPE_CHECKING:
    from guidance.diffusion import Denoiser
    from guidance.generators.image.latent_edit import LatentEdit
    from guidance.runs.plan import Plan
    from guidance.types import Terms

#: Of the distillation beside total variation.
WEIGHT = 1e-3
#: Of the latents, by optimizer. In the end, a step of SGD moves them by 0.049 of the field, as in
#: the code of DDS (a rate of 0.1, a loss of 2000, 64 x 64 latents): with Nesterov's momentum of 0.9
#: a tenth of that is the rate, but for the loss's weight. Adam gives what hardly matters as much
#: room as what does, and so changes more than was asked for.
RATES = {"sgd": 0.1 * 2000 / 64**2 / 10 / WEIGHT, "adam": 0.03}
#: Pixels of the longer side of what previews show and the judge sees, where no size is given.
LOOK = 256
#: What a denoiser does not follow: it is asked about plain prompts.
NOT_FOLLOWED = ("at", "region", "image_prompt")
#: What belongs to encoders. Empty here, so that whatever is given is refused, also what other
#: tasks have anyway; a configuration that a run has written still has nothing to refuse.
OF_ENCODERS = ("encoder", "contrastive_weight", "templates")


class Edit(Task):
    """An image edited by words, after Delta Denoising Score (Hertz et al., arXiv 2304.07090).

    `guide run edit --image apple.png --source "a red apple" --prompt "a green apple"`
    """

    PRESETS: ClassVar = {
        "draft": {"steps": 100},
        "normal": {"steps": 200},
        "best": {"steps": 500},
    }
    #: Processor time of the whole command with the embedded denoiser; most of the first is imports.
    PRESET_MINUTES: ClassVar = {
        "draft": "20 seconds of one core; not measured on a GPU",
        "normal": "26 seconds of one core; not measured on a GPU",
        "best": "52 seconds of one core; not measured on a GPU",
    }

    HAS_NO: ClassVar = (*NOT_FOLLOWED, *OF_ENCODERS)

    picture: Path | None = None
    """The image to change: PNG, JPEG, WebP, GIF, BMP, TIFF or PPM."""
    source: str | None = None
    """What it shows now, in words that differ from the prompt where it is to change."""
    mask: Path | None = None
    """An image that is white where to change; where it is black, not a bit is changed."""
    size: int | None = Field(default=None, ge=16, le=2048)
    """Pixels of the longer side that the image is brought to; without it the result has the
    image's own. What changes is as sharp as the denoiser draws, the rest as sharp as it was."""
    loss: Literal["dds", "pds"] = "dds"
    """How the denoiser's answers guide: "dds" follows the difference between those for the prompt
    and for the source; "pds" is drawn back to the image as well, and stays nearer to it."""
    optimizer: Literal["adam", "sgd"] | None = None
    """How gradients become steps (sgd); "adam" changes more than was asked for."""
    total_variation: float | str = 0.0
    """Weight of few differences between neighbouring pixels; a number or a schedule."""
    encoder: list[str] = Field(default=[])
    contrastive_weight: float = 0.0
    templates: str = ""

    @field_validator("source")
    @classmethod
    def _check_source(cls, source: str | None) -> str | None:
        if source is not None:
            parse_prompt(source)
        return source

    @field_validator("loss")
    @classmethod
    def _check_loss(cls, loss: str) -> str:
        """The type says all: names and weights of other tasks' losses are not read here."""
        return loss

    @property
    def usual_optimizer(self) -> Literal["adam", "sgd"]:
        return "sgd"

    @property
    def denoisers(self) -> tuple[str, ...]:
        return (self.denoiser or DENOISER,)

    @property
    def loss_models(self) -> tuple[str, ...]:
        return self.denoisers

    def build(self) -> Plan:
        from guidance.generators.image.latent_edit import LatentEdit
        from guidance.runs.plan import Plan
        from guidance.tasks.shared.photos import eight_bits, open_photo

        self._refuse_ignored()
        source = self._source()
        photo = open_photo(self.picture, self.mask, self.size or LOOK, "edit")
        own = (eight_bits(photo.original), photo.original_mask)
        denoiser = load(self)
        made = LatentEdit(
            self.sample_seeds,
            photo.content,
            denoiser=denoiser,
            mask=photo.mask,
            learning_rate=RATES[self.optimizer or self.usual_optimizer],
            original=None if self.size else own,
        )
        losses = self._losses(made, denoiser, source)
        return Plan(made, losses, self.settings(), self.sample_prompts)

    def _refuse_ignored(self) -> None:
        """Raises InputError for options that were given and would do nothing."""
        for name in NOT_FOLLOWED:
            if getattr(self, name):
                raise InputError(f"{name}: {self.loss} follows plain prompts; leave it out")
        for name in OF_ENCODERS:
            if getattr(self, name):
                raise InputError(f"{name}: is of encoders, and edit asks none; leave it out")

    def _source(self) -> str:
        """What the image shows. Raises InputError where nothing, or nothing else, is said."""
        if self.source is None:
            raise InputError(
                'edit: no source; say what the image shows now: --source "a red apple"'
            )
        wanted = [parse_prompt(prompt) for prompt in self.styled_prompts]
        if parse_prompt(self.source) in wanted:
            raise InputError(
                f"source {self.source[:60]!r}: is the prompt, too, so nothing would change; say "
                "what the image shows now"
            )
        return self.source

    def _losses(self, made: LatentEdit, denoiser: Denoiser, source: str) -> Terms:
        from guidance.augment.whole import Whole
        from guidance.losses.distillation import Distillation
        from guidance.losses.total_variation import TotalVariation
        from guidance.types import Terms

        losses = Terms.of(
            WEIGHT
            * Distillation(
                self.styled_prompts,
                denoiser=denoiser,
                method=self.loss,
                guidance_scale=self.guidance_scale,
                negative=self.negative,
                source=source,
                reference=made.before(),
                augment=Whole.plain(),
            )
        )
        if self.total_variation != 0:
            losses = losses + self.total_variation * TotalVariation()
        return losses
