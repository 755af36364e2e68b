"""Checkpoints survive kills, and damage never loads."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize
from guidance.runs import atomic, checkpoint
from tests.stand_ins import Canvas, Target

CONFIG = "0" * 64


def snapshots() -> list[dict[str, Tensor]]:
    found: list[dict[str, Tensor]] = []

    def listen(event: Event) -> None:
        if isinstance(event, StepEvent):
            found.append(event.snapshot())

    optimize(Canvas(2, 2), Target([0.1, 0.9]), steps=3, listeners=[listen])
    return found


FIRST, SECOND, _ = snapshots()


def load(folder: Path, config: str = CONFIG) -> dict[str, Tensor] | None:
    return checkpoint.load(folder, Canvas(2, 2), config)


def is_same(one: dict[str, Tensor] | None, other: dict[str, Tensor]) -> bool:
    return one is not None and all(torch.equal(one[name], other[name]) for name in other)


def test_comes_back_as_it_was(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    checkpoint.save(tmp_path, FIRST, CONFIG)
    assert is_same(load(tmp_path), FIRST)
    checkpoint.save(tmp_path, SECOND, CONFIG)
    assert is_same(load(tmp_path), SECOND)
    assert sorted(p.name for p in tmp_path.iterdir()) == [checkpoint.DESCRIPTION, checkpoint.DATA]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("call", range(12))
def test_a_kill_at_any_system_call_leaves_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int, first: bool
) -> None:
    """Nothing is cleaned up after a kill: unlink fails too, as in a dead process."""
    if not first:
        checkpoint.save(tmp_path, FIRST, CONFIG)
    count = iter(range(100))

    def dying(work: Callable) -> Callable:
        def call_or_die(*arguments, **named):
            if next(count) >= call:
                raise Killed
            return work(*arguments, **named)

        return call_or_die

    for name in ("fsync", "replace", "chmod"):
        monkeypatch.setattr(atomic.os, name, dying(getattr(os, name)))
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
    try:
        checkpoint.save(tmp_path, SECOND, CONFIG)
        finished = True
    except Killed:
        finished = False
    monkeypatch.undo()
    found = load(tmp_path)
    assert is_same(found, SECOND) or (not finished and (found is None) == first)
    if found is not None and not is_same(found, SECOND):
        assert is_same(found, FIRST)
    checkpoint.save(tmp_path, SECOND, CONFIG)
    assert is_same(load(tmp_path), SECOND)


@pytest.mark.parametrize("name", [checkpoint.DATA, checkpoint.DESCRIPTION])
def test_no_truncation_and_no_flipped_bit_is_loaded(tmp_path: Path, name: str) -> None:
    checkpoint.save(tmp_path, FIRST, CONFIG)
    whole = (tmp_path / name).read_bytes()
    draw = random.Random(0)
    for index in range(400):
        if index % 4 == 0:
            damaged = whole[: draw.randrange(len(whole))]
        else:
            place, bit = draw.randrange(len(whole)), 1 << draw.randrange(8)
            damaged = whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(InputError) as told:
            load(tmp_path)
        assert "\n" not in str(told.value)


def test_a_torn_pair_is_refused(tmp_path: Path) -> None:
    for name, tensors in (("a", FIRST), ("b", SECOND)):
        (tmp_path / name).mkdir()
        checkpoint.save(tmp_path / name, tensors, CONFIG)
    os.replace(tmp_path / "a" / checkpoint.DATA, tmp_path / "b" / checkpoint.DATA)
    with pytest.raises(InputError, match="does not have the hash"):
        load(tmp_path / "b")
    (tmp_path / "b" / checkpoint.DESCRIPTION).unlink()
    with pytest.raises(InputError, match=r"checkpoint.json: is missing; the checkpoint is damaged"):
        load(tmp_path / "b")


def test_a_newer_version_is_refused_by_its_number(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, FIRST, CONFIG)
    path = tmp_path / checkpoint.DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 7, "new": 1}))
    with pytest.raises(InputError, match=r"schema_version 7; this one reads up to 3\); update"):
        load(tmp_path)


def test_another_configuration_or_generator_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, FIRST, CONFIG)
    with pytest.raises(InputError, match=r"config.yaml was changed"):
        load(tmp_path, "1" * 64)
    with pytest.raises(InputError, match=r"expected generator/pixels \[2, 3, 4, 4\], found \[2,"):
        checkpoint.load(tmp_path, Canvas(2, 4), CONFIG)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counter/step": torch.tensor(2.0)}, "does not belong to step 2"),
        ({"counter/rate_scale": torch.tensor(torch.nan)}, "lacks a counter"),
        ({"best/other": torch.zeros(1)}, "holds 'best/other'"),
        ({"huge": torch.zeros(2**24 + 2**12)}, "at most"),
    ],
)
def test_what_does_not_fit_is_refused_though_its_hash_does(
    tmp_path: Path, change: dict[str, Tensor], message: str
) -> None:
    checkpoint.save(tmp_path, FIRST | change, CONFIG)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


def test_a_header_that_claims_gigabytes_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, FIRST, CONFIG)
    data = (2**40).to_bytes(8, "little") + b"{}"
    values = json.loads((tmp_path / checkpoint.DESCRIPTION).read_text())
    values.pop("self_sha256")
    import hashlib

    values |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    description = checkpoint.Description(**values)
    (tmp_path / checkpoint.DESCRIPTION).write_text(checkpoint._as_text(description))
    (tmp_path / checkpoint.DATA).write_bytes(data)
    with pytest.raises(InputError, match="has a header of 1099511627776 bytes"):
        load(tmp_path)
