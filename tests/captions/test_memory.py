"""The method memory: words, reading, naming without claiming too much, attributes by contrast."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from guidance.captions.memory.concepts import CONFIDENCE, Concepts
from guidance.captions.memory.texts import Entry, Memory, embed, load_memory, read_memory
from guidance.captions.methods.memory import NOTHING
from guidance.captions.methods.memory import Memory as Method
from guidance.encoders import load_encoder
from guidance.errors import InputError
from guidance.language.words import concept, head, nouns, parts, with_article
from tests.captions.stand_ins import Bag, picture


def test_words() -> None:
    phrases = ("apple", "old tree", "two dogs", "glasses", "bus", "face with glasses", "1st place")
    expected = [
        "an apple", "an old tree", "two dogs", "glasses", "a bus", "a face with glasses",
        "1st place",
    ]  # fmt: skip
    assert [with_article(phrase) for phrase in phrases] == expected
    assert head("a smiling face with tears of joy") == "a smiling face"
    assert head("woman playing handball") == "woman"
    assert concept("red and green striped heart") == "heart"
    assert concept("orange") == "orange"
    assert concept("smiling face with red hair and glasses") == "face with hair"
    assert parts("woman judge") == ["woman judge", "judge", "woman"]
    assert parts("cat face with tears")[1:] == ["cat face", "face"]
    assert nouns("A red cat face with tears on a blue background") == ["cat", "face", "tears"]


def test_memory_files(tmp_path: Path) -> None:
    path = tmp_path / "memory.txt"
    path.write_text("red apple | fruit, food\n\n dog \nred apple | fruit, food\n")
    assert read_memory(path) == (Entry("red apple", ("fruit", "food")), Entry("dog"))
    for content, problem in (
        (b"\n", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"a" * 300, "at most 200 characters"),
        (b"a\n" * 50_001, "50000 lines"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=problem):
            read_memory(path)
    with pytest.raises(InputError, match="no such file"):
        read_memory(tmp_path / "absent.txt")
    with pytest.raises(InputError, match="not a plain file"):
        read_memory(tmp_path)


def test_embedded_vectors_are_those_of_the_encoder() -> None:
    mini = load_encoder("mini")
    memory = load_memory(None, mini)
    some = [0, 500, 1500, len(memory.entries) - 1]
    computed = embed(mini, [memory.entries[i].text for i in some])
    assert torch.allclose(memory.vectors[some], computed, atol=2e-3)


def concepts(*lines: tuple[str, tuple[str, ...]]) -> Concepts:
    entries = tuple(Entry(*line) for line in lines)
    return Concepts(Memory(entries, embed(Bag(), [entry.text for entry in entries])), 40.0)


def test_a_concept_has_the_score_of_its_best_text() -> None:
    one = concepts(("red apple", ()), ("blue apple", ()), ("dog", ()))
    assert one.names == ["apple", "dog"]
    vector = Bag().encode_image(picture("red", "apple"))
    logits = 40.0 * vector @ one.memory.vectors.T
    expected = torch.stack([logits[0, :2].amax(), logits[0, 2]]).softmax(0)
    assert torch.allclose(one.probabilities(vector)[0], expected)
    assert one.texts(vector[0], 0, 1) == ["red apple"]


def test_nouns_are_as_narrow_as_they_are_sure() -> None:
    one = concepts(("apple", ("fruit",)), ("pear", ("fruit",)), ("dog", ()), ("star", ()))
    sure = one.name(torch.tensor([0.9, 0.05, 0.03, 0.02]))
    assert (sure.text, sure.concept) == ("apple", 0)
    torn = one.name(torch.tensor([0.45, 0.45, 0.05, 0.05]))
    assert torn.text == "fruit" and torn.probability == pytest.approx(0.9)
    assert torn.probability > CONFIDENCE
    assert one.name(torch.full((4,), 0.25)).text == "fruit"
    assert concepts(*((word, ()) for word in "abcd")).name(torch.full((4,), 0.25)).text == ""


def test_captions_of_the_stand_in(tmp_path: Path) -> None:
    path = tmp_path / "memory.txt"
    path.write_text("apple | fruit\npear | fruit\ndog\nheart\nstar\n")
    method = Method.load(Bag(), Method.Options(memory=path))
    images = torch.cat([picture("red", "apple"), picture("dog"), picture("apple", "pear")])
    red, dog, fruit = method.caption(Bag().encode_image(images))
    assert (red.text, dog.text, fruit.text) == ("a red apple", "a dog", "a fruit")
    assert red.similarity == pytest.approx(1, abs=0.01) and red.concepts[0] == "apple"
    assert method.caption(Bag().encode_image(images[:1]))[0].encodes == 0, "encoded once"
    unsure = Method(Bag(), concepts(*((word, ()) for word in ("dog", "heart", "star", "face"))))
    nothing = unsure.caption(torch.ones(1, 10) / 10**0.5)[0]
    assert nothing.text == NOTHING


def test_the_embedded_model_describes_what_it_knows() -> None:
    """A heart with known colors, from its inequality; wrong colors are left out by contrast."""
    axis = torch.linspace(-1, 1, 96)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    x, y = 1.45 * x, -1.45 * y + 0.15
    inside = ((x**2 + y**2 - 1) ** 3 - x**2 * y**3 < 0).float()
    color = torch.tensor([0.18, 0.39, 0.86]).view(3, 1, 1)
    image = (inside * color + (1 - inside))[None]
    mini = load_encoder("mini")
    caption = Method.load(mini, Method.Options()).caption(mini.encode_image(image))[0]
    assert caption.text == "a blue heart"
