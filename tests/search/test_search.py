"""From pictures to hits: what is embedded, and that a search is a loss."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import guidance as gd
from guidance.encoders import load_encoder
from guidance.errors import InputError, Interrupted
from guidance.media.read_image import load_image
from guidance.models.clip_tokens import can_tokenize, tokenize
from guidance.search.backends.exact import Exact
from guidance.search.collection import Collection
from guidance.search.dedupe import duplicates
from guidance.search.hits import search
from guidance.search.light.vectors import light_vectors
from guidance.search.queries import Query
from guidance.search.query_vectors import query_vector
from guidance.search.store import Store
from guidance.search.update import _Work
from tests.search.stand_ins import COLORS, draw

PROMPT = "a red ball | a square of paper:0.7 | a leaf:-0.4"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures; do not change it."""
    folder = tmp_path_factory.mktemp("drawn") / "pictures"
    draw(folder)
    return folder


@pytest.fixture(scope="module")
def built(drawn: Path) -> Collection:
    """Its index."""
    return Collection.build(drawn.parent / "index", drawn)


def losses_by(loss: gd.Loss, paths: list[Path]) -> torch.Tensor:
    """The loss of each picture, as one sample each."""
    images = torch.stack([load_image(path) for path in paths])[:, None]
    context = gd.StepContext(tuple(range(len(paths))))
    return loss(gd.Rendering(images), context)


@pytest.mark.parametrize("kind", ["texts", "image", "region"])
def test_the_order_of_hits_is_that_of_the_loss(kind: str, drawn: Path, built: Collection) -> None:
    prompt = PROMPT + (f" | image:{drawn / 'blue.png'}:0.6" if kind == "image" else "")
    region = ()
    if kind == "region":
        mask = drawn.parent / "mask.png"
        Image.fromarray(np.pad(np.full((32, 32), 255, np.uint8), ((0, 32), (16, 16)))).save(mask)
        region = (f'{mask}="something yellow":2',)
    hits = built.search(prompt, negative="a green plant:2", region=region, count=100)
    paths = [hit.path for hit in hits]
    assert sorted(paths) == sorted(drawn.iterdir())
    clip = gd.Clip(prompt, negative="a green plant:2", region=region, augment=None)
    losses = losses_by(clip, paths)
    assert (losses.diff() > -2e-3).all()
    weights = clip.prompts[0].phrases
    total = sum(phrase.weight(0.0) for phrase in weights) - 0.3 * 2 + (2 if region else 0)
    scores = torch.tensor([hit.score for hit in hits])
    # Vectors are stored in half precision, and the image tower may run in bfloat16.
    assert (total - scores - losses).abs().max() < (5e-2 if region else 5e-3)


def test_only_numbers_are_weights() -> None:
    with pytest.raises(InputError, match="its weight changes during a run"):
        Query.of("a red apple:1 -> 0")
    with pytest.raises(InputError, match=r"a stop .* remove it"):
        Query.of("a red apple:1:0.4")
    with pytest.raises(InputError, match="its weight changes"):
        Query.of("a", region='mask.png="sky:1 -> 0"')


def test_folders_are_embedded_once(tmp_path: Path) -> None:
    """One bad file is reported and left out; ids stay."""
    draw(tmp_path / "in" / "deep")
    shutil.copy(tmp_path / "in/deep/red.png", tmp_path / "in/again.png")
    (tmp_path / "in/notes.txt").write_text("text")
    (tmp_path / "in/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (tmp_path / "in/empty.png").write_bytes(b"")
    index = tmp_path / "in" / "index"
    found, report = Collection.built(index, [tmp_path / "in"], "mini", "cpu")
    assert (report.added, report.others, len(report.failed)) == (len(COLORS) + 1, 1, 2)
    assert all("broken.jpg" in line or "empty.png" in line for line in report.failed)
    first = {item.path: item.id for item in found.store.items()}

    os.rename(tmp_path / "in/deep/red.png", tmp_path / "in/moved.png")
    shutil.copy(tmp_path / "in/deep/gray.png", tmp_path / "in/deep/blue.png")
    Image.new("RGB", (9, 9), "pink").save(tmp_path / "in/deep/black.png")
    report = found.add(tmp_path / "in")
    assert (report.added, report.moved, report.changed) == (0, 1, 2)
    assert report.unchanged == len(COLORS) + 1 - 3
    second = {item.path: item.id for item in found.store.items()}
    assert second.pop(str(tmp_path / "in/moved.png")) == first.pop(
        str(tmp_path / "in/deep/red.png")
    )
    assert second == first
    blue = found.search(f"image:{tmp_path}/in/deep/blue.png", count=2)
    assert {hit.path.name for hit in blue} == {"blue.png", "gray.png"}
    assert {item.path for group in duplicates(found.store, 0.999) for item in group} >= {
        str(tmp_path / "in/deep/blue.png"),
        str(tmp_path / "in/deep/gray.png"),
    }
    found.remove([second[str(tmp_path / "in/again.png")]])
    assert len(found) == len(COLORS)
    with pytest.raises(InputError, match="no file with the id 999"):
        found.remove([999])


def test_an_interrupted_build_continues(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guidance.search.update.BATCH", 3)
    take = _Work.take

    def interrupted(work: _Work, *arguments: object) -> None:
        take(work, *arguments)  # type: ignore[arg-type]
        os.kill(os.getpid(), 2)

    monkeypatch.setattr(_Work, "take", interrupted)
    with pytest.raises(Interrupted, match="3 of 8 files; run the same command again"):
        Collection.build(tmp_path / "index", drawn)
    monkeypatch.setattr(_Work, "take", take)
    _, report = Collection.built(tmp_path / "index", drawn, "mini", "cpu")
    assert (report.unchanged, report.added) == (3, 5)


def test_scenes_of_a_video(tmp_path: Path) -> None:
    colors = ("red", "red", "red", "blue", "blue", "red")
    pictures = dict(zip(COLORS, draw(tmp_path / "pictures"), strict=True))
    frames = [Image.open(pictures[color]) for color in colors]
    frames[0].save(
        tmp_path / "v.gif", save_all=True, append_images=frames[1:], duration=500, loop=0
    )
    found = Collection.build(tmp_path / "index", tmp_path / "v.gif")
    assert found.store.shards[0].spans.tolist() == [[0, 1.5], [1.5, 2.5], [2.5, 2.5]]
    best = found.search(f"image:{pictures['blue']}", count=1)[0]
    assert (best.is_video, best.start, best.stop) == (True, 1.5, 2.5)


def test_other_weights_and_other_encoders_are_refused(
    drawn: Path, built: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="with the encoder mini, not mini-judge; remove --encoder"):
        Collection.build(built.store.folder, drawn, "mini-judge")
    monkeypatch.setattr("guidance.search.identity._digest", lambda path: "other")
    with pytest.raises(InputError, match="with other weights of mini"):
        Collection(built.store.folder)


def test_queries_without_torch_agree(built: Collection) -> None:
    queries = [
        Query.of(PROMPT, "a green plant:2"),
        Query.of("It's 12 o'clock, isn't it?!", templates=("{}", "we've seen {}...")),
    ]
    light = light_vectors(built.store, queries)
    assert light is not None
    for query, vector in zip(queries, light, strict=True):
        full = query_vector(built.encoder, query).numpy()
        assert np.abs(vector - full).max() < 1e-5
        one, other = (
            search(built.store, Exact(built.store, light=small), which, 5)
            for small, which in ((True, vector), (False, full))
        )
        assert [hit.path for hit in one] == [hit.path for hit in other]
    for query in (Query.of("café"), Query.of("image:a.png"), Query.of("word " * 40)):
        assert light_vectors(built.store, [query]) is None


def test_the_tokens_of_texts_without_torch() -> None:
    from open_clip.tokenizer import SimpleTokenizer

    texts = [
        "A  red-hot Chili's 3.14 (peppers) #1",
        "we've they'll I'd you're don't 'tis",
        'unbelievable antidisestablishmentarianism "xyzzy" ~^|_ 007',
    ]
    tokenizer = SimpleTokenizer(context_length=77)
    for text in texts:
        assert can_tokenize(text)
        expected = tokenizer([text])[0]
        assert tokenize(text) == expected[expected != 0].tolist()
    assert not any(map(can_tokenize, ("naïve", "a &amp; b", "<start_of_text>", "a\tb")))


def test_a_query_of_text_imports_no_torch(built: Collection) -> None:
    code = (
        "import sys; from guidance.cli import _code; "
        f"code = _code(['search', 'query', {str(built.store.folder)!r}, 'a red ball', "
        "'--count', '1']); assert not {'torch', 'open_clip', 'scipy'} & set(sys.modules); "
        "sys.exit(code)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == str(built.search("a red ball", count=1)[0].path)


def test_an_index_of_somebody_else_opens_no_file(built: Collection, tmp_path: Path) -> None:
    """Files are opened only if their content is that which was embedded."""
    folder = shutil.copytree(built.store.folder, tmp_path / "index")
    hit = Collection(folder).search("a red ball", count=1)[0]
    assert hit.is_there
    from dataclasses import replace

    secret = tmp_path / "secret.png"
    secret.write_bytes(b"x" * hit.item.size)
    assert not replace(hit, item=replace(hit.item, path=str(secret))).is_there
    assert not replace(hit, item=replace(hit.item, path="/dev/zero")).is_there


def test_an_opened_index_is_one_state(built: Collection) -> None:
    assert Store.open(built.store.folder).manifest == built.store.manifest
    assert load_encoder("mini").fit(torch.rand(1, 3, 40, 90)).shape == (1, 3, 64, 64)
