"""Fronts on backs, counted by a judge that takes red for a front and blue for a back."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.evaluate.janus import Janus, janus
from guidance.evaluate.scoring import Sample, SampleImages, score_samples, summarize
from guidance.evaluate.table import as_json, last_lines, sample_line
from guidance.evaluate.views import VIEWS, mesh_images
from guidance.geometry.io.files import save_mesh
from guidance.geometry.primitives import primitive
from guidance.meshes import Mesh
from tests.evaluate.stand_ins import ColorJudge

AZIMUTHS = 45.0 * torch.arange(8)
RED, BLUE = torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 0, 1])


class SideJudge(ColorJudge):
    """Front words are red, back words are blue."""

    templates = ("{}",)

    def encode_text(self, texts: list[str]) -> Tensor:
        rows = {"front": (1.0, 0, 0, 0), "back": (0.0, 0, 1, 0)}
        return F.normalize(
            torch.tensor([rows.get(text.split()[0], (1.0, 1, 1, 0)) for text in texts]), dim=-1
        )


def views(*fronts: int) -> Tensor:
    """The judge's vectors of eight views: red fronts, and blue for the others."""
    rows = torch.tensor([[0.0, 0, 1, 0]]).repeat(8, 1)
    rows[list(fronts)] = torch.tensor([1.0, 0, 0, 0])
    return rows


@pytest.mark.parametrize(
    ("fronts", "wanted"),
    [
        ((7, 0, 1), Janus(0.0, 1.0, 0.0)),
        ((1, 2, 3), Janus(0.0, 1.0, 90.0)),
        ((2,), Janus(0.0, 1 / 3, 90.0)),
        ((7, 0, 1, 4), Janus(1 / 3, 1.0, 0.0)),  # a face in the middle of the back
        ((6, 7, 0, 1, 2, 3, 5), Janus(2 / 3, 1.0, 0.0)),
        (tuple(range(8)), None),
        ((), None),
    ],
)
def test_fronts_are_counted_before_and_behind(
    fronts: tuple[int, ...], wanted: Janus | None
) -> None:
    found = janus(SideJudge(), views(*fronts), AZIMUTHS, "thing")
    if wanted is None:  # no side differs, so where the front is says nothing
        assert found.back == found.front == (1.0 if fronts else 0.0)
        return
    assert (found.back, found.front) == pytest.approx((wanted.back, wanted.front))
    assert abs((found.front_deg - wanted.front_deg + 180) % 360 - 180) < 1e-6


def test_views_need_not_begin_at_the_front() -> None:
    found = janus(SideJudge(), views(0), AZIMUTHS + 100, "thing")
    assert found.front_deg == pytest.approx(100)


def two_faced(*azimuths_deg: float) -> Mesh:
    """A blue ball with a red half on each of these sides."""
    ball = primitive("sphere")
    colors = BLUE.repeat(len(ball.vertices), 1)
    for angle in torch.tensor(azimuths_deg).deg2rad():
        facing = ball.vertices @ torch.stack([angle.sin(), torch.tensor(0.0), angle.cos()])
        colors[facing > 0.5] = RED
    return Mesh(ball.vertices, ball.faces, colors)


def test_a_mesh_with_two_faces_is_told_from_one_with_one(tmp_path: Path) -> None:
    made = {"one": two_faced(30.0), "two": two_faced(30.0, 210.0)}
    paths = [save_mesh(mesh, tmp_path / f"{name}.glb") for name, mesh in made.items()]
    samples = [Sample(path.stem, "thing", 0, partial(mesh_images, path)) for path in paths]
    one, two = score_samples(SideJudge(), samples)
    assert one.janus is not None and two.janus is not None
    assert one.janus.back == 0 and one.janus.front > 0.6
    assert one.janus.front_deg == 45  # the nearest of the eight views
    assert two.janus.back > 0.6
    assert "front recognized in 0% of back views (67% of front views)" in sample_line(one)
    total = summarize([one, two])
    assert total.janus_back == (one.janus.back + two.janus.back) / 2
    (last,) = [line for line in last_lines([one, two], "side") if line.startswith("R-Precision")]
    assert f"front recognized in {total.janus_back:.0%} of back views" in last
    content = json.loads(as_json([one], "side"))
    assert content["samples"][0]["janus"]["back"] == 0
    assert content["summary"]["janus_back"] == 0


def test_pictures_have_no_sides() -> None:
    (score,) = score_samples(
        SideJudge(), [Sample("flat", "thing", 0, lambda: SampleImages(torch.ones(1, 3, 8, 8)))]
    )
    assert score.janus is None and summarize([score]).janus_back is None
    assert "front recognized" not in sample_line(score)
    assert VIEWS % 8 == 0  # fronts and backs are quarters
