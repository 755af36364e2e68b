"""An index from Python: build it, add to it, search it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from guidance.encoders import load_encoder
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.text.arguments import PromptArgument, RegionArgument
from guidance.search.backends.exact import Exact
from guidance.search.hits import Hit, search
from guidance.search.identity import check_same, identity
from guidance.search.index import Index
from guidance.search.manifest import NAME, read_manifest
from guidance.search.queries import Query
from guidance.search.query_vectors import query_vector
from guidance.search.regions import refined
from guidance.search.store import Store, locked
from guidance.search.update import Report, add, remove

Places = str | Path | Sequence[str | Path]


class Collection:
    """Images and videos of folders, which prompts find.

        pictures = gd.Collection.build("pictures.index", "pictures/")
        for hit in pictures.search("a red apple | an oil painting:0.5", negative="a pear"):
            print(hit.score, hit.path)

    Args:
        folder: of the index, as `build` or `guide search build` makes it.
        device: where images and prompts are embedded.

    Raises:
        InputError: it is not an index, or the weights of its encoder have changed.
        MissingWeights: its encoder is not on this machine.
    """

    def __init__(self, folder: str | Path, device: str | torch.device = "cpu") -> None:
        self.store = Store.open(Path(folder))
        self.device = device
        stored = self.store.manifest.encoder
        check_same(identity(stored.name), stored, self.store.folder)
        self._encoder: Encoder | None = None

    @classmethod
    def build(
        cls,
        folder: str | Path,
        places: Places,
        encoder: str = "mini",
        device: str | torch.device = "cpu",
    ) -> Collection:
        """Makes an index of files and folders, or continues one that was interrupted.

        Raises:
            InputError: a place does not exist, or the index has another encoder.
        """
        return cls.built(folder, places, encoder, device)[0]

    @classmethod
    def built(
        cls, folder: str | Path, places: Places, encoder: str, device: str | torch.device
    ) -> tuple[Collection, Report]:
        """`build`, with a report of what has happened to the files."""
        path, found = Path(folder), identity(encoder)
        if (path / NAME).is_file():
            check_same(found, read_manifest(path).encoder, path)
        else:
            dimension = _dimension(load_encoder(encoder, device))
            with locked(path):
                Store.create(path, found, dimension)
        collection = cls(path, device)
        return collection, collection.add(places)

    def __len__(self) -> int:
        """The number of files."""
        return self.store.manifest.files

    @property
    def encoder(self) -> Encoder:
        """The encoder, which is loaded when it is first needed."""
        if self._encoder is None:
            self._encoder = load_encoder(self.store.manifest.encoder.name, self.device)
        return self._encoder

    def add(self, places: Places) -> Report:
        """Embeds the files that are new, and reports what has happened to each."""
        paths = [places] if isinstance(places, str | Path) else list(places)
        with locked(self.store.folder):
            store = Store.open(self.store.folder)
            self.store, report = add(store, [Path(path) for path in paths], self.encoder)
        return report

    def remove(self, ids: Sequence[int]) -> None:
        """Removes files by their ids. Raises InputError for an id that is not there."""
        with locked(self.store.folder):
            store = Store.open(self.store.folder)
            known = {item.id for item in store.items()}
            if absent := sorted(set(ids) - known):
                raise InputError(f"{self.store.folder}: has no file with the id {absent[0]}")
            self.store = remove(store, ids)

    def search(
        self,
        prompt: str,
        *,
        negative: PromptArgument = (),
        region: RegionArgument = (),
        templates: Sequence[str] | None = None,
        count: int = 20,
        index: Index | None = None,
    ) -> list[Hit]:
        """The best images and segments for a prompt; see `guidance.search.queries`.

        Args:
            prompt: in the grammar of `guidance.prompts`, with constant weights.
            negative: prompts to avoid.
            region: regional prompts such as `sky.png="a blue sky"`; they order the best
                `guidance.search.regions.CANDIDATES` images.
            templates: wordings of each phrase; by default those of the encoder.
            count: how many hits.
            index: finds the nearest vectors; by default `Exact`.

        Raises:
            InputError: a prompt that cannot be parsed, or that changes with time.
        """
        return self.hits(Query.of(prompt, negative, region, templates), count, index)

    def hits(self, query: Query, count: int, index: Index | None = None) -> list[Hit]:
        """The best images and segments for a query; see `search`."""
        nearest = index or Exact(self.store)
        vector = query_vector(self.encoder, query).numpy()
        if query.regions:
            return refined(self.store, nearest, query, vector, self.encoder)[:count]
        return search(self.store, nearest, vector, count)


def _dimension(encoder: Encoder) -> int:
    """The number of numbers in a vector of an encoder."""
    return int(encoder.encode_text(["a picture"]).shape[-1])
