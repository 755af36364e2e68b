"""Classification of the images in folders, with the names of folders as true labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.search.calibration import calibration_error, fit_temperature, held_out_errors
from guidance.search.classifier import Classifier, Prediction
from guidance.search.embedding import BATCH, embed_images, fitted
from guidance.search.found import find, kind_of, normalized
from guidance.search.items import IMAGE, VIDEO
from guidance.search.progress import FileProgress
from guidance.streams import say


@dataclass(frozen=True)
class ImagePaths:
    """The images of some folders, and the number of videos, which are not classified."""

    paths: tuple[Path, ...]
    videos: int


@dataclass(frozen=True)
class Classified:
    """The predictions of images, and their true labels where they are known."""

    predictions: Sequence[Prediction]
    truth: Sequence[str] = ()

    def summary(self) -> Mapping[str, int | float]:
        """The number of images, of those that are right, and the calibration error."""
        right = [p.label == t for p, t in zip(self.predictions, self.truth, strict=True)]
        best = torch.tensor([p.probabilities[0] for p in self.predictions])
        return {
            "images": len(right),
            "right": sum(right),
            "accuracy": sum(right) / max(1, len(right)),
            "calibration_error": calibration_error(best, right),
        }

    def confusion(self) -> tuple[list[str], Mapping[tuple[str, str], int]]:
        """All labels that occur, and how often each true label got each label."""
        guesses = [prediction.label for prediction in self.predictions]
        counts = Counter(zip(self.truth, guesses, strict=True))
        return sorted({*self.truth, *guesses}), counts


def images_in(places: Sequence[Path]) -> ImagePaths:
    """The images in files and folders.

    Damaged images, and files that are named but are no images, are reported; so is the number of
    videos. Other files in folders, such as text files, are ignored.

    Raises:
        InputError: a place does not exist, or there are no images.
    """
    named = {normalized(place) for place in places}
    paths, videos = [], 0
    for path in find(places):
        try:
            kind = kind_of(path)
        except InputError as error:
            say(f"guide: left out: {str(error).removeprefix('image ')}")
            continue
        if kind == IMAGE:
            paths.append(path)
        elif path in named:
            say(f"guide: left out: {path}: is not an image")
        else:
            videos += kind == VIDEO
    if not paths:
        raise InputError(f"classify: no image in {', '.join(map(str, places)):.200}")
    if videos:
        say(f"guide: left out: {videos} video{'s' * (videos > 1)}; classify reads images only")
    return ImagePaths(tuple(paths), videos)


def classify(classifier: Classifier, images: ImagePaths, *, truth: bool = False) -> Classified:
    """The labels of images; those that cannot be read are left out, with a note."""
    paths, vectors = embedded(classifier.encoder, images.paths)
    if truth and not {path.parent.name for path in paths} & set(classifier.labels.names):
        raise InputError("classify: no image is in a folder with the name of a label")
    predictions = classifier.predict(paths, vectors)
    return Classified(predictions, [path.parent.name for path in paths] if truth else ())


def calibrate(classifier: Classifier, folder: Path) -> str:
    """Fits the temperature of a classifier to the examples of a folder, and says what it gives.

    Raises:
        InputError: there are no examples in folders with the names of labels.
    """
    places = {name: index for index, name in enumerate(classifier.labels.names)}
    mine = [path for path in images_in([folder]).paths if path.parent.name in places]
    paths, vectors = embedded(classifier.encoder, mine) if mine else ([], torch.empty(0))
    if not paths:
        raise InputError(f"{folder}: has no images in folders with the names of the labels")
    truth = torch.tensor([places[path.parent.name] for path in paths])
    logits = classifier.logits(vectors)
    classifier.temperature = fit_temperature(logits, truth)
    before, after = held_out_errors(logits, truth)
    return (
        f"temperature {classifier.temperature:.3f} from {len(paths)} examples; calibration error "
        f"of the examples {before:.3f} before and {after:.3f} after (each half with the "
        "temperature of the other)"
    )


def embedded(encoder: Encoder, paths: Sequence[Path]) -> tuple[list[Path], Float[Tensor, "b d"]]:
    """The images that can be read, and their unit vectors.

    Raises:
        InputError: none can be read.
    """
    kept: list[Path] = []
    vectors: list[Tensor] = []
    waiting: list[Tensor] = []
    with FileProgress("classifying", len(paths)) as progress:
        for path in paths:
            try:
                waiting.append(fitted(encoder, path))
                kept.append(path)
            except InputError as error:
                progress.say(f"guide: left out: {str(error).removeprefix('image ')}")
            if len(waiting) == BATCH:
                vectors.append(embed_images(encoder, waiting))
                waiting = []
            progress.advance()
    if waiting:
        vectors.append(embed_images(encoder, waiting))
    if not vectors:
        raise InputError("classify: no image can be read")
    return kept, torch.cat(vectors)
