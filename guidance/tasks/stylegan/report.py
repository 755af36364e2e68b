"""What an edit writes: strips and videos of strengths, latents, and what changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.evaluate.attributes import load_attributes
from guidance.generators.image.stylegan import StyleGANImages
from guidance.loop.result import Result
from guidance.media.contact_sheet import contact_sheet
from guidance.media.pixels import Frame, to_uint8
from guidance.media.write_video import encode_mp4
from guidance.runs.artifacts.base import Artifact, RunContext, Written
from guidance.stylegan import StyleGAN
from guidance.stylegan.files.save import save_stylegan
from guidance.tasks.stylegan.kept import FeatureDistance, typical_distance
from guidance.tasks.stylegan.latent_file import save_latents
from guidance.tasks.stylegan.method import EditMethod
from guidance.tasks.stylegan.source import Source

STRIP, PAIR, VIDEO, LATENTS = (
    "strengths.png",
    "before_after.png",
    "strengths.mp4",
    "latents.safetensors",
)
#: The folder of a network that was tuned for the image.
TUNED = "network"
#: Shares of the change in the strip: the opposite direction, nothing, the edit, and beyond.
SHARES = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
#: Frames of the video from nothing to the edit; it then runs back. Frames per second.
FRAMES, RATE = 24, 24


@dataclass(frozen=True)
class EditFiles(Artifact):
    """The files of each sample, and what DONE.json says about it."""

    network: StyleGAN
    source: Source
    method: EditMethod
    encoder: str
    has_attributes: bool  # whether the embedded classifier knows the images of the network

    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        generator = run.generator
        assert isinstance(generator, StyleGANImages)
        with torch.no_grad():
            edited = generator.images()
            strips = self._at(generator, SHARES)
            facts = self._facts(generator, edited)
            latents = generator.latents_at()
        for sample in range(run.num_samples):
            pair = [self.source.images[sample], edited[sample]]
            titles = ["before", run.captions[sample]]
            sheet = contact_sheet([to_uint8(image) for image in pair], titles)
            yield run.write(PAIR, sheet, sample)._replace(facts=facts[sample])
            strength = self.method.strengths(generator, sample)
            numbers = [f"{strength * share:+.2f}" if share else "0" for share in SHARES]
            tiles = [batch[sample] for batch in strips]
            yield run.write(STRIP, contact_sheet(tiles, numbers, len(tiles)), sample)
            path = run.sample_folder(sample) / LATENTS
            yield Written(save_latents(path, latents.select(sample), self.source.network), sample)
        yield from self._videos(run, generator)
        if self.source.network is not self.network:
            save_stylegan(self.source.network, run.folder / TUNED)
            for name in ("config.json", "model.safetensors"):
                yield Written(run.folder / TUNED / name, None)

    def _videos(self, run: RunContext, generator: StyleGANImages) -> Iterator[Written]:
        """The change from nothing to the edit and back."""
        shares = torch.linspace(0, 1, FRAMES).tolist()
        with torch.no_grad():
            frames = self._at(generator, shares)
        for sample in range(run.num_samples):
            there = [batch[sample] for batch in frames]
            video = encode_mp4([*there, *reversed(there)], RATE, run.comment)
            yield run.write(VIDEO, video, sample)

    def _at(self, generator: StyleGANImages, shares: Sequence[float]) -> list[list[Frame]]:
        """The images of all samples at each share of the change, in 8 bits."""
        n = generator.num_samples
        return [
            [to_uint8(image) for image in generator.images_at(torch.full((n,), share))]
            for share in shares
        ]

    def _facts(
        self, generator: StyleGANImages, edited: Float[Tensor, "n 3 h w"]
    ) -> list[dict[str, Any]]:
        """What changed and what stayed of each sample, as numbers; see docs/style_edit.md."""
        distance = FeatureDistance(self.encoder, self.network.device)
        unit = typical_distance(distance, self.network)
        before = self.source.images
        maps, others = distance.maps(edited), distance.maps(before)
        with torch.no_grad():
            pairs = zip(
                distance.encoder.encode_image(edited).float(),
                distance.encoder.encode_image(before).float(),
                strict=True,
            )
            similarity = [float(one @ other) for one, other in pairs]
        kept = (1 - distance.between(maps, others) / unit).tolist()
        change = (edited - before).square().mean((1, 2, 3)).sqrt().tolist()
        found = []
        for sample in range(len(edited)):
            found.append(
                {
                    "strength": self.method.strengths(generator, sample),
                    "kept": kept[sample],
                    "encoder_similarity": similarity[sample],
                    "pixels_rms": change[sample],
                }
            )
        if self.has_attributes:
            for facts, each in zip(found, attribute_changes(before, edited), strict=True):
                facts["attributes"] = each
        if generator.given is None:
            return found
        mask = generator.given.mask
        outside = (distance.between(maps, others, mask.cpu()) / unit).tolist()
        still = ((mask > 0) | (edited == before)).all((1, 2, 3)).tolist()
        for sample, facts in enumerate(found):
            facts |= {
                "distance_outside_mask": outside[sample],
                "pixels_outside_mask_are_equal": still[sample],
            }
        return found


def attribute_changes(
    before: Float[Tensor, "n 3 h w"], after: Float[Tensor, "n 3 h w"]
) -> list[dict[str, Any]]:
    """Which attributes of portraits changed, from what into what, and which were kept."""
    classifier = load_attributes()
    found = []
    for one, other in zip(
        classifier.names(before.cpu()), classifier.names(after.cpu()), strict=True
    ):
        changed = {name: [one[name], other[name]] for name in one if one[name] != other[name]}
        found.append({"changed": changed, "kept": [name for name in one if name not in changed]})
    return found
