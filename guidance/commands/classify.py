"""`guide classify`: which of some labels fits each image."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guidance.commands.arguments import Arguments, number
from guidance.errors import InputError
from guidance.prompts import read_templates
from guidance.search.labels import Labels
from guidance.streams import say

if TYPE_CHECKING:
    from guidance.search.classifying import Classified

HELP = """\
usage: guide classify PLACE... --labels a,b,c [options]

The most probable label of each image in files and folders, by an image-text model that was not
trained on these labels.

  --labels L       labels with commas between them, or a file with one per line: `apple`, or
                   `cat = a cat's face` for another wording; several lines of one label are averaged
  --truth          the name of the folder of an image is its true label: prints accuracy, the
                   calibration error and a table of confusions; without --labels, the names of the
                   folders are the labels
  --templates T    default (those of the encoder), plain, or a file with wordings such as
                   "a photo of a {}"; a label is the mean of all
  --threshold P    "none of these" if the best label is less probable; everyday captions of the
                   encoder then compete with the labels
  --calibrate DIR  a folder with a folder of examples for each label, a few are enough: fits the
                   temperature of the probabilities, and prints it with the calibration error
  --temperature T  (default: 1) as printed by --calibrate
  --encoder E      (default: mini)
  --device D       cpu, cuda, mps or auto (default)
  --json, --csv    print JSON or CSV
"""
WIDTH = 12  # characters of a label in the table of confusions
MAX_TABLE = 12  # labels in the table of confusions; above, only the confused pairs are listed


@dataclass(frozen=True)
class Request:
    """The arguments of `guide classify`."""

    places: tuple[Path, ...]
    labels: str | None
    truth: bool
    templates: str
    threshold: float | None
    calibrate: Path | None
    temperature: float | None
    encoder: str
    device: str
    json: bool
    csv: bool


def parse(words: Sequence[str]) -> Request:
    """Reads the words after `guide classify`.

    Raises:
        InputError: no place, no labels, or flags that do not go together.
    """
    parser = Arguments("classify")
    parser.add_argument("places", nargs="+", type=Path, metavar="PLACE")
    parser.add_argument("--labels")
    for name in ("truth", "json", "csv"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--templates", default="default")
    for name in ("threshold", "temperature"):
        parser.add_argument(f"--{name}", type=number)
    parser.add_argument("--calibrate", type=Path)
    parser.add_argument("--encoder", default="mini")
    parser.add_argument("--device", default="auto")
    found = vars(parser.parse_intermixed_args(list(words)))
    found.pop("_given", None)
    request = Request(**{**found, "places": tuple(found["places"])})
    _check(request)
    return request


def _check(request: Request) -> None:
    """Checks that flags go together. Raises InputError."""
    if request.labels is None and not request.truth:
        raise InputError("classify: give --labels a,b,c, or --truth to use the names of folders")
    if request.json and request.csv:
        raise InputError("classify: give either --json or --csv")
    if request.threshold is not None and not 0 < request.threshold < 1:
        raise InputError(f"classify: --threshold {request.threshold:g}: expected 0 < P < 1")
    if request.temperature is not None and request.calibrate is not None:
        raise InputError("classify: --calibrate fits the temperature; remove --temperature")
    if request.temperature is not None and not request.temperature > 0:
        raise InputError(f"classify: --temperature {request.temperature:g}: expected above 0")


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if words else InputError.exit_code
    request = parse(words)
    labels = None if request.labels is None else Labels.read(request.labels)
    templates = read_templates(request.templates)

    from guidance.models.devices import find_device
    from guidance.search.classifier import Classifier
    from guidance.search.classifying import calibrate, classify, images_in

    images = images_in(request.places)
    if labels is None:
        labels = Labels.of(sorted({path.parent.name for path in images.paths}), "--truth")
    classifier = Classifier(
        labels,
        request.encoder,
        templates=templates,
        temperature=request.temperature or 1.0,
        threshold=request.threshold,
        device=find_device(request.device),
    )
    if request.calibrate is not None:
        say(f"guide: {calibrate(classifier, request.calibrate)}")
    found = classify(classifier, images, truth=request.truth)
    _print(found, request)
    return 0


def _print(found: Classified, request: Request) -> None:
    truth = found.truth if request.truth else None
    if request.json:
        values: dict[str, Any] = {"images": [each.as_json() for each in found.predictions]}
        values |= {"truth": found.summary()} if truth else {}
        print(json.dumps(values, indent=1, ensure_ascii=False))
    elif request.csv:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["path", "label", "probability", *(["truth"] if truth else [])])
        for index, each in enumerate(found.predictions):
            row = [str(each.path), each.label, f"{each.probabilities[0]:.4f}"]
            writer.writerow([*row, truth[index]] if truth else row)
        print(text.getvalue(), end="")
    else:
        for each in found.predictions:
            print(f"{each.probabilities[0]:6.3f}  {each.label}  {each.path}")
    if truth:
        _say_truth(found, request)


def _say_truth(found: Classified, request: Request) -> None:
    """Accuracy and confusions: on standard output after the table, else on standard error."""
    show = say if request.json or request.csv else print
    summary = found.summary()
    show(
        f"accuracy {summary['accuracy']:.3f} ({summary['right']} of {summary['images']}), "
        f"calibration error {summary['calibration_error']:.3f}"
    )
    names, counts = found.confusion()
    if len(names) > MAX_TABLE:
        worst = sorted(
            ((n, a, b) for (a, b), n in counts.items() if a != b), key=lambda each: -each[0]
        )
        for count, true, guess in worst[:MAX_TABLE]:
            show(f"{count:>5}  {true} taken for {guess}")
        return
    show(" " * WIDTH + " ".join(f"{name[:WIDTH]:>{WIDTH}}" for name in names))
    for true in names:
        row = " ".join(f"{counts.get((true, guess), 0):>{WIDTH}}" for guess in names)
        show(f"{true[:WIDTH]:<{WIDTH}}{row}")
