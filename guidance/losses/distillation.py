"""Score distillation: moves images along the update direction of a frozen diffusion model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.augment import Augment, Crops, Part
from guidance.diffusion.base import Denoiser
from guidance.errors import InputError
from guidance.losses.images.encoding import batch_means
from guidance.losses.sds.batch import LatentBatch
from guidance.losses.sds.conditioning import Conditioning, PromptTexts, frozen
from guidance.losses.sds.latents import LatentEncoder, draw_noise, reference_images
from guidance.losses.sds.methods import check_arguments, find_method, parse_guidance_scale
from guidance.losses.sds.options import DistillationOptions, augment_for, options_for, weight_of
from guidance.losses.sds.predictions import NoisePredictions
from guidance.losses.sds.prompts import check_phrases
from guidance.losses.sds.times import Times
from guidance.losses.sds.validation import FIXED_TIMES, validation_loss
from guidance.losses.sds.weighting import find_weighting
from guidance.losses.text.arguments import (
    PromptArgument,
    as_prompts,
    broadcast_prompts,
    negative_phrases,
)
from guidance.losses.text.context import LossContext
from guidance.losses.text.views import views_of
from guidance.outputs import Images
from guidance.schedule import Schedule
from guidance.types import Loss, StepContext, Terms


class Distillation(Loss):
    """Score distillation with a frozen denoiser: SDS and ten other methods.

    On the latent z of each image, the update is

        g = w(t) [sum_k c_k e(x_t; y_k, t) - r],    x_t = alpha z + sigma e

    with noise predictions e(x_t; y, t) for prompts y. See `guidance.losses.sds.updates` for the
    factors c_k and the reference r of each method. The update is summed over the latent and
    averaged over views.

    The update is computed without gradient and is not the gradient of any scalar (it is a vector
    field). The loss is a surrogate whose gradient is g, differentiated through the image encoder
    and not through the denoiser or a decoder. Its value in a step is the root mean square of g, for
    display only: it does not tell which of two images is better. For validation
    (`context.phase`), the value is instead the scalar that the method approximately decreases, with
    fixed noise at fixed times; see `guidance.losses.sds.validation`.

    Args:
        prompt: one prompt for all samples, or one per sample; see `guidance.prompts`. Phrases are
            composed, `e_0 + s sum_k w_k (e_k - e_0)`.
        denoiser: a name for `guidance.diffusion.load_denoiser`, or a Denoiser.
        method: sds, csd, nfsd, bridge, asd, ism, sdi, fsd, dds, pds or rfds.
        guidance_scale: a number or a schedule, by default the method's; 1 is the conditional
            prediction alone.
        negative: prompts to push away from, for all samples, with their weights. A negative prompt
            in place of the empty text, as samplers use it, has the weight 1 - 1 / guidance_scale.
        perp_neg: uses only the component of the negatives that is perpendicular to the prompt. With
            `view_prompts`, views that hide the front get "front view" as a further negative.
        view_prompts: appends "front view", "side view" ... by camera, for rendered objects.
        times: the range of times in (0, 1), from clean to noise, each a number or a schedule; by
            default the method's.
        weighting: w(t): "one", "sigma2", "snr" or "sample"; by default the method's.
        unit: normalizes g of each image to rms 1, before w(t); by default as the method does.
        mean: divides g by the number of values of a latent, so that its weight relative to other
            losses does not depend on the size of the latent. Papers use the sum.
        source: prompts of what the images show before the edit, for dds and pds; like `prompt`.
        reference: images [n, v, 3, h, w] to edit, for dds and pds; by default the images before
            the first step.
        vae: see `load_denoiser`, "full" by default; for a denoiser given by name.
        augment: how images are drawn before they are encoded; None uses each image once, over
            white. Generators of latents (`guidance.generators.image.latent`) are not encoded.
        size: side in pixels of the encoded images; by default that of the denoiser's training.

    Raises:
        InputError: an unknown method or weighting; an argument that the method does not use; times
            outside (0, 1); another number of prompts than samples; `view_prompts` without cameras,
            or editing with cameras; phrases that are images or have a stop.
    """

    is_vector_field = True

    chosen_by_name = False  # its methods are, each with its own options

    Options = DistillationOptions

    @classmethod
    def from_options(cls, options: Any, context: LossContext) -> Terms:
        name = options.kind()
        method = find_method(name)
        return weight_of(method) * cls(
            context.prompts,
            denoiser=options.load(context.device),
            method=name,
            guidance_scale=None if method.guidance_scale is None else options.guidance_scale,
            negative=context.negative,
            view_prompts=context.view_prompts,
            unit=None if method.edits else method.weighting != "sample",
            mean=not method.edits,
            source=context.source_of(name) if method.edits else None,
            reference=context.reference if method.edits else None,
            augment=augment_for(method, context.augment),
        )

    def __init__(
        self,
        prompt: PromptArgument,
        *,
        denoiser: str | Denoiser,
        method: str = "fsd",
        guidance_scale: float | str | Schedule | None = None,
        negative: PromptArgument = (),
        perp_neg: bool = False,
        view_prompts: bool = False,
        times: tuple[float | str | Schedule, float | str | Schedule] | None = None,
        weighting: str | None = None,
        unit: bool | None = None,
        mean: bool = False,
        source: PromptArgument | None = None,
        reference: Float[Tensor, "n v 3 h w"] | None = None,
        vae: str | None = None,
        augment: Augment | None = None,
        size: int | None = None,
    ) -> None:
        super().__init__()
        self.name, self.method = method, find_method(method)
        self.prompts, self.sources = as_prompts(prompt), as_prompts(source or ())
        negatives = as_prompts(negative)
        given = {
            "guidance_scale": guidance_scale is not None,
            "source": bool(self.sources),
            "reference": reference is not None,
            "negative": bool(negatives),
            "perp_neg": perp_neg,
            "view_prompts": view_prompts,
        }
        check_arguments(method, [name for name, is_given in given.items() if is_given])
        self.guidance_scale = parse_guidance_scale(self.method, guidance_scale)
        self.negatives = negative_phrases(negatives or self.method.negative or ())
        check_phrases(self.negatives)
        for each in self.prompts + self.sources:
            check_phrases(each.phrases)
        self.perp_neg, self.view_prompts = perp_neg, view_prompts
        self.times = Times.parse(*(times or (self.method.low, self.method.high)))
        self.weight = find_weighting(weighting or self.method.weighting)
        self.unit = self.method.unit if unit is None else unit
        self.mean = mean
        self.augment, self.size = augment or Augment.plain(), size
        if vae is not None and not isinstance(denoiser, str):
            raise InputError(
                "vae: the denoiser is already loaded; give the denoiser by name, or remove vae"
            )
        self.vae = vae or "full"
        self.reference = reference
        self.denoisers = (denoiser,)  # a tuple, so that it does not become a submodule
        self._prepared: tuple[Conditioning, LatentEncoder] | None = None

    def prepare(self, start: Images) -> None:
        """Loads the denoiser, encodes all texts, and frees the text encoders."""
        n = len(start.image)
        prompts = [prompt.phrases for prompt in broadcast_prompts(self.prompts, n)]
        sources = reference = None
        if self.method.edits:
            if start.cameras is not None:
                raise InputError(
                    f"{self.name}: edits flat images only; use sds for rendered objects"
                )
            sources = [prompt.phrases for prompt in broadcast_prompts(self.sources, n)]
            reference = reference_images(start, self.reference)
        texts = PromptTexts.of(
            prompts,
            [self.negatives] * n,
            sources,
            suffixes=self.method.suffixes,
            view_prompts=self.view_prompts,
            perp_neg=self.perp_neg,
        )
        denoiser = frozen(self.denoisers[0], start.image.device, self.vae)
        if denoiser.prediction not in self.method.predictions:
            raise InputError(
                f"{self.name}: needs a denoiser that predicts "
                f"{' or '.join(self.method.predictions)}, but {denoiser.name} predicts "
                f"{denoiser.prediction}; use another method"
            )
        conditioning = Conditioning.encode(denoiser, texts, self.perp_neg)
        self._prepared = conditioning, LatentEncoder(denoiser, self.augment, reference)

    def parts(
        self, rendering: Images, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Micro-batches of images, each of which the denoiser sees in micro-batches of prompts."""
        n = rendering.shape[0]
        if self._prepared is None:
            self.prepare(rendering)
        assert self._prepared is not None
        conditioning, encoder = self._prepared
        if conditioning.num_samples != n:
            raise InputError(
                f"{self.name} was prepared for {conditioning.num_samples} samples, got images of "
                f"{n}; use a new loss"
            )
        views = self._views(rendering)
        size = self.size or conditioning.denoiser.image_size
        crops = self.augment.draw(context, rendering, size)
        for part in crops.parts(micro_batch):
            latents = encoder.encode(rendering, crops, part)
            with torch.no_grad():
                predictions = conditioning.predictions(
                    crops, part, views, context.progress, micro_batch
                )
                if context.phase == "validation":
                    value = self._validation_loss(predictions, latents, crops, part, context)
                    yield batch_means(value, crops, part)
                    continue
                source = encoder.encode_reference(crops, part) if self.method.edits else None
                update = self._update(
                    predictions, latents, source=source, crops=crops, part=part, context=context
                )
                value = update.flatten(1).square().mean(1).sqrt()
            # In float32 or more, and not as a difference of squares, which would cancel.
            surrogate = (update * latents).flatten(1).sum(1)
            yield batch_means(surrogate - surrogate.detach() + value, crops, part)

    def _update(
        self,
        predictions: NoisePredictions,
        latents: Float[Tensor, "b c h w"],
        *,
        source: Float[Tensor, "b c h w"] | None,
        crops: Crops,
        part: Part,
        context: StepContext,
    ) -> Float[Tensor, "b c h w"]:
        """The weighted update of one micro-batch."""
        _, v, k = crops.shape
        draws = context.uniform("distillation/time", v, k, 2)[part.place].flatten(0, 2)
        noise_context = context.at_start() if self.method.fixed_noise else context
        batch = LatentBatch(
            predictions=predictions,
            clean=latents,
            noise=draw_noise(noise_context, "distillation/noise", crops, part, latents),
            time=self.times.at(draws[:, 0], context.progress),
            draw=draws[:, 1],
            min_time=self.times.low(context.progress),
            guidance_scale=self.guidance_scale(context.progress),
            progress=context.progress,
            source=source,
        )
        update = self.method.update(batch)
        if self.unit:
            rms = update.flatten(1).square().mean(1).sqrt().clamp_min(1e-12)
            update = update / rms.view(-1, 1, 1, 1)
        return self.weight(batch.level) * (update / update[0].numel() if self.mean else update)

    def _validation_loss(
        self,
        predictions: NoisePredictions,
        latents: Float[Tensor, "b c h w"],
        crops: Crops,
        part: Part,
        context: StepContext,
    ) -> Float[Tensor, "b"]:
        """The validation loss of each image of one micro-batch."""
        noises = {
            time: draw_noise(context, f"distillation/noise at {time}", crops, part, latents)
            for time in FIXED_TIMES
        }
        factors = self.method.validation(self.guidance_scale(context.progress))
        return validation_loss(predictions, latents, noises, factors, self.weight)

    def _views(self, rendering: Images) -> Int[Tensor, "n v"]:
        """The index into `VIEW_PROMPTS` of each view, on the CPU; 0 without `view_prompts`."""
        if not self.view_prompts:
            n, v = rendering.shape[:2]
            return torch.zeros(n, v, dtype=torch.long)
        return views_of(rendering, self.name).cpu()

    @classmethod
    def tiny_from_denoiser(cls, denoiser: Denoiser, prompts: PromptArgument) -> Distillation:
        """A small instance for the contract tests."""
        return cls(prompts, denoiser=denoiser, method="sds", negative="a house")


def options_of(method: str) -> type[DistillationOptions]:
    """The options of a method of score distillation."""
    return options_for(method, Distillation)
