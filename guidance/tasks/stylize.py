"""Images and videos in another style: the patches of an image are changed to match a prompt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from guidance.config.fields import Losses, StyleGenerators
from guidance.errors import InputError
from guidance.masks import Mask
from guidance.prompts import Prompt
from guidance.tasks.base import Task
from guidance.tasks.style.generator import StyleGenerator
from guidance.tasks.style.generators.unet import UNetStyle

if TYPE_CHECKING:
    from guidance.runs.plan import Plan
    from guidance.tasks.shared.photo import Photo
    from guidance.types import Terms

#: Crops of the contrastive loss, which sees nearly the whole image.
WHOLE_CROPS, WHOLE_SCALE = 8, (0.7, 1.0)


class Stylize(Task):
    """An image in another style, after CLIPstyler (Kwon & Ye, arXiv 2112.00374).

    `guide run stylize --image photo.jpg --prompt "a mosaic"`
    """

    PRESETS: ClassVar = {
        "draft": {"steps": 60, "size": 192},
        "normal": {"steps": 200},
        "best": {"steps": 300, "size": 512},
    }
    #: From the processor time of single steps on one core, for a 4:3 photo and one prompt.
    PRESET_MINUTES: ClassVar = {
        "draft": "20 seconds on two cores",
        "normal": "2 minutes on two cores",
        "best": "6 minutes on two cores",
    }

    image: Path | None = None
    """The image to change (PNG, JPEG, WebP, AVIF, GIF, BMP, TIFF or PPM), or a video (MP4, MOV, MKV,
    WebM, AVI, MPEG, TS, FLV, WMV or GIF), of which one "unet" changes all frames."""
    source: Prompt = Prompt.parse("a photo")
    """What the image is: the style is a direction from this text to the prompt."""
    mask: Mask | None = None
    """A mask, white = inside, or "words:the hair"; outside, no pixel is changed."""
    segmenter: str = "mini"
    """What finds the part of --mask words:...; see docs/regions.md."""
    generator: StyleGenerators = Field(default="unet")  # type: ignore[assignment]
    """What changes the image."""
    size: int = Field(default=256, ge=16, le=2048)
    """Pixels of the longer side during the run."""
    # The weights of CLIPstyler are 9000, 500, 150 and 0.002; Adam is invariant to a common factor,
    # so all are divided by 9000. Patches and direction mean the same there and here: 1 and 0.06.
    # Its content loss is not relative to the features and its total variation is a sum over pixels,
    # so those two weights are chosen by eye instead: with a content weight of 0.15, an apple on the
    # embedded models becomes a single color. The contrastive loss is an addition: it separates the
    # style from similar ones.
    loss: Losses = Field(default="patches,directional:0.06,content:0.5,contrastive:0.2")  # type: ignore[arg-type]
    """The losses with their weights: style of patches, style of the whole image, content, and whole
    images against the prompt. --encoder is an option of each."""

    def build(self) -> Plan:
        from guidance.media.read_video import is_video
        from guidance.runs.plan import Plan
        from guidance.runs.artifacts.given_files import GivenFiles
        from guidance.tasks.shared.photo import GivenMask, found_files, masked, open_photo

        if self.image is not None and is_video(self.image):
            return self._video_plan(self.image)
        mask = GivenMask(self.mask, self.segmenter, self.torch_device())
        photo = open_photo(self.image, mask, self.size, "stylize")
        files, notes = found_files(mask, photo)
        generator = masked(self._style.generator(photo, self.sample_seeds), photo)
        return Plan(
            generator,
            self._losses(photo),
            self.settings(),
            self.sample_prompts,
            artifacts=(GivenFiles(files),) if files else (),
            notes=notes,
        )

    @property
    def _style(self) -> StyleGenerator:
        assert isinstance(self.generator, StyleGenerator)
        return self.generator

    def _video_plan(self, path: Path) -> Plan:
        from guidance.media.read_video import open_video
        from guidance.runs.plan import Plan
        from guidance.tasks.shared.photo import GivenMask, masks_of, sides_of
        from guidance.tasks.style import video

        if not isinstance(self.generator, UNetStyle):
            raise InputError(
                f"--generator {self.generator.kind()} changes the pixels of one image; use "
                "--generator unet for a video"
            )
        if self.generator.full_size:
            raise InputError("--full-size: videos are always written in their own size; remove it")
        footage = open_video(path)
        size = (footage.height, footage.width)
        sides = sides_of(path, size, self.size)
        given = GivenMask(self.mask).read(None, path.name, size)
        original_mask, mask = masks_of(given, sides)
        generator = video.video_generator(self.sample_seeds, footage, sides, mask)
        return Plan(
            generator,
            self._losses(None),
            self.settings(),
            self.sample_prompts,
            video.views(footage, self.generator.frames_per_step),
            artifacts=(video.video_file(generator, footage, original_mask),),
            notes=(
                f"{path.name}: {footage.frames} frames of {footage.width} x {footage.height} "
                f"pixels, {float(footage.rate):g} per second",
            ),
        )

    def _losses(self, photo: Photo | None) -> Terms:
        """The losses; without a photo, each frame of a video is compared with itself."""
        from guidance.augment import Augment
        from guidance.losses.total_variation import TotalVariation

        context = replace(
            self.loss_context(Augment(crops=WHOLE_CROPS, scale=WHOLE_SCALE)),
            source=self.source,
            reference=None
            if photo is None
            else photo.content.expand(len(self.sample_prompts), 1, -1, -1, -1),
        )
        terms = self.losses(context)
        if not self._style.total_variation.is_zero:
            terms = terms + self._style.total_variation * TotalVariation()
        return terms
