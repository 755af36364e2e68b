"""Images and clips in another style: a photo is changed until its patches fit the words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from guidance.errors import InputError
from guidance.prompts import parse_prompt, read_templates
from guidance.tasks.base import Task
from guidance.tasks.shared.guides import was_given

if TYPE_CHECKING:
    from guidance.runs.plan import Plan
    from guidance.tasks.shared.photos import Photo
    from guidance.types import Generator, Terms

#: Of a pyramid: the largest finest level, and Adam's rate, half of that without an image to keep.
FINEST, PYRAMID_RATE = 2048, 0.01
#: Weights of smoothness, chosen by eye. A network makes even images by itself.
TOTAL_VARIATION = {"unet": 0.02, "pyramid": 0.5}
#: Of a clip: more frames share the same crops, fewer are a random walk among them.
FRAMES_PER_STEP = 4
#: CLIPstyler's threshold is of ViT-B/32. Crops that the embedded models see go further: at 0.7 most
#: of them are done before the style can be seen, at 0.2 few are (chosen by eye).
THRESHOLD, THRESHOLD_OF_MINI = 0.7, 0.2


class Stylize(Task):
    """An image in another style, after CLIPstyler (Kwon & Ye, arXiv 2112.00374).

    `guide run stylize --image photo.jpg --prompt "a mosaic"`
    """

    PRESETS: ClassVar = {
        "draft": {"steps": 60, "crops": 24, "size": 192},
        "normal": {"steps": 200, "crops": 64},
        "best": {"steps": 300, "crops": 96, "size": 512},
    }
    #: From the processor time of single steps on one core, for a photo of 4:3 and one prompt.
    PRESET_MINUTES: ClassVar = {
        "draft": "20 seconds on two cores",
        "normal": "2 minutes on two cores",
        "best": "6 minutes on two cores",
    }

    picture: Path | None = None
    """The image to change: PNG, JPEG, WebP, GIF, BMP, TIFF or PPM. Or a clip, MP4, MOV, MKV,
    WebM, AVI or GIF, that one "unet" changes as a whole: stylized.mp4 in its own size, silent."""
    source: str = "a photo"
    """What the image is, in words: the style leads from there to the prompt."""
    mask: Path | None = None
    """An image that is white where to change; where it is black, not a bit is changed."""
    generator: Literal["unet", "pyramid"] = "unet"
    """"unet" is a small network from the image to the result; "pyramid" the pixels themselves."""
    size: int = Field(default=256, ge=16, le=2048)
    """Pixels of the longer side, which the image is brought to."""
    full_size: bool | None = None
    """Applies the finished "unet" to the image in its own size as well, in tiles: full.png."""
    frames_per_step: int | None = Field(default=None, ge=1, le=64)
    """Frames of a clip that a step looks at, among which the crops are dealt out (4)."""
    contrastive_weight: float = Field(default=0.2, ge=0)
    """Weight of the "logit" loss, whole images against the prompt, beside the others."""
    loss: Literal["cosine"] = "cosine"
    """Directions are compared by their cosine."""
    crops: int = Field(default=64, ge=1, le=1024)
    """Random crops that the encoder sees in a step."""
    crop_size: float = Field(default=0.25, gt=0, le=2048)
    """Their side as a share of the image's shorter side; above 1, in pixels."""
    threshold: float | None = Field(default=None, ge=0, le=2)
    """Crops whose loss is lower are stylized enough (0.2 for mini, 0.7 for others)."""
    patch: float | str = 1.0
    """Weight of the style of the crops; a number or a schedule."""
    direction: float | str = 0.06
    """Weight of the style of the whole image."""
    content: float | str = 0.5
    """Weight of what the image shows."""
    total_variation: float | str | None = None
    """Weight of few differences between neighbouring pixels (0.02 of "unet", 0.5 of "pyramid")."""

    @field_validator("source")
    @classmethod
    def _check_source(cls, source: str) -> str:
        parse_prompt(source)
        return source

    def build(self) -> Plan:
        from guidance.media.video_input import is_video
        from guidance.runs.plan import Plan
        from guidance.tasks.shared.photos import open_photo

        self._refuse_ignored()
        if self.picture is not None and is_video(self.picture):
            return self._plan_of_clip(self.picture)
        if self.frames_per_step is not None:
            raise InputError("frames_per_step: a still image has one frame; leave it out")
        pictures = open_photo(self.picture, self.mask, self.size, "stylize")
        return Plan(
            self._generator(pictures), self._losses(pictures), self.settings(), self.sample_prompts
        )

    def _plan_of_clip(self, path: Path) -> Plan:
        from guidance.media.video_input import open_video
        from guidance.runs.plan import Plan
        from guidance.tasks.shared import video as filming
        from guidance.tasks.shared.photos import masks_of, sides_of

        if self.generator != "unet":
            raise InputError(
                f"generator: a {self.generator} is the pixels of one image; a clip needs "
                "--generator unet"
            )
        if self.full_size is not None:
            raise InputError("full_size: a clip is made in its own size anyway; leave it out")
        footage = open_video(path)
        size = (footage.height, footage.width)
        sides = sides_of(path, size, self.size)
        original_mask, mask = masks_of(self.mask, size, sides)
        made = filming.film(self.sample_seeds, footage, sides, mask)
        return Plan(
            made,
            self._losses(None),
            self.settings(),
            self.sample_prompts,
            filming.looks(footage, self.frames_per_step or FRAMES_PER_STEP),
            video=filming.video(made, footage, original_mask),
            notes=(
                f"{path.name}: {footage.frames} frames of {footage.width} x {footage.height} "
                f"pixels, {float(footage.rate):g} a second",
            ),
        )

    def _refuse_ignored(self) -> None:
        """Raises InputError for options that were given and would do nothing."""
        if self.full_size is not None and self.generator != "unet":
            raise InputError(
                f"full_size: a {self.generator} has one size; leave it out, or use --generator unet"
            )
        for name in ("denoiser", "guidance_scale", "vae", "compiled"):
            if was_given(self, name):
                raise InputError(f"{name}: stylize asks no denoiser; leave it out")
        if self.region:
            raise InputError("region: stylize changes one part of an image; give it by --mask")

    def _generator(self, pictures: Photo) -> Generator:
        from guidance.generators.image.masked import Masked
        from guidance.generators.image.pyramid import Pyramid
        from guidance.generators.image.unet import Original, UNet

        content = pictures.content
        made: Generator
        if self.generator == "unet":
            original = Original(pictures.original, pictures.original_mask)
            made = UNet(self.sample_seeds, content, original=original if self.full_size else None)
        else:
            height, width = content.shape[1:]
            finest = min(FINEST, 1 << (max(height, width) - 1).bit_length())
            made = Pyramid(
                self.sample_seeds,
                (height, width),
                finest=finest,
                learning_rate=PYRAMID_RATE,
                start=content,
            )
        return made if pictures.mask is None else Masked(made, content, pictures.mask)

    def _losses(self, pictures: Photo | None) -> Terms:
        """Those of CLIPstyler, in this house's units; the frames of a clip bring their own source.

        Its weights are 9000, 500, 150 and 0.002; Adam does not mind a common factor, so all are
        divided by 9000. Patch and direction mean the same there and here: 1 and 0.06. Its content
        loss is not in shares of the features, and its total variation is a sum over pixels, so
        those two weights are chosen by eye instead: with a content of 0.15, an apple on the
        embedded models turns into one colour. A little of "logit", which CLIPstyler has not, tells
        the style from what is like it.
        """
        from guidance.augment import Augment
        from guidance.losses.clip import Clip
        from guidance.losses.content import Content
        from guidance.losses.directional import Directional
        from guidance.losses.total_variation import TotalVariation
        from guidance.losses.patches import PatchDirectional
        from guidance.types import Terms

        reference = None
        if pictures is not None:
            reference = pictures.content.expand(len(self.sample_prompts), 1, -1, -1, -1)
        wordings = read_templates(self.templates)
        losses = Terms()
        for encoder in self.encoder:
            usual = THRESHOLD_OF_MINI if encoder.startswith("mini") else THRESHOLD
            patches = PatchDirectional(
                self.styled_prompts,
                self.source,
                negative=self.negative,
                at=self.at,
                templates=wordings,
                encoder=encoder,
                crops=self.crops,
                crop_size=self.crop_size,
                threshold=usual if self.threshold is None else self.threshold,
                reference=reference,
            )
            whole = Directional(
                self.styled_prompts,
                self.source,
                negative=self.negative,
                at=self.at,
                templates=wordings,
                encoder=encoder,
                augment=None,
                reference=reference,
            )
            losses = losses + self.patch * patches + self.direction * whole
        if self.content != 0:
            losses = losses + self.content * Content(encoder=self.encoder[0], reference=reference)
        smooth = self.total_variation
        smooth = TOTAL_VARIATION[self.generator] if smooth is None else smooth
        if smooth != 0:
            losses = losses + smooth * TotalVariation()
        if self.contrastive_weight:
            augment = Augment(crops=8, scale=(0.7, 1.0))
            losses = losses + self.contrastive_weight * Clip(
                self.styled_prompts,
                encoder=self.encoder,
                kind="logit",
                negative=self.negative,
                augment=augment,
                at=self.at,
                templates=wordings,
            )
        return losses
