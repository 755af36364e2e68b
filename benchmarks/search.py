"""Search and classification: speed beside other libraries, cold commands, a folder, a recipe.

    python -m benchmarks.search exact --peers /venv/bin/python   # with faiss-cpu, and rclip
    python -m benchmarks.search cold
    python -m benchmarks.search folder
    python -m benchmarks.search classify --data DIR

Each writes its part of `benchmarks/results/search.json`. `exact` searches the same random unit
vectors with all libraries, one query at a time, in one process each, alternating between them;
`folder` builds an index of 5,000 drawn images, of which one is damaged; `classify` compares
`guide classify` on files with the recipe's own evaluation of the held-out drawings.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "search.json"
SIZES = ((100_000, 256, 3.0), (1_000_000, 512, 35.0))  # vectors, numbers, milliseconds to keep
REPEATS, COUNT = 30, 100
PEER = """
import sys, json, time, numpy as np
kind, n, d, count = sys.argv[1], *map(int, sys.argv[2:5])
from importlib.util import spec_from_file_location, module_from_spec
def vectors():
    for start in range(0, n, 50_000):
        rows = np.random.default_rng(start).standard_normal((min(50_000, n - start), d), np.float32)
        yield rows / np.linalg.norm(rows, axis=1, keepdims=True)
query = np.random.default_rng(10**9).standard_normal(d).astype(np.float32)
query /= np.linalg.norm(query)
if kind == "faiss":
    import faiss
    faiss.omp_set_num_threads(2)
    index = faiss.IndexFlatIP(d)
    for rows in vectors():
        index.add(rows.astype(np.float16).astype(np.float32))
    search = lambda: index.search(query[None], count)[1][0].tolist()
else:  # the search step of rclip 3: features @ query, and all pairs sorted in Python
    features = np.concatenate([rows.astype(np.float16).astype(np.float32) for rows in vectors()])
    def search():
        pairs = zip(query @ features.T, range(n))
        return [i for _, i in sorted(pairs, key=lambda pair: pair[0], reverse=True)[:count]]
print("ready", flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    found = search()
    print(json.dumps([time.perf_counter() - start, [int(i) for i in found]]), flush=True)
"""


def machine() -> str:
    """The processor, threads, and the load by other processes."""
    from benchmarks.measure import machine as described

    return f"{described()}, load {os.getloadavg()[0]:.1f}"


def record(part: str, values: Any) -> None:
    """Writes one part of the results."""
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    stored[part] = values
    RESULTS.write_text(json.dumps(stored, indent=1) + "\n")
    print(json.dumps(values, indent=1))


def vectors(count: int, dimension: int) -> np.ndarray:
    """The random unit vectors of all libraries, in half precision."""
    found = np.empty((count, dimension), np.float16)
    for start in range(0, count, 50_000):
        shape = (min(50_000, count - start), dimension)
        rows = np.random.default_rng(start).standard_normal(shape, np.float32)
        found[start : start + len(rows)] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


def store_of(folder: Path, rows: np.ndarray) -> Any:
    """An index of vectors, whose files do not exist."""
    from guidance.search.items import IMAGE, Embedded, Item
    from guidance.search.manifest import EncoderId
    from guidance.search.store import Store

    store = Store.create(folder, EncoderId("none", "0" * 64), rows.shape[1])
    for start in range(0, len(rows), 65_536):
        part = rows[start : start + 65_536]
        files = [
            Embedded(
                Item(start + i + 1, f"/{start + i}.png", IMAGE, 0, 0, ""),
                row[None],
                np.zeros((1, 2), np.float32),
            )
            for i, row in enumerate(part)
        ]
        store = store.changed(files)
    return store


def exact(peers: str | None) -> None:
    """One query over random vectors: ours, faiss-flat, and the search step of rclip."""
    values = []
    for count, dimension, bar in SIZES:
        with tempfile.TemporaryDirectory() as place:
            values.append(_exact(Path(place), count, dimension, bar, peers))
    record("exact", values)


def _exact(place: Path, count: int, dimension: int, bar: float, peers: str | None) -> Any:
    from guidance.search.backends.exact import Exact

    store = store_of(place / "index", vectors(count, dimension))
    index = Exact(store)
    query = np.random.default_rng(10**9).standard_normal(dimension).astype(np.float32)
    query /= np.linalg.norm(query)

    def ours() -> tuple[float, list[int]]:
        start = time.perf_counter()
        rows = index.search(query, COUNT).rows
        return time.perf_counter() - start, rows.tolist()

    works: dict[str, Callable[[], tuple[float, list[int]]]] = {"guidance": ours}
    children = []
    for kind in ("faiss", "rclip") if peers else ():
        if kind == "rclip" and count > 200_000:
            continue  # a second and more for each query
        words = [str(peers), "-c", PEER, kind, str(count), str(dimension), str(COUNT)]
        child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.readline()
        children.append(child)
        works[kind] = lambda child=child: _asked(child)  # type: ignore[misc]
    times: dict[str, list[float]] = {name: [] for name in works}
    found: dict[str, list[int]] = {}
    for _ in range(REPEATS + 2):
        for name, work in works.items():
            seconds, found[name] = work()
            times[name].append(1000 * seconds)
    for child in children:
        child.communicate()
    best = {name: round(min(each[2:]), 2) for name, each in times.items()}
    return {
        "vectors": count,
        "dimension": dimension,
        "bar_ms": bar,
        "holds": best["guidance"] <= bar,
        "fastest_ms": best,
        "median_ms": {k: round(statistics.median(v[2:]), 2) for k, v in times.items()},
        "same_hits": {k: len(set(found["guidance"]) & set(v)) / COUNT for k, v in found.items()},
        "repeats": REPEATS,
        "machine": machine(),
    }


def _asked(child: subprocess.Popen[str]) -> tuple[float, list[int]]:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write("\n")
    child.stdin.flush()
    seconds, rows = json.loads(child.stdout.readline())
    return seconds, rows


def cold(repeats: int = 12) -> None:
    """Seconds of whole commands in new processes, and of the imports that others need."""
    with tempfile.TemporaryDirectory() as place:
        index, pictures = Path(place) / "index", Path(place) / "pictures"
        draw(pictures, 200)
        guide = [sys.executable, "-m", "guidance", "search"]
        subprocess.run([*guide, "build", str(index), str(pictures)], check=True)
        query = [*guide, "query", str(index), "--count", "10"]
        commands = {
            "query of text": [*query, "a red disc"],
            "query with an image": [*query, f"image:{next(pictures.glob('*.png'))}"],
            "python": [sys.executable, "-c", "pass"],
            "import numpy": [sys.executable, "-c", "import numpy"],
            "import torch": [sys.executable, "-c", "import torch"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(repeats):
            for name, words in commands.items():
                start = time.perf_counter()
                subprocess.run(words, check=True, capture_output=True)
                times[name].append(time.perf_counter() - start)
    record(
        "cold",
        {
            "fastest_s": {name: round(min(each), 3) for name, each in times.items()},
            "median_s": {name: round(statistics.median(each), 3) for name, each in times.items()},
            "bar_s": 0.4,
            "holds": min(times["query of text"]) <= 0.4,
            "repeats": repeats,
            "machine": machine(),
        },
    )


def draw(folder: Path, count: int, side: int = 256) -> None:
    """Images of discs on smooth backgrounds, as PNG and JPEG."""
    from PIL import Image

    folder.mkdir(parents=True)
    rows, columns = np.mgrid[:side, :side] / side
    for number in range(count):
        random = np.random.default_rng(number)
        one, other, ground = random.integers(0, 256, (3, 3))
        share = (rows * random.random() + columns * random.random())[..., None]
        picture = (1 - share) * ground + share * other
        x, y, radius = random.uniform(0.2, 0.8, 3) * (1, 1, 0.5)
        picture[np.hypot(rows - y, columns - x) < radius] = one
        ending = "png" if number % 2 else "jpg"
        image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
        image.save(folder / f"{number:05}.{ending}", compress_level=1)


def folder(count: int = 5000) -> None:
    """An index of a folder with one damaged file: built, and brought up to date."""
    from guidance.encoders import load_encoder
    from guidance.search.collection import Collection

    load_encoder("mini")
    with tempfile.TemporaryDirectory() as place:
        pictures = Path(place) / "pictures"
        draw(pictures, count)
        bad = pictures / "02000.jpg"
        bad.write_bytes(bad.read_bytes()[:300])
        start = time.perf_counter()
        made, report = Collection.built(Path(place) / "index", pictures, "mini", "cpu")
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        again = made.add(pictures)
        record(
            "folder",
            {
                "files": count,
                "in_the_index": len(made),
                "left_out": [Path(line.split(":")[0]).name for line in report.failed],
                "images_per_second": round(len(made) / seconds),
                "seconds": round(seconds, 1),
                "again_seconds": round(time.perf_counter() - start, 2),
                "again_unchanged": again.unchanged,
                "machine": machine(),
            },
        )


def classify(data: Path) -> None:
    """R@1 of the held-out drawings: by the recipe's code, and by `guide classify` on files."""
    import torch
    from PIL import Image

    from guidance.models.torchvision import import_torchvision

    import_torchvision()
    import open_clip

    import guidance.encoders.towers.mini  # noqa: F401  (registers our towers)
    from recipes import publish
    from recipes.corpus import HIDDEN_SHARE
    from recipes.data import pictograms
    from recipes.retrieval import ranked, whole

    drawings, hands = pictograms.drawings(data / "emoji")
    names = sorted({captions[0] for captions in drawings.captions})
    recipe, weights = publish.RECIPES["mini_clip"], publish.WEIGHTS / "mini_clip"
    hidden = pictograms.held_out(drawings, hands, HIDDEN_SHARE, recipe.seed)
    held_out = drawings.select(np.flatnonzero(hidden))
    truth = [captions[0] for captions in held_out.captions]
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{weights}")
    tokenize = open_clip.get_tokenizer(f"local-dir:{weights}")
    model.eval().requires_grad_(False)
    config = json.loads((weights / "open_clip_config.json").read_text())

    def encode_text(texts: list[str]) -> torch.Tensor:
        return torch.nn.functional.normalize(model.encode_text(tokenize(texts)).float(), dim=-1)

    with torch.no_grad():
        best = ranked(model, whole(held_out, config), encode_text, config, names)[:, 0]
    own = [names[i] == name for i, name in zip(best.tolist(), truth, strict=True)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number, (picture, name) in enumerate(zip(held_out.pictures, truth, strict=True)):
            (folder / "drawings" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / "drawings" / name / f"{number}.png")
        (folder / "labels.txt").write_text("\n".join(names))
        (folder / "templates.txt").write_text("{}\nan image of a {}")
        words = [sys.executable, "-m", "guidance", "classify", str(folder / "drawings"), "--truth"]
        words += ["--labels", str(folder / "labels.txt"), "--json"]
        words += ["--templates", str(folder / "templates.txt")]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    guesses = {int(Path(each["path"]).stem): each["label"] for each in found["images"]}
    same = sum(guesses[i] == names[b] for i, b in enumerate(best.tolist()))
    record(
        "classify",
        {
            "drawings": len(truth),
            "labels": len(names),
            "recipe_r_at_1": round(sum(own) / len(own), 4),
            "guide_classify": round(found["truth"]["accuracy"], 4),
            "same_label": same,
            "published_r_at_1": json.loads(
                (weights.parents[3] / "recipes/results.json").read_text()
            )["mini_clip"]["r_at_1"],
        },
    )


def main(words: Sequence[str] | None = None) -> None:
    """Runs one part."""
    parser = argparse.ArgumentParser(description="Search and classification")
    parser.add_argument("part", choices=("exact", "cold", "folder", "classify"))
    parser.add_argument("--peers", help="a Python with faiss-cpu")
    parser.add_argument("--data", type=Path, help="the folder of emoji/")
    found = parser.parse_args(words)
    if found.part == "exact":
        exact(found.peers)
    elif found.part == "classify":
        classify(found.data)
    else:
        {"cold": cold, "folder": folder}[found.part]()


if __name__ == "__main__":
    main()
