"""Axes, trials and packs: which runs a sweep consists of."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path

import pytest

from guidance.errors import InputError
from guidance.sweeps.axes import (
    PromptFile,
    Rows,
    combinations,
    drawn,
    grid,
    in_order,
    values_of,
    zipped,
)
from guidance.sweeps.folder import SweepFolder
from guidance.sweeps.packing import capacity_of, packs_of
from guidance.sweeps.spec import Spec
from guidance.sweeps.trials import trials_of
from tests.sweeps.in_process import new_sweep, resolver_of


def test_values_of_axes() -> None:
    assert values_of("seed", "0..3") == (0, 1, 2, 3)
    assert values_of("steps", "10..30..10") == (10, 20, 30)
    assert values_of("mode", "stylize, texture") == ("stylize", "texture")
    assert values_of("size", [8, 16]) == (8, 16)
    for wrong in ("3..1", "a,,b", "0..9999999"):
        with pytest.raises(InputError):
            values_of("seed", wrong)


def test_zip_needs_equal_lengths() -> None:
    (rows,) = zipped({"size": "8,16", "steps": "5,6"})
    assert list(rows) == [{"size": "8", "steps": "5"}, {"size": "16", "steps": "6"}]
    with pytest.raises(InputError, match="size has 2, steps has 3"):
        zipped({"size": "8,16", "steps": "5,6,7"})


def test_random_draws_stay_when_there_are_more_of_them() -> None:
    few, many = (drawn({"noise": "0.01..1 log", "size": "4..8"}, n, 3)[0].rows for n in (5, 400))
    assert many[:5] == few
    noises, sizes = zip(*many, strict=True)
    assert all(0.01 <= each <= 1 for each in noises)
    assert set(sizes) == {4, 5, 6, 7, 8}
    assert 150 < sum(each < 0.1 for each in noises) < 250  # half of them, in the logarithm


def test_prompts_are_streamed(tmp_path: Path) -> None:
    """A sweep of many prompts is checked and packed without holding them."""
    path = tmp_path / "prompts.txt"
    path.write_text("".join(f"a red apple, number {i} of a long list\n" for i in range(1_000)))
    resolver = resolver_of({})
    found = PromptFile.scan(path)
    assert len(found) == 1_000
    next(packs_of(trials_of(resolver, [found]), 64))
    tracemalloc.start()
    assert sum(len(pack) for pack in packs_of(trials_of(resolver, [found]), 64)) == 1_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A set of hashes: 32 bytes each, and its table, which is copied when it grows.
    assert peak < 1_000 * 200 + 300_000


def test_a_pack_does_its_trials_in_the_order_of_its_samples() -> None:
    """The resolved run has, for each sample, the prompt, the seed and the options of the trial."""
    groups = in_order(
        [
            Rows(("seed",), ((0,), (1,), (2,), (5,))),
            *grid({"size": [8, 16]}),
            Rows(("prompt",), (("a",), ("bb",), ("ccc",))),
        ]
    )
    for capacity in (1, 2, 4, 6, 100):
        resolver = resolver_of({"steps": 3})
        seen = []
        packs = list(packs_of(trials_of(resolver, groups), capacity))
        for pack in packs:
            assert len(pack) <= capacity
            values = resolver.mapping(pack)
            task = resolver.cls.model_validate(
                {k: v for k, v in values.items() if k not in ("schema_version", "task")}
            )
            prompts = [prompt.text for prompt in task.sample_prompts]
            assert list(zip(prompts, task.sample_seeds, strict=True)) == [
                (trial.prompt, trial.seed) for trial in pack
            ]
            assert {trial.values["size"] for trial in pack} == {task.size}
            assert len({trial.folder for trial in pack}) == 1
            seen += [(trial.values["size"], trial.prompt, trial.seed) for trial in pack]
        wanted = itertools.product((8, 16), ("a", "bb", "ccc"), (0, 1, 2, 5))
        assert sorted(seen) == sorted(wanted)
        assert len({pack[0].folder for pack in packs}) == len(packs)
    assert len(packs) == 12  # seed 5 follows no other: a run with seeds 0..2, and one, per prompt


def test_the_id_is_that_of_the_resolved_configuration(tmp_path: Path) -> None:
    """Where a run happens, and how an option is written, change nothing; its value does."""

    def ids(options: dict[str, object], axes: dict[str, object]) -> list[str]:
        return [t.id for t in trials_of(resolver_of(options), in_order(grid(axes)))]

    plain = ids({"prompt": "a"}, {"seed": "0..1"})
    assert plain == ids({"prompt": "a", "preset": "normal", "size": "16"}, {"seed": ["0", "1"]})
    assert plain == ids(
        {"output": str(tmp_path), "device": "cpu"}, {"prompt": ["a"], "seed": [0, 1]}
    )
    assert not set(plain) & set(ids({"prompt": "a", "noise": 0.2}, {"seed": "0..1"}))
    assert ids({"prompt": "a"}, {"seed": [0, 0, "0", 1]}) == plain  # each once


def test_a_wrong_trial_is_named_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"trial 3 \(size=900, prompt=a\).*size"):
        new_sweep(
            tmp_path, resolver_of({}), in_order(grid({"prompt": ["a"], "size": [8, 16, 900]})), 4
        )
    with pytest.raises(InputError, match="seed: expected a whole number"):
        list(trials_of(resolver_of({"prompt": "a"}), grid({"seed": [1.5]})))
    with pytest.raises(InputError, match="unknown key 'nonsense'"):
        list(trials_of(resolver_of({"prompt": "a"}), grid({"nonsense": [1]})))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_a_file_of_a_sweep_may_say(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    for text, said in (
        ("grid: {seed: 0..3}", "names no task"),
        ("task: ./mine.py", "cannot name Python code"),
        ("schema_version: 99\ntask: text2image", "newer version"),
        ("task: text2image\ngird: {seed: 1}", "unknown key 'gird'"),
        ("task: text2image\ngrid: {seed: 0..3}\nbest_of: 4", "seed has values twice"),
        ("task: text2image\nrandom: {steps: 1..9}", "random and trials belong together"),
        ("task: text2image\ntrials: many", "trials"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=said):
            Spec.of(Spec.read(path), str(path))


def test_options_and_axes_exclude_each_other() -> None:
    spec = Spec.of({"task": "dot", "options": {"seed": 1}, "grid": {"seed": "0..2"}}, "sweep")
    with pytest.raises(InputError, match="seed is an option and an axis"):
        spec.groups()
    spec = Spec.of({"task": "dot", "options": {"seed": 5, "prompt": ["a", "b"]}, "best_of": 2}, "s")
    options, groups = spec.groups()
    assert options == {}
    found = [(row["prompt"], row["seed"]) for row in combinations(groups)]
    assert found == [("a", 5), ("a", 6), ("b", 5), ("b", 6)]


def test_a_changed_sweep_is_refused(tmp_path: Path) -> None:
    """Exactly once by the hash: a line whose configuration is another one is not done."""
    resolver = resolver_of({"prompt": "a"})
    folder = new_sweep(tmp_path, resolver, grid({"seed": "0..1"}), 1)
    assert folder.is_own
    again = SweepFolder.open(folder.path)
    assert [t.seed for t in again.trials(resolver)] == [0, 1]
    lines = (folder.path / "trials.jsonl").read_text()
    (folder.path / "trials.jsonl").write_text(lines.replace('{"seed":1}', '{"seed":2}'))
    with pytest.raises(InputError, match="line 2: the configuration of the trial is not"):
        list(again.trials(resolver))
    (folder.path / "trials.jsonl").write_text(lines.replace("runs/000/001", "../../001"))
    with pytest.raises(InputError, match="leads out of"):
        list(again.trials(resolver))


def test_capacity_follows_memory_and_workers() -> None:
    assert capacity_of(10**6, 10**9, workers=1, trials=1000) == 64
    assert capacity_of(10**8, 10**9, workers=1, trials=1000) == 5  # half of the memory
    assert capacity_of(10**8, 10**9, workers=5, trials=1000) == 1
    assert capacity_of(10**6, 10**9, workers=2, trials=24) == 12  # a run for each worker
