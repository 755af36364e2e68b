"""StyleCLIP's complete table: the effect of each channel on embeddings, by finite steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from guidance.directions.digest import network_digest, synthesis_of
from guidance.directions.direction import StyleDirection
from guidance.directions.effects import Progress, batches
from guidance.directions.instant import Sentence
from guidance.directions.keeping import Choice
from guidance.directions.probe import check_probe, probe
from guidance.directions.samples import sample_ws, style_deviations
from guidance.directions.storage import Contents, read_contents, write_contents
from guidance.directions.suffix import Channel, Stepped, channels_of
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.stylegan.networks.network import StyleGAN

FORMAT = "style-table"
IMAGES, STEP, CHUNK = 100, 5.0, 8  # of StyleCLIP: images and steps; channels between two saves


@dataclass(frozen=True)
class ChannelTable:
    """Unit vectors: the direction in which each channel of the convolutions moves embeddings.

    Rows follow the layers of the network without those of kind "rgb", as in StyleCLIP's `fs3.npy`.

    Source: Patashnik et al., "StyleCLIP" (arXiv 2103.17249), section 6.
    """

    rows: Float[Tensor, "c d"]
    done: Bool[Tensor, "c"]  # which rows are computed
    network: StyleGAN
    encoder: Encoder
    images: int = IMAGES

    @classmethod
    def empty(cls, network: StyleGAN, encoder: Encoder, images: int = IMAGES) -> ChannelTable:
        """A table of which no row is computed."""
        if not 1 <= images <= 10_000:
            raise InputError(f"images {images}: expected 1 to 10000")
        count = sum(layer.channels for layer in synthesis_of(network).layers if not layer.is_rgb)
        rows = torch.zeros(count, probe(encoder).shape[1])
        done = torch.zeros(count, dtype=torch.bool)
        return cls(rows, done, network, encoder, images)

    @property
    def renders(self) -> int:
        """The images that are left to render."""
        return 2 * self.images * int((~self.done).sum())

    def computed(
        self, path: Path | None = None, *, seed: int = 0, progress: Progress | None = None
    ) -> ChannelTable:
        """The complete table; rows that are done are kept.

        Args:
            path: where the table is saved after every few channels, see `load`.
            seed: of the images.
            progress: called with the number of channels so far and of all.
        """
        ws = sample_ws(self.network, self.images, seed)
        stds = style_deviations(self.network, seed)
        rows, done = self.rows.clone(), self.done.clone()
        table = ChannelTable(rows, done, self.network, self.encoder, self.images)
        for places, channels in self._chunks(stds):
            rows[places] = _rows(self.network, self.encoder, ws, channels)
            done[places] = True
            if path is not None:
                table.save(path)
            if progress is not None:
                progress(int(done.sum()), len(done))
        return table

    def direction(self, sentence: Sentence, choice: Choice) -> StyleDirection:
        """The direction of a sentence; no image is rendered.

        Raises:
            InputError: rows are missing, or a prompt that cannot be used; images are not supported.
        """
        if not self.done.all():
            missing = int((~self.done).sum())
            raise InputError(f"the table is incomplete: {missing} channels are missing; resume it")
        columns = sentence.differences(self.encoder, torch.zeros(self.rows.shape[1]))
        stds = style_deviations(self.network)
        steps = choice.steps(self.rows, columns[:, 0], columns[:, 1:])
        flat = torch.zeros(sum(map(len, stds)))
        flat[self._places(stds)] = steps
        direction = StyleDirection.of(self.network, stds, stds, text=sentence.text)
        return direction.with_flat(flat).normalized()

    def save(self, path: Path) -> Path:
        """Writes a safetensors file, complete or not."""
        about = {"network": network_digest(self.network), "encoder": self.encoder.name,
                 "images": self.images}  # fmt: skip
        tensors = {"rows": self.rows, "done": self.done.float(), "probe": probe(self.encoder)}
        return write_contents(path, Contents(FORMAT, about, tensors))

    @classmethod
    def load(cls, path: Path, network: StyleGAN, encoder: Encoder) -> ChannelTable:
        """Reads a file of `save`.

        Raises:
            InputError: the file cannot be read, or belongs to another network or encoder.
        """
        stored = read_contents(path, FORMAT)
        if stored.text("network", path) != network_digest(network):
            raise InputError(f"{path}: belongs to another network")
        built_with = stored.text("encoder", path)
        check_probe(encoder, stored.tensor("probe", path, 2), str(path), built_with)
        images = stored.about.get("images")
        empty = cls.empty(network, encoder, images if isinstance(images, int) else IMAGES)
        rows, done = stored.tensor("rows", path, 2), stored.vector("done", path) > 0
        if (rows.shape, done.shape) != (empty.rows.shape, empty.done.shape):
            raise InputError(f"{path}: its tables do not have the size of the network")
        return cls(rows, done, network, encoder, empty.images)

    def _places(self, stds: tuple[Tensor, ...]) -> list[int]:
        """The position of each row among all channels."""
        rgb = [layer.is_rgb for layer in self.network.synthesis.layers]
        return [at for at, channel in enumerate(channels_of(stds)) if not rgb[channel.layer]]

    def _chunks(self, stds: tuple[Tensor, ...]) -> Iterator[tuple[list[int], list[Channel]]]:
        """Rows that are not done and their channels, a few of one layer at a time."""
        everything = list(channels_of(stds))
        channels = [everything[place] for place in self._places(stds)]
        chunk: list[int] = []
        for row in (~self.done).nonzero()[:, 0].tolist():
            full = len(chunk) == CHUNK
            if chunk and (full or channels[row].layer != channels[chunk[0]].layer):
                yield chunk, [channels[each] for each in chunk]
                chunk = []
            chunk.append(row)
        if chunk:
            yield chunk, [channels[each] for each in chunk]


def _rows(
    network: StyleGAN, encoder: Encoder, ws: Float[Tensor, "n w"], channels: list[Channel]
) -> Float[Tensor, "k d"]:
    """The normalized mean over images of the normalized differences between two steps."""
    sums: Tensor | None = None
    for batch in batches(network, ws):
        stepped = Stepped(network, encoder, batch, [channels[0].layer])
        differences = [
            F.normalize(stepped.moved(channel, STEP) - stepped.moved(channel, -STEP), dim=1)
            for channel in channels
        ]
        found = torch.stack([each.sum(dim=0) for each in differences]).cpu()
        sums = found if sums is None else sums + found
    assert sums is not None, "at least one image"
    return F.normalize(sums, dim=1)
