"""`guide caption`: texts for images and videos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guidance.commands.arguments import Arguments, number
from guidance.errors import InputError
from guidance.streams import say, say_meanwhile

HELP = """\
usage: guide caption IMAGE... [options]

Prints a caption for each image, each segment of a video, and each image and video in a folder.

  --method NAME      memory (default): nouns and attributes that match, from a memory of texts
                     fast: a decoder of embeddings that was trained on texts only; mini only
                     context: optimizes the context of a language model, token by token; slow
  --encoder NAME     the model that matches images and texts; default mini
  --add TEXT         adds a text or image:FILE to each image before it is captioned; "TEXT:0.5" has
                     a weight; may be given several times
  --sub TEXT         takes a text or image:FILE away
  --segment SECONDS  length of the segments of a video; default 2
  --jsonl FILE       also writes a line of JSON per caption; files that have one already are skipped
  --judge            also prints the CLIPScore by a judge that made no caption
  --seed N           seed of the method context; default 0

options of --method memory:
  --memory FILE      a text file with a phrase per line, e.g. "red apple | fruit"; default: embedded
options of --method fast and context:
  --beams N          texts that are continued side by side; default 4 and 3
options of --method context:
  --language-model NAME   mini-lm (default), a folder, or hf-hub:org/repository of transformers
  --length N              the most tokens of a caption; default 6
  --candidates N          continuations that are scored for a token; default 64
  --steps N               gradient steps for a token; default 5

Files that cannot be read are reported and skipped; the exit code is then 2.
"""
#: Options of methods, by the names of their flags.
OF_METHODS = {
    "memory": Path,
    "beams": int,
    "language_model": str,
    "length": int,
    "candidates": int,
    "steps": int,
}


@dataclass(frozen=True)
class Request:
    """The arguments of `guide caption`."""

    paths: list[Path]
    method: str = "memory"
    encoder: str = "mini"
    add: list[str] = field(default_factory=list)
    subtract: list[str] = field(default_factory=list)
    segment: float = 2.0
    jsonl: Path | None = None
    judge: bool = False
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def settings(self) -> str:
        """What determines the captions, for the lines of a JSONL file."""
        parts = [f"{key}={value}" for key, value in sorted(self.options.items())]
        parts += [f"+{text}" for text in self.add] + [f"-{text}" for text in self.subtract]
        parts += [f"segment={self.segment:g}"] * (self.segment != 2)
        parts += [f"seed={self.seed}"] * (self.seed != 0)
        return " ".join((self.method, self.encoder, *parts))


def parse(words: Sequence[str]) -> Request:
    """Reads the words after `guide caption`.

    Raises:
        InputError: no image, an unknown flag, a wrong value, or an option of another method.
    """
    parser = Arguments("caption")
    parser.add_argument("paths", nargs="+", type=Path, metavar="IMAGE")
    parser.add_argument("--method", default="memory")
    parser.add_argument("--encoder", default="mini")
    parser.add_argument("--add", action="append", default=[])
    parser.add_argument("--sub", action="append", default=[], dest="subtract")
    parser.add_argument("--segment", type=number, default=2.0)
    parser.add_argument("--jsonl", type=Path)
    parser.add_argument("--judge", action="store_true")
    parser.add_argument("--seed", type=_whole, default=0)
    for name, kind in OF_METHODS.items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=_whole if kind is int else kind, dest=name)
    found = vars(parser.parse_intermixed_args(list(words)))
    found.pop("_given", None)
    options = {name: value for name in OF_METHODS if (value := found.pop(name)) is not None}
    if not (math.isfinite(found["segment"]) and found["segment"] >= 0.1):
        raise InputError("--segment: expected at least 0.1 seconds")
    return Request(**found, options=options)


def _whole(text: str) -> int:
    import argparse

    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r:.40}") from None


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if words else InputError.exit_code
    request = parse(words)
    _check_options(request)
    from guidance.captions.sources import files_of

    return _caption_all(request, files_of(request.paths))


def _check_options(request: Request) -> None:
    """Refuses options of another method before anything is loaded."""
    from guidance.captions.make import METHODS
    from guidance.config.kinds import find, names

    kind = find(METHODS, request.method)
    for name in request.options:
        if name not in kind.Options.model_fields:  # type: ignore[attr-defined]
            owners = [
                other
                for other in names(METHODS)
                if name in find(METHODS, other).Options.model_fields  # type: ignore[attr-defined]
            ]
            flag = f"--{name.replace('_', '-')}"
            raise InputError(
                f"caption: {flag} belongs to --method {' and '.join(owners)}; remove it, or change "
                "--method"
            )


def _caption_all(request: Request, files: list[Path]) -> int:
    """Prints and writes the captions; returns the exit code."""
    from guidance.captions.arithmetic import Shift
    from guidance.captions.journal import Journal
    from guidance.captions.make import captions, load_captioner
    from guidance.encoders import load_encoder

    journal = Journal(request.jsonl, request.settings()) if request.jsonl else None
    waiting = [f for f in files if journal is None or str(f) not in journal.done]
    if len(waiting) < len(files):
        say(f"guide: {len(files) - len(waiting)} of {len(files)} files have captions already")
    failed: list[Path] = []

    def report(path: Path, error: InputError) -> None:
        failed.append(path)
        say(f"guide: skipped: {error}")

    if waiting:
        encoder = load_encoder(request.encoder)
        captioner = load_captioner(request.method, encoder, request.options)
        shift = Shift.of(request.add, request.subtract, encoder)
        score = _judge(encoder) if request.judge else None
        made = captions(
            waiting,
            captioner,
            encoder,
            shift=shift,
            segment=request.segment,
            on_error=report,
            seed=request.seed,
        )
        for count, found in enumerate(made, 1):
            path = found[0][0].path
            values = [
                _line(source, caption, score, several=len(files) > 1) for source, caption in found
            ]
            for text, _ in values:
                print(text, flush=True)
            if journal is not None:
                journal.add(str(path), [value for _, value in values])
                say_meanwhile(f"{count} of {len(waiting)}")
    if journal is not None:
        journal.close()
    if failed:
        say(f"guide: {len(failed)} of {len(files)} files could not be read")
        return InputError.exit_code
    return 0


def _judge(encoder: Any) -> Any:
    """A function of a source and a text: the CLIPScore by a judge of another family."""
    from guidance.encoders import load_judge
    from guidance.evaluate.captions import clip_score
    from guidance.media.read_image import load_image
    from guidance.media.read_video import is_video

    judge = load_judge(loss_families=(encoder.family,))

    def score(path: Path, text: str) -> float:
        if is_video(path):
            raise InputError(f"{path}: --judge scores images only; remove it for videos")
        return clip_score(judge, load_image(path, "image")[None], [text], (encoder,))[0]

    return score


def _line(source: Any, caption: Any, score: Any, *, several: bool) -> tuple[str, dict[str, Any]]:
    """A caption as a line for people, and as values for JSON."""
    values: dict[str, Any] = {"caption": caption.text, "similarity": round(caption.similarity, 4)}
    text = caption.text
    if source.start is not None:
        values |= {"start": round(source.start, 3), "end": round(source.end, 3)}
        text = f"{source.start:.1f}-{source.end:.1f} s  {text}"
    if score is not None:
        values["clip_score"] = round(score(source.path, caption.text), 4)
        text = f"{text}  (CLIPScore {values['clip_score']:.3f})"
    return (f"{source.path}: {text}" if several else text), values
