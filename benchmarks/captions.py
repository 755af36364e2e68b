"""Captions of held-out pictures by the embedded models.

    python -m benchmarks.captions --data DATA --cache CACHE --count 200

`DATA` is the folder that `recipes/README.md` describes: `emoji/` and `avatars.jsonl`; drawings in a
held-out style, faces and shapes have the shares 80, 60 and 60 of 200. A caption names the right
object if the head of its noun phrase is true of the picture: a word of its captions, or a broader
noun by WordNet. Nouns that are not true are hallucinated. Captions a second are counted in two
processes, with images decoded already. CLIPScore and RefCLIPScore are those of mini-judge.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from benchmarks.mini_pictures import Pictures, held_out
from guidance.captions.captioner import Caption, Captioner
from guidance.captions.make import load_captioner
from guidance.captions.memory.texts import read_memory
from guidance.captions.methods.context import ContextCaptioner, original_encodes
from guidance.captions.methods.memory import NOTHING
from guidance.encoders import load_encoder, load_judge
from guidance.evaluate import captions as metrics
from guidance.language.words import COLORS, concept, head, nouns, parts

RESULTS = Path(__file__).parent / "results" / "captions.json"
SHARES = {"drawings": 0.4, "faces": 0.3, "shapes": 0.3}
BATCH = 16
EVERYTHING = ("memory", "fast", "context", "cycle", "speed")


def true_nouns(captions: list[str], broader: dict[str, tuple[str, ...]]) -> set[str]:
    """Nouns that are true of a picture, in singular and plural."""
    name = concept(captions[0])
    near = broader.get(name, broader.get(head(name), ()))
    texts = [*captions, *parts(name), *near]
    found = {noun for text in texts for noun in nouns(text)}
    if "face" in found:
        found.add("person")
    return found | {noun.removesuffix("s") for noun in found} | {f"{noun}s" for noun in found}


def measure(
    pictures: Pictures, captioner: Captioner, broader: dict[str, tuple[str, ...]]
) -> dict[str, Any]:
    """All metrics of the captions of some pictures."""
    encoder = load_encoder("mini")
    started = time.process_time()
    made: list[Caption] = []
    for images in pictures.images.split(BATCH):
        with torch.no_grad():
            vectors = encoder.encode_image(images)
        made += captioner.caption(vectors)
    seconds = (time.process_time() - started) / len(pictures)
    texts = [caption.text for caption in made]
    said = [[] if text == NOTHING else nouns(text) for text in texts]
    true = [true_nouns(captions, broader) for captions in pictures.captions]
    right = [
        bool(own) and (nouns(head(text)) or [""])[-1] in known
        for own, text, known in zip(said, texts, true, strict=True)
    ]
    narrow = [
        ok and nouns(head(text))[-1] in true_nouns(known[:1], {})
        for ok, text, known in zip(right, texts, pictures.captions, strict=True)
    ]
    judge = load_judge(loss_families=(encoder.family,))
    names = [captions[0] for captions in pictures.captions]
    references = [captions[:5] for captions in pictures.captions]
    score = metrics.clip_score(judge, pictures.images, texts, [encoder])
    reference = metrics.ref_clip_score(judge, pictures.images, texts, references, [encoder])
    return {
        "pictures": len(pictures),
        "right_object": sum(right) / len(right),
        "hallucinated_nouns": metrics.hallucinated(said, true),
        "right_without_broader_nouns": sum(narrow) / len(narrow),
        "no_noun": sum(not own for own in said) / len(said),
        # Of drawings, only the color of most pixels is known.
        "wrong_colors": _wrong_colors(texts, pictures.captions),
        "clip_score": sum(score) / len(score),
        "ref_clip_score": sum(reference) / len(reference),
        "cider_d": sum(metrics.cider_d(texts, references)) / len(texts),
        "bleu_1": metrics.bleu(texts, references, 1),
        "bleu_4": metrics.bleu(texts, references, 4),
        "distinct_1": metrics.distinct(texts, 1),
        "distinct_2": metrics.distinct(texts, 2),
        "cpu_seconds_each": seconds,
        "encodes_each": sum(caption.encodes for caption in made) / len(made),
        "examples": [list(pair) for pair in zip(texts, names, strict=True)][:12],
    }


def _wrong_colors(texts: list[str], captions: list[list[str]]) -> float:
    """The share of colors in captions of pictures with a known color that are not among these."""
    wrong = total = 0
    for text, known in zip(texts, captions, strict=True):
        true = {word for caption in known for word in caption.split()} & {*COLORS, "blond"}
        if true:
            said = set(text.split()) & {*COLORS, "blond"}
            wrong, total = wrong + len(said - true), total + len(said)
    return wrong / max(1, total)


def cycle(pictures: Pictures, captioner: Captioner, folder: Path, steps: int) -> dict[str, Any]:
    """Caption -> image by text2image -> caption: how often the noun stays."""
    import guidance as gd

    encoder, judge = load_encoder("mini"), load_judge(loss_families=("mini-clip",))
    with torch.no_grad():
        first = [c.text for c in captioner.caption(encoder.encode_image(pictures.images))]
    kept = [text for text in dict.fromkeys(first) if text != NOTHING]
    task = gd.TextToImage(prompt=tuple(kept), steps=steps, output=folder)
    made = task.run()
    from guidance.media.read_image import load_image

    files = [
        made.folder / (f"samples/{i:03d}/" if len(kept) > 1 else "") / "image.png"
        for i in range(len(kept))
    ]
    with torch.no_grad():
        vectors = torch.cat([encoder.encode_image(load_image(file)[None]) for file in files])
        again = [c.text for c in captioner.caption(vectors)]
        cosines = (judge.encode_text(kept) * judge.encode_text(again)).sum(-1)
    same = [
        concept(head(one)).split()[-1] == concept(head(two)).split()[-1]
        for one, two in zip(kept, again, strict=True)
    ]
    return {
        "captions": len(kept),
        "same_noun": sum(same) / len(same),
        "judge_cosine": float(cosines.mean()),
        "examples": [list(pair) for pair in zip(kept, again, strict=True)],
    }


def _timed(work: tuple[str, int, Path, Path]) -> tuple[float, int]:
    """Seconds and captions of one process on one thread."""
    method, count, data, cache = work
    torch.set_num_threads(1)
    encoder = load_encoder("mini")
    captioner = load_captioner(method, encoder, {})
    parts = [held_out(k, int(count * s), data, cache, 1).images for k, s in SHARES.items()]
    images = torch.cat(parts)
    with torch.no_grad():
        captioner.caption(encoder.encode_image(images[:2]))  # warm-up
        started = time.monotonic()
        for each in images.split(BATCH):
            captioner.caption(encoder.encode_image(each))
    return time.monotonic() - started, len(images)


def per_second(method: str, count: int, data: Path, cache: Path) -> float:
    """Captions a second of two processes with one thread each, without their start."""
    work = [(method, count // 2, data, cache)] * 2
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(_timed, work))
    return sum(captions / seconds for seconds, captions in found)


def main() -> None:
    """Measures everything and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--context", type=int, default=20, help="pictures for the method context")
    parser.add_argument("--cycle", type=int, default=8, help="pictures for cycle consistency")
    parser.add_argument("--only", nargs="*", default=EVERYTHING)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    encoder = load_encoder("mini")
    broader = {concept(entry.text): entry.broader for entry in read_memory(None)}
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found["machine"] = f"{platform.machine()}, torch {torch.__version__}, one thread"

    def pictures(count: int) -> dict[str, Pictures]:
        made = {
            kind: held_out(kind, round(count * share), arguments.data, arguments.cache)
            for kind, share in SHARES.items()
        }
        images = torch.cat([each.images for each in made.values()])
        captions = [caption for each in made.values() for caption in each.captions]
        return {"all": Pictures(images, captions), **made}

    for method in ("memory", "fast", "context"):
        if method not in arguments.only:
            continue
        captioner = load_captioner(method, encoder, {})
        count = arguments.context if method == "context" else arguments.count
        rows = {kind: measure(each, captioner, broader) for kind, each in pictures(count).items()}
        if isinstance(captioner, ContextCaptioner):
            length, beams = captioner.options.length, captioner.options.beams
            rows["all"]["encodes_of_the_original"] = original_encodes(length, beams)
        found[method] = rows
        print(json.dumps({method: {k: {**v, "examples": []} for k, v in rows.items()}}, indent=1))
    if "cycle" in arguments.only:
        some = pictures(arguments.cycle)["all"]
        captioner = load_captioner("memory", encoder, {})
        found["cycle"] = cycle(some, captioner, arguments.cache / "cycle", 150)
    if "speed" in arguments.only:
        found["captions_per_second_on_two_cores"] = {
            method: per_second(method, arguments.count, arguments.data, arguments.cache)
            for method in ("memory", "fast")
        }
    RESULTS.write_text(json.dumps(_rounded(found), indent=1) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
