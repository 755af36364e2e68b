"""The effect of every style channel of a network, from which any sentence gives a direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.directions.digest import network_digest
from guidance.directions.direction import StyleDirection, check_layers
from guidance.directions.effects import Progress, mean_effects
from guidance.directions.keeping import Choice
from guidance.directions.phrases import packaged_phrases, text_basis
from guidance.directions.probe import check_probe, probe
from guidance.directions.queries import difference
from guidance.directions.samples import sample_ws, style_deviations
from guidance.directions.storage import Contents, read_contents, write_contents
from guidance.directions.verified import LATENTS, Predicted, Verified
from guidance.encoders import load_encoder
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.prompts import Prompt
from guidance.stylegan.networks.network import StyleGAN

FORMAT = "style-dictionary"
SUBJECT, COUNT, ISOLATION = "a face", 100, 0.3
#: A direction of which less than this share lies in the basis gets a note.
COVERED = 0.5


@dataclass(frozen=True)
class StyleDictionary:
    """A table of effects: how much each channel moves the embeddings of images along each column.

    It is built once for a network and an encoder, and takes no image for a sentence afterwards:

        dictionary = gd.StyleDictionary.build(network)
        smile = dictionary.direction("a smiling face", keep=("glasses",))
        image = network.synthesis.from_styles(smile.apply(network.synthesis.styles(w), 3))
    """

    layers: tuple[str, ...]
    stds: tuple[Tensor, ...]  # [c] for each layer: standard deviations of the styles
    table: Float[Tensor, "c r"]  # of one standard deviation of each channel of all layers
    basis: Float[Tensor, "d r"]  # orthonormal columns in the space of the encoder
    embeddings: Float[Tensor, "n d"]  # of unedited images of the network
    network: str  # see `network_digest`
    encoder: Encoder
    subject: str  # what the images show, the default source
    renders: int  # images that were rendered or differentiated to build the table

    @classmethod
    def build(
        cls,
        network: StyleGAN,
        encoder: str | Encoder = "mini-people",
        *,
        latents: int = 32,
        rank: int = 64,
        seed: int = 0,
        subject: str = SUBJECT,
        phrases: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> StyleDictionary:
        """Measures the effects, in `latents * (rank + 1)` renders.

        Args:
            network: frozen, see `load_stylegan`.
            encoder: a name or an Encoder.
            latents: over how many random images effects are averaged.
            rank: the dimensions of the space of texts in which effects are measured.
            seed: of the latents.
            subject: what the images show, e.g. "a car".
            phrases: further texts that the space should contain, as in "a face with a tattoo".
            progress: called with the number of renders so far and of all.

        Raises:
            InputError: a number out of range, or an encoder or network that cannot be used.
            MissingWeights: the encoder is not on this machine.
        """
        encoder = load_encoder(encoder, network.device)
        pairs = (*packaged_phrases(), *((subject, phrase) for phrase in phrases))
        basis = text_basis(encoder, rank, pairs).cpu()
        stds = style_deviations(network, seed)
        ws = sample_ws(network, latents, seed)
        effects = mean_effects(network, encoder, ws, basis, progress)
        return cls(
            layers=tuple(layer.name for layer in network.synthesis.layers),
            stds=stds,
            table=effects.table * torch.cat(stds)[:, None],
            basis=basis,
            embeddings=effects.embeddings,
            network=network_digest(network),
            encoder=encoder,
            subject=subject,
            renders=effects.renders,
        )

    def direction(
        self,
        target: str | Prompt,
        source: str | Prompt | None = None,
        *,
        keep: Sequence[str | Prompt] = (),
        count: int | None = None,
        beta: float | None = None,
        isolation: float = ISOLATION,
    ) -> StyleDirection:
        """The direction of a sentence, from the table alone: no image is rendered.

        The strongest channel moves by one standard deviation at strength 1.

        Args:
            target: what the images should show: a prompt, with weights and images if wanted.
            source: what they show; by default the subject of the dictionary.
            keep: what should not change, e.g. "a face with glasses"; the predicted effect on the
                differences of these phrases from the subject is zero.
            count: the number of channels; by default 100, if beta is not given.
            beta: the smallest step, as a part of the largest one; 0 keeps all channels.
            isolation: the weight of all other changes; 0 takes the channels with the strongest
                effect on the sentence, whatever else they change.

        Raises:
            InputError: a prompt that cannot be used, or nothing is left of the direction.
        """
        choice = Choice(COUNT if count is None and beta is None else count, beta, isolation)
        source = self.subject if source is None else source
        wanted = self._inside(target, source)
        kept = [self._inside(each, self.subject) for each in keep]
        columns = torch.stack(kept, dim=1) if kept else wanted.new_zeros(len(wanted), 0)
        steps = choice.steps(self.table, wanted, columns)
        notes, text = self._notes(target, float(wanted.square().sum())), f"{source} -> {target}"
        direction = StyleDirection(self.layers, self.stds, self.stds, self.network, text, notes)
        return direction.with_flat(steps).normalized()

    def verified(
        self,
        network: StyleGAN,
        direction: StyleDirection,
        *,
        latents: int = LATENTS,
        seed: int = 1,
        progress: Progress | None = None,
    ) -> tuple[StyleDictionary, Verified]:
        """The dictionary with measured effects of the channels of a direction, and no others.

        `dictionary.verified(network, first)[0].direction(...)` is then a direction of channels that
        have been checked by finite steps; see `Predicted.verified` for the arguments.
        """
        found = Predicted(self.table, self.basis).verified(
            network, self.encoder, direction, latents=latents, seed=seed, progress=progress
        )
        return replace(self, table=found.table), found

    def predict(
        self, direction: StyleDirection, target: str | Prompt, source: str | Prompt | None = None
    ) -> float:
        """How far strength 1 moves images along a sentence, in the linear model.

        The unit is the standard deviation of unedited images along the same sentence.
        """
        inside = self._inside(target, source)
        deviation = float((self.embeddings @ (self.basis @ inside)).std())
        return float(inside @ (self.table.T @ direction.flat)) / max(deviation, 1e-8)

    def save(self, path: Path) -> Path:
        """Writes a safetensors file."""
        tensors = {f"std.{name}": std for name, std in zip(self.layers, self.stds, strict=True)}
        tensors |= {"table": self.table, "basis": self.basis, "embeddings": self.embeddings,
                    "probe": probe(self.encoder)}  # fmt: skip
        about = {"network": self.network, "layers": list(self.layers), "subject": self.subject,
                 "encoder": self.encoder.name, "renders": self.renders}  # fmt: skip
        return write_contents(path, Contents(FORMAT, about, tensors))

    @classmethod
    def load(
        cls, path: Path, network: StyleGAN | None = None, encoder: str | Encoder = "mini-people"
    ) -> StyleDictionary:
        """Reads a file of `save`.

        Args:
            path: the file.
            network: if given, the network that the dictionary should belong to.
            encoder: that with which it was built.

        Raises:
            InputError: the file cannot be read, or belongs to another network or encoder.
            MissingWeights: the encoder is not on this machine.
        """
        stored = read_contents(path, FORMAT)
        layers = tuple(stored.texts("layers", path))
        stds = tuple(stored.vector(f"std.{layer}", path) for layer in layers)
        table, basis = stored.tensor("table", path, 2), stored.tensor("basis", path, 2)
        embeddings = stored.tensor("embeddings", path, 2)
        known = stored.tensor("probe", path, 2)
        sizes = (*table.shape, embeddings.shape[1], known.shape[1])
        if sizes != (sum(map(len, stds)), basis.shape[1], len(basis), len(basis)):
            raise InputError(f"{path}: the sizes of its tables do not match")
        digest = stored.text("network", path)
        if network is not None:
            check_layers(network, dict(zip(layers, map(len, stds), strict=True)), str(path))
            if network_digest(network) != digest:
                raise InputError(f"{path}: belongs to another network, with other weights")
        loaded = load_encoder(encoder, "cpu" if network is None else network.device)
        check_probe(loaded, known, str(path), stored.text("encoder", path))
        renders = stored.about.get("renders")
        return cls(
            layers, stds, table, basis, embeddings, digest, loaded, stored.text("subject", path),
            renders if isinstance(renders, int) else 0,
        )  # fmt: skip

    def _inside(self, target: str | Prompt, source: str | Prompt | None) -> Float[Tensor, "r"]:
        """A sentence in the basis; its squared length is the share of it that is in the basis."""
        source = self.subject if source is None else source
        center = self.embeddings.mean(dim=0)
        return self.basis.T @ difference(self.encoder, target, source, center)

    def _notes(self, target: str | Prompt, share: float) -> tuple[str, ...]:
        if share >= COVERED:
            return ()
        return (
            f"only {share:.0%} of the meaning of {str(target)!r:.80} lies in the space of the "
            "dictionary; build it with this phrase added, or use the method verified",
        )
