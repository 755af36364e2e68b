"""YAML within limits, and wrong values in Python: one line each, in no time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import guidance as gd
from guidance.config.files import MAX_BYTES, read_config
from guidance.errors import InputError

ODD = {
    "hexadecimal": "steps: 0x" + "f" * 5000,
    "decimal": "steps: " + "9" * 5000,
    "sexagesimal": "steps: " + "1:" * 100 + "1",
    "empty int": "a: !!int ''",
    "float": "a: !!float x",
    "bool": "a: !!bool perhaps",
    "timestamp": "a: !!timestamp x",
    "date": "a: 2026-11-30",
    "binary": "a: !!binary aGk=",
    "set": "a: !!set {x}",
    "ordered": "a: !!omap [x: 1]",
    "pairs": "a: !!pairs [x: 1]",
    "merge": "a: {<<: {b: 1}}",
    "value": "a: =",
    "map of text": "!!map x",
    "sequence of map": "!!seq {a: 1}",
    "text of sequence": "a: !!str [1]",
    "python": "a: !!python/name:os.system x",
    "own tag": "!foo a: b",
    "key of sequence": "[1]: 2",
    "no character": 'a: "\\U00110000"',
    "control character": "a: \x1b]0;owned\x07",
    "documents": "a: 1\n---\nb: 2",
    "directive": "%YAML 9.9\n---\na: 1",
    "alias": "a: &x [1]\nb: *x",
    "anchors": "- &x a\n" * 100,
    "deep": "[" * 200_000,
    "deep mappings": "{" * 200_000,
    "deep keys": "? " * 100_000,
    "deep lines": "- " * 100_000,
    "keys": "".join(f"k{i}:\n" for i in range(32_000)),
    "short keys": "a:\n" * 80_000,
    "values": "a: [" + "b," * 120_000 + "]",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_yaml_is_refused_quickly_and_in_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(ODD[name])
    assert path.stat().st_size <= MAX_BYTES
    start = time.process_time()
    with pytest.raises(InputError) as told:
        read_config(path)
    assert time.process_time() - start < 2
    assert len(str(told.value)) < 500 and "\n" not in str(told.value)


def test_long_texts_and_lists_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("prompt: [" + "a," * 2000 + "]\nstyle: '" + "b " * 50_000 + "'\n" + "# c\n" * 9)
    values = read_config(path)
    assert len(values["prompt"]) == 2000 and len(values["style"]) == 100_000


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gd.Texture(texels=1), "Texture.texels: expected at least 16, got 1"),
        (lambda: gd.Texture(texel=1), "Texture.texel: is unknown; the options are texels, map_si"),
        (
            lambda: gd.TextToImage(prompt="a", steps=0),
            "TextToImage.steps: expected at least 1, got 0",
        ),
        (lambda: gd.TextToImage(prompt=""), "TextToImage.prompt: prompt '': a phrase is empty"),
        (lambda: gd.TextToImage(prompt="a", loss="clop"), "TextToImage: unknown loss 'clop'; did"),
        (
            lambda: gd.TextToImage(prompt="a", generator={"kind": "grid", "cells": 0}),
            "TextToImage.generator.cells: expected at least 1",
        ),
    ],
)
def test_wrong_values_in_python_name_class_and_field(make: object, message: str) -> None:
    with pytest.raises(InputError) as told:
        make()  # type: ignore[operator]
    assert str(told.value).startswith(message) and "\n" not in str(told.value)
    assert isinstance(told.value, ValueError)


def test_constructors_still_validate_mappings_and_copies() -> None:
    assert gd.Texture.model_validate({"texels": 512}) == gd.Texture(texels=512)
    assert gd.TextToImage(prompt="a").model_copy(update={"steps": 3}).steps == 3
