"""Score distillation: images follow what a frozen diffusion model makes of their noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.augment import Augment, Crops, Part
from guidance.augment.whole import Whole
from guidance.diffusion.base import Condition, Denoiser
from guidance.diffusion.latents import LatentRendering
from guidance.errors import InputError
from guidance.losses.images.encoding import sample_means
from guidance.losses.sds.methods import (
    FINE_ENDING,
    POOR_ENDING,
    Times,
    check_negatives,
    check_source,
    find_method,
    find_weighting,
)
from guidance.losses.sds.predictions import NoisePredictions
from guidance.losses.sds.prompts import Group, Texts
from guidance.losses.sds.updates import Point
from guidance.losses.sds.validation import FIXED_TIMES, validation_loss
from guidance.losses.text.arguments import as_prompts, broadcast_prompts, negative_phrases
from guidance.losses.text.views import view_indices
from guidance.outputs import Images, Rendering
from guidance.schedule import Schedule
from guidance.types import Loss, StepContext


class Distillation(Loss):
    """The gradient by which a frozen denoiser would change images to fit their words.

    On the latent z of each image, `g = w(t) [sum_k c_k e(x_t; y_k, t) - r]`, found without
    gradient, see `guidance.losses.sds.updates` for the methods; then summed over the latent,
    averaged over views. It is a vector field and no slope of any number: the loss is a surrogate
    whose gradient is `g` through the encoder of images, and nothing through the network or a
    decoder.
    Its value in a step is the root mean square of g, to be looked at, not to be compared.

    Validation needs a value that says which state is better, and that is not it. There the value
    is the quantity that the field goes down, as far as it goes down any, by fixed noise at fixed
    times: see `guidance.losses.sds.validation`.

    Args:
        prompt: in the grammar of `guidance.prompts`; one for all samples, or one a sample.
            Phrases are composed, `e_0 + s sum_k w_k (e_k - e_0)`.
        denoiser: a name as `guidance.diffusion.load_denoiser` takes it, or a Denoiser.
        method: sds, csd, nfsd, bridge, asd, ism, sdi, fsd, dds, pds or rfds.
        guidance_scale: a number or a schedule, by default the method's own; 1 is the condition
            alone.
        negative: phrases to be guided away from, for all samples, as strongly as their weight
            says. A negative in place of the empty text, as samplers use it, is one of weight
            1 - 1 / guidance_scale.
        perp_neg: lets negatives take nothing from what the prompt wants; with `view_prompts`, views
            that hide the front get "front view" as one more negative.
        view_prompts: adds "front view", "side view" ... by the cameras, for rendered objects.
        times: the range of times in (0, 1), from clean to noise, each a number or a schedule; by
            default the method's own.
        weighting: w(t): "one", "sigma2", "snr" or "sample"; by default the method's own.
        unit: brings g of each image to rms 1 before the weight; by default the method's own.
        mean: divides g by the number of values of a latent, so that its weight beside other losses
            means the same for small latents and large ones. Papers have the sum.
        source: what the images show before, for dds and pds; like `prompt`.
        reference: images [n, v, 3, h, w] to edit, for dds and pds; by default those before the
            first step.
        vae: as `load_denoiser` takes it, "full" by default; of a denoiser given by its name.
        augment: how images are varied before they are encoded; None shows each as it is, over
            white. Latents of `guidance.generators.image.latent` are read as they are.
        size: pixels a side that are encoded; by default what the denoiser was trained on.

    Raises:
        InputError: an unknown method or weighting; an option that the method has no use for; times
            outside (0, 1); another number of prompts than samples; `view_prompts` without cameras,
            or editing with cameras; phrases that are images or have a stop.
    """

    is_vector_field = True

    def __init__(
        self,
        prompt: str | Sequence[str],
        *,
        denoiser: str | Denoiser,
        method: str = "fsd",
        guidance_scale: float | str | None = None,
        negative: str | Sequence[str] = (),
        perp_neg: bool = False,
        view_prompts: bool = False,
        times: tuple[float | str, float | str] | None = None,
        weighting: str | None = None,
        unit: bool | None = None,
        mean: bool = False,
        source: str | Sequence[str] | None = None,
        reference: Float[Tensor, "n v 3 h w"] | None = None,
        vae: str | None = None,
        augment: Augment | None = None,
        size: int | None = None,
    ) -> None:
        super().__init__()
        self.name, self.method = method, find_method(method)
        if guidance_scale is not None and self.method.scale is None:
            raise InputError(f"guidance_scale: {method} has none; leave it out")
        scale = self.method.scale if guidance_scale is None else guidance_scale
        self.scale = Schedule.parse(1.0 if scale is None else scale)
        if min(self.scale.values) < 0:
            raise InputError(
                f"guidance_scale {scale!r}: expected at least 0, as 1 is the prompt alone; what is "
                "to be guided away from is a negative"
            )
        self.prompts, self.sources = as_prompts(prompt), as_prompts(source or ())
        check_source(method, bool(self.sources), reference is not None)
        self.given = reference
        given = as_prompts(negative)
        check_negatives(method, bool(given), perp_neg, view_prompts)
        self.negatives = negative_phrases(given or self.method.negative or ())
        self.perp_neg, self.view_prompts = perp_neg, view_prompts
        self.times = Times.parse(*(times or (self.method.low, self.method.high)))
        self.weight = find_weighting(weighting or self.method.weighting)
        self.unit = self.method.unit if unit is None else unit
        self.mean = mean
        self.augment, self.size = augment or Augment.plain(), size
        # Tells what denoisers do not read before one is loaded.
        Texts().group([self.negatives, *(p.phrases for p in (*self.prompts, *self.sources))])
        if vae is not None and not isinstance(denoiser, str):
            raise InputError("vae: the denoiser is loaded already; give its name, or leave vae out")
        self.vae = vae or "full"
        self.denoisers = (denoiser,)  # in a tuple, so that it does not become part of this module
        self._groups: dict[str, Group] = {}

    def prepare(self, start: Images) -> None:
        """Loads the denoiser, encodes all texts once, and drops its text towers."""
        n = len(start.image)
        texts = Texts()
        wanted = [prompt.phrases for prompt in broadcast_prompts(self.prompts, n)]
        away = texts.group([self.negatives] * n)
        if self.view_prompts:
            away = texts.with_front(away, wanted) if self.perp_neg else away.in_all_views()
        groups = {"wanted": texts.group(wanted, by_view=self.view_prompts), "unwanted": away}
        if self.name == "bridge":
            for name, ending in (("fine", FINE_ENDING), ("poor", POOR_ENDING)):
                groups[name] = texts.group(wanted, by_view=self.view_prompts, ending=ending)
        if self.method.edits:
            if start.cameras is not None:
                raise InputError(f"{self.name}: edits flat images; for rendered objects use sds")
            sources = [prompt.phrases for prompt in broadcast_prompts(self.sources, n)]
            groups["source"] = texts.group(sources)
            self._reference = _reference(start, self.given)
            self._encoded: dict[tuple[Any, ...], Float[Tensor, "b c h w"]] = {}
        device = start.image.device
        denoiser = _frozen(self.denoisers[0], device, self.vae)
        if denoiser.prediction not in self.method.predictions:
            raise InputError(
                f"{self.name}: needs a denoiser of {' or '.join(self.method.predictions)}, and "
                f"{denoiser.name} is one of {denoiser.prediction}; use another method"
            )
        self._condition: Condition = denoiser.encode_text(list(texts.texts))
        denoiser.free_text_towers()
        self._loaded, self._groups = (denoiser,), groups

    @property
    def _denoiser(self) -> Denoiser:
        return self._loaded[0]

    def parts(
        self, rendering: Images, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Micro-batches of images; the network gets its latents in micro-batches too."""
        n = rendering.shape[0]
        if not self._groups:
            self.prepare(rendering)
        prepared = len(self._groups["wanted"].phrases)
        if prepared != n:
            raise InputError(f"{self.name} was prepared for {prepared} samples, got images of {n}")
        views = self._views(rendering)
        crops = self.augment.draw(context, rendering, self.size or self._denoiser.image_size)
        for part in crops.parts(micro_batch):
            latents = self._encode(rendering, crops, part)
            with torch.no_grad():
                predictions = self._scores(crops, part, views, context.progress, micro_batch)
                if context.phase == "validation":
                    value = self._validation_loss(predictions, latents, crops, part, context)
                    yield _means(value, crops, part)
                    continue
                field = self._field(predictions, latents, crops, part, context)
                value = field.flatten(1).square().mean(1).sqrt()
            # In at least float32, and never as a difference of squares, which would cancel.
            surrogate = (field * latents).flatten(1).sum(1)
            yield _means(surrogate - surrogate.detach() + value, crops, part)

    def _field(
        self,
        predictions: NoisePredictions,
        latents: Float[Tensor, "b c h w"],
        crops: Crops,
        part: Part,
        context: StepContext,
    ) -> Float[Tensor, "b c h w"]:
        """The field of one part, with its weight."""
        _, v, k = crops.shape
        draws = context.uniform("distillation/time", v, k, 2)[part.place].flatten(0, 2)
        point = Point(
            predictions=predictions,
            clean=latents,
            noise=_noise(
                context.at_start() if self.method.fixed_noise else context,
                "distillation/noise",
                crops,
                part,
                latents,
            ),
            time=self.times.at(draws[:, 0], context.progress),
            spare=draws[:, 1],
            least=self.times.low(context.progress),
            scale=self.scale(context.progress),
            progress=context.progress,
            source=self._before(crops, part) if self.method.edits else None,
        )
        field = self.method.field(point)
        if self.unit:
            rms = field.flatten(1).square().mean(1).sqrt().clamp_min(1e-12)
            field = field / rms.view(-1, 1, 1, 1)
        return self.weight(point.level) * (field / field[0].numel() if self.mean else field)

    def _validation_loss(
        self,
        predictions: NoisePredictions,
        latents: Float[Tensor, "b c h w"],
        crops: Crops,
        part: Part,
        context: StepContext,
    ) -> Float[Tensor, "b"]:
        """The value of validation, of each image of one part."""
        noises = {
            time: _noise(context, f"distillation/noise at {time}", crops, part, latents)
            for time in FIXED_TIMES
        }
        factors = self.method.validation_loss(self.scale(context.progress))
        return validation_loss(predictions, latents, noises, factors, self.weight)

    def _before(self, crops: Crops, part: Part) -> Float[Tensor, "b c h w"]:
        """The latents of the reference, which are the same in all steps if no crop is drawn."""
        height, width = self._reference.shape[-2:]
        if self.augment != Whole.plain() and (self.augment != Augment.plain() or height != width):
            return self._encode(self._reference, crops, part)
        place = tuple((each.start, each.stop) for each in part.place)
        if place not in self._encoded:
            self._encoded[place] = self._encode(self._reference, crops, part)
        return self._encoded[place]

    def _encode(self, rendering: Images, crops: Crops, part: Part) -> Float[Tensor, "b c h w"]:
        """The latents of one part, which a generator of this denoiser's latents has as they are."""
        if isinstance(rendering, LatentRendering) and rendering.denoiser is self._denoiser:
            latents = rendering.latents[part.place[:2]][:, :, None]
            k = len(range(crops.shape[2])[part.crops])
            return latents.expand(-1, -1, k, -1, -1, -1).flatten(0, 2)
        latents = self._denoiser.encode_image(self.augment.apply(rendering, crops, part))
        return latents.to(torch.promote_types(latents.dtype, torch.float32))

    def _scores(
        self,
        crops: Crops,
        part: Part,
        views: Int[Tensor, "n v"],
        progress: float,
        micro_batch: int,
    ) -> NoisePredictions:
        """What is asked about the images of one part."""
        n, v, k = crops.shape
        samples = torch.arange(n).view(n, 1, 1).expand(n, v, k)[part.place]
        seen = views[:, :, None].expand(n, v, k)[part.place]
        prompts = {
            name: group.of(samples.flatten(), seen.flatten(), progress)
            for name, group in self._groups.items()
        }
        return NoisePredictions(
            self._denoiser,
            self._condition,
            prompts,
            micro_batch=micro_batch,
            perpendicular=self.perp_neg,
        )

    def _views(self, rendering: Images) -> Int[Tensor, "n v"]:
        """Which wording belongs to each image, on the CPU; 0 where there is one for all."""
        if not self.view_prompts:
            n, v = rendering.shape[:2]
            return torch.zeros(n, v, dtype=torch.long)
        if rendering.cameras is None:
            raise InputError(
                f"{self.name}: view_prompts=True needs images with cameras, as mesh generators "
                "give; these have none, leave it out"
            )
        return view_indices(rendering.cameras).cpu()

    @classmethod
    def tiny_of_denoiser(cls, denoiser: Denoiser, prompts: Sequence[str]) -> Distillation:
        """A small instance for the contract tests."""
        return cls(prompts, denoiser=denoiser, method="sds", negative="a house")


def _noise(
    context: StepContext, purpose: str, crops: Crops, part: Part, like: Float[Tensor, "b c h w"]
) -> Float[Tensor, "b c h w"]:
    """Noise of one part; each sample's is its own, and all views and crops of it differ."""
    _, v, k = crops.shape
    drawn = context.normal(purpose, v, k, *like.shape[1:])[part.place]
    return drawn.flatten(0, 2).to(like)


def _means(values: Float[Tensor, "b"], crops: Crops, part: Part) -> Float[Tensor, "n"]:
    """One part's share of each sample's mean over views and crops."""
    shape = crops.homographies[part.place].shape[:3]
    return sample_means(values.view(shape), crops, part)


def _reference(start: Images, given: Float[Tensor, "n v 3 h w"] | None) -> Images:
    """The images to edit. Raises InputError if they are not as many as those of the generator."""
    if given is None:
        return start.detach()
    if given.shape[:2] != start.image.shape[:2]:
        raise InputError(
            f"reference: expected {start.image.shape[0]} x {start.image.shape[1]} images, got "
            f"{given.shape[0]} x {given.shape[1]}"
        )
    return Rendering(given.to(start.image))


def _frozen(denoiser: str | Denoiser, device: torch.device, vae: str) -> Denoiser:
    if isinstance(denoiser, str):
        from guidance.diffusion import load_denoiser

        denoiser = load_denoiser(denoiser, device, vae=vae)
    return denoiser.to(device).requires_grad_(False).eval()
