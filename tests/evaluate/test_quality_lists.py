"""The committed lists of the quality benchmark, how it deals them out, and its modes' figures."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

from guidance.evaluate.judge import ARTICLES, Score, normalize_text
from guidance.evaluate.scoring import SampleScore
from guidance.evaluate.shape import Shape
from guidance.geometry.io.files import load_mesh
from guidance.geometry.primitives import PRIMITIVES
from guidance.tasks.text2mesh import TextToMesh
from tests.evaluate.stand_ins import ColorJudge

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FETCHED = ("spot", "suzanne", "teapot")


@pytest.fixture
def cases(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("cases")


@pytest.fixture
def by_mode(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("by_mode")


LISTED = [("prompts.txt", "text2image", 100), ("pairs.txt", "text2mesh", 30)]
LISTED += [("views.txt", "text2mesh", 30)]


@pytest.mark.parametrize(("name", "task", "count"), LISTED)
def test_lists_hold_distinct_prompts_with_articles(cases, name: str, task: str, count: int) -> None:
    prompts = [case.prompt for case in cases.read_cases(BENCHMARKS / name, task)]
    assert len(prompts) == len({normalize_text(prompt) for prompt in prompts}) == count
    for prompt in prompts:
        assert prompt.startswith(ARTICLES)
        assert prompt.startswith("an ") == (prompt.split()[1][0].lower() in "aeiou")
        assert len(prompt.split()) <= 9


def test_pairs_have_all_modes_and_meshes(cases) -> None:
    listed = cases.read_cases(BENCHMARKS / "pairs.txt", "text2mesh")
    assert {case.mode for case in listed} == {"stylize", "texture", "deform", "generate"}
    shapes = {"sphere", "cube", "torus", "cone", "cylinder", "pear", "apple", "mushroom"}
    assert {case.mesh for case in listed} == shapes | set(FETCHED)
    for mode in ("stylize", "texture", "deform"):
        assert {"spot", "suzanne"} < {case.mesh for case in listed if case.mode == mode}


@pytest.mark.parametrize("name", ["pairs.txt", "views.txt"])
def test_every_mesh_is_there_or_left_out(cases, name: str, tmp_path: Path) -> None:
    listed = cases.read_cases(BENCHMARKS / name, "text2mesh")
    found = cases.here(listed, None)
    assert [case for case in listed if case not in found] == [
        case for case in listed if case.mesh in FETCHED
    ]
    for case in cases.with_files(found, tmp_path):
        assert case.mesh in PRIMITIVES or load_mesh(case.mesh).mesh.faces.shape[0] > 100


def test_fetched_meshes_are_found_or_told(cases, tmp_path: Path) -> None:
    listed = [cases.Case("a pig", "spot", "deform"), cases.Case("a drum", "cylinder", "stylize")]
    with pytest.raises(SystemExit, match=r"has no spot\.obj; download it, or remove --meshes"):
        cases.here(listed, tmp_path)
    (tmp_path / "spot.obj").touch()
    found = cases.with_files(cases.here(listed, tmp_path), tmp_path / "made", tmp_path)
    assert [case.mesh for case in found] == [str(tmp_path / "spot.obj"), "cylinder"]
    assert found[0].fields() == {"mesh": found[0].mesh, "mode": "deform"}


def test_batches_hold_one_mesh_and_mode_each_and_lose_nothing(cases) -> None:
    case = cases.Case
    listed = [case("a", "cube", "deform"), case("b", "cone", "deform"), case("c", "cube", "deform")]
    listed += [case("d", "cube", "deform"), case("e", "cube", "texture")]
    found = [[one.prompt for one in batch] for batch in cases.batches(listed, 2)]
    assert found == [["a", "c"], ["d"], ["b"], ["e"]]
    flat = [case(str(number)) for number in range(5)]
    assert [len(batch) for batch in cases.batches(flat, 3)] == [3, 2]


def test_modes_are_read_or_stylize_and_generate_has_no_mesh(cases, tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text("cube\ta package\ncube\ta game die\ttexture\nspot\ta pig\tdeform\n")
    first, second, turned = cases.read_cases(path, "text2mesh")
    assert (first.mode, second.mode) == ("stylize", "texture")
    assert turned.fields() == {
        "mesh": "spot",
        "mode": "deform",
        "cameras": {"kind": "orbit", "front": 180.0},
    }
    assert second.with_mode("generate") == cases.Case("a game die", "sphere", "generate")


@pytest.mark.parametrize("line", ["cube a package", "cube\ta package\tpaint", "a\tb\tdeform\tc"])
def test_lines_that_are_no_pairs_are_told(cases, tmp_path: Path, line: str) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(f"cube\ta package\n{line}\n")
    with pytest.raises(SystemExit, match="line 2: expected a mesh, a tab and a prompt, then"):
        cases.read_cases(path, "text2mesh")


def scored(rank: int, plain: float, crossing: float) -> SampleScore:
    """What `by_mode` looks at of a sample."""
    grey, shape = Score(plain, 1, 9), Shape(crossing, 0.2, crossing / 2, 0.1)
    return SampleScore("x", "red", 0, Score(0.5, rank, 9), {}, grey, torch.ones(1), shape)


def test_figures_by_mode(by_mode) -> None:
    scores = [scored(1, 0.3, 0.02), scored(2, 0.1, 0.06), scored(1, 0.9, 0.5)]
    found = by_mode.by_mode(scores, ["deform", "deform", "stylize"], [0.2, 0.2, None])
    assert list(found) == ["stylize", "deform"]
    assert found["stylize"] == {"samples": 1, "r_precision": 1.0, "similarity": 0.5}
    assert found["deform"] == pytest.approx(
        {
            "samples": 2,
            "r_precision": 0.5,
            "similarity": 0.5,
            "textureless_before": 0.2,
            "textureless_after": 0.2,
            "textureless_rose": 0.5,
            "self_intersections": 0.04,
            "self_intersections_worst": 0.06,
            "self_intersections_at_rest": 0.02,
        }
    )
    line = by_mode.mode_line("deform", found["deform"])
    assert line.startswith("deform: 2 samples, R-Precision 0.500; textureless 0.200 before and")
    assert line.endswith("risen for 50%; self-intersections 4.00%, at worst 6.00%, at rest 2.00%")


def test_the_shape_before_is_the_grey_mesh_at_the_start(by_mode) -> None:
    task = TextToMesh(prompt=["grey", "noise"], mesh="cone", mode="deform", device="cpu")
    grey, noise = by_mode.before(task, ColorJudge())
    assert grey > 0.95 and noise < 0.3
