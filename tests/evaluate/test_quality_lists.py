"""The committed lists of the quality benchmark, and how it deals them out to runs."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from guidance.evaluate.judge import ARTICLES, entry
from guidance.geometry.mesh_io import load_mesh
from guidance.geometry.primitives import PRIMITIVES

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def quality(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("quality")


@pytest.mark.parametrize(("task", "count"), [("text2image", 100), ("text2mesh", 30)])
def test_lists_hold_distinct_prompts_with_articles(quality, task: str, count: int) -> None:
    cases = quality.read_cases(BENCHMARKS / quality.LISTS[task], task)
    prompts = [case.prompt for case in cases]
    assert len(prompts) == len({entry(prompt) for prompt in prompts}) == count
    for prompt in prompts:
        assert prompt.startswith(ARTICLES)
        assert prompt.startswith("an ") == (prompt.split()[1][0].lower() in "aeiou")
        assert len(prompt.split()) <= 9


def test_every_mesh_of_the_pairs_is_there(quality, tmp_path: Path) -> None:
    cases = quality.read_cases(BENCHMARKS / "pairs.txt", "text2mesh")
    for case in quality.with_files(cases, tmp_path):
        assert case.mesh in PRIMITIVES or load_mesh(case.mesh).mesh.faces.shape[0] > 100


def test_batches_hold_one_mesh_each_and_lose_nothing(quality) -> None:
    case = quality.Case
    cases = [case("a", "cube"), case("b", "cone"), case("c", "cube"), case("d", "cube")]
    found = [[one.prompt for one in batch] for batch in quality.batches(cases, 2)]
    assert found == [["a", "c"], ["d"], ["b"]]
    flat = [case(str(number)) for number in range(5)]
    assert [len(batch) for batch in quality.batches(flat, 3)] == [3, 2]


def test_a_pair_without_a_tab_is_told(quality, tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text("cube\ta package\ncube a package\n")
    with pytest.raises(SystemExit, match="line 2: expected a mesh, a tab and a prompt"):
        quality.read_cases(path, "text2mesh")
