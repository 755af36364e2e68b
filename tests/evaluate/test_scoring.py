"""Scores of finished samples: values by hand on a judge of colours."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError, MissingWeights
from guidance.evaluate.families import LossModel, load_judge_for
from guidance.evaluate.judge import PromptRanking, normalize_text
from guidance.evaluate.perturbations import PERTURBATIONS, blur, jpeg, shift
from guidance.evaluate.scoring import (
    Sample,
    SampleImages,
    SampleScore,
    diversity,
    score_samples,
    summarize,
)
from guidance.evaluate.table import as_json, last_lines, sample_line
from guidance.evaluate.views import mesh_images
from guidance.geometry.io.files import save_mesh
from guidance.geometry.primitives import primitive
from guidance.meshes import Mesh
from guidance.models.catalogue import list_models
from tests.evaluate.stand_ins import ColorJudge, checkered, plain


def sample(prompt: str, *views: Tensor, seed: int = 0, textureless: Tensor | None = None) -> Sample:
    grey = None if textureless is None else textureless[None]
    return Sample(f"runs/{prompt}", prompt, seed, lambda: SampleImages(torch.stack(views), grey))


def scores_of(*samples: Sample, others: tuple[str, ...] = ()) -> list[SampleScore]:
    return list(score_samples(ColorJudge(), samples, others))


def test_similarity_and_rank_among_all_prompts_and_others() -> None:
    first, second = scores_of(
        sample("red", plain(1, 0, 0)), sample("green", plain(1, 0.1, 0)), others=("yellow", "red")
    )
    assert (first.score.rank, first.score.out_of) == (1, 3)
    assert first.score.similarity == pytest.approx(1.0)
    assert (second.score.rank, second.score.out_of) == (3, 3)
    assert second.score.similarity == pytest.approx(0.1 / 1.01**0.5)


def test_all_views_count_alike() -> None:
    (score,) = scores_of(sample("red", plain(1, 0, 0), plain(0, 1, 0)))
    assert score.score.similarity == pytest.approx(0.5)
    assert score.vector.tolist() == pytest.approx([0.5**0.5, 0.5**0.5, 0, 0])


def test_case_and_articles_make_no_difference_between_texts() -> None:
    assert (
        normalize_text("  The Red  Car")
        == normalize_text("a red car")
        == normalize_text("RED car")
        == "red car"
    )
    assert normalize_text("an") == "an"
    assert normalize_text("apple") == "apple"
    listing = PromptRanking(ColorJudge(), ["a green", "green", "Red", "the red"])
    assert len(listing) == 2
    assert listing.score(torch.tensor([[1.0, 0, 0, 0]]), "a green").rank == 2


def test_a_smooth_picture_has_no_gap() -> None:
    (score,) = scores_of(sample("red", plain(0.9, 0.1, 0.1, side=64)))
    assert score.gap == pytest.approx(0, abs=0.01)
    assert set(score.after) == set(PERTURBATIONS) == {"blur", "jpeg", "shift"}


def test_detail_of_single_pixels_has_a_gap() -> None:
    (score,) = scores_of(sample("noise", checkered()))
    assert score.score.similarity > 0.7
    assert score.gap == pytest.approx(score.score.similarity - score.after["blur"])
    assert score.gap > 0.5


def test_a_picture_that_gains_has_a_negative_gap() -> None:
    (score,) = scores_of(sample("grey", 0.5 + 0.1 * (checkered() - 0.5)))
    assert score.after["blur"] > score.after["jpeg"] > score.score.similarity
    assert score.gap < 0


def test_disturbances_keep_shape_and_range() -> None:
    pictures = torch.rand(2, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    for perturb in PERTURBATIONS.values():
        found = perturb(pictures)
        assert found.shape == pictures.shape
        assert found.min() >= 0
        assert found.max() <= 1
        assert not torch.equal(found, pictures)
    flat = plain(0.2, 0.4, 0.6, side=16)[None]
    for perturb in (blur, shift):
        assert torch.allclose(perturb(flat), flat, atol=1e-6)
    assert torch.allclose(jpeg(flat), flat, atol=0.02)


def test_a_shift_moves_right_and_down_by_one_pixel() -> None:
    dot = torch.zeros(1, 3, 4, 4)
    dot[..., 1, 1] = 1
    assert shift(dot)[0, 0].nonzero().tolist() == [[2, 2]]


def test_a_blur_keeps_the_light_and_grows_with_the_picture() -> None:
    for side in (33, 301):
        dot = torch.zeros(1, 3, side, side)
        dot[..., side // 2, side // 2] = 1
        spread = blur(dot)[0, 0]
        assert spread.sum().item() == pytest.approx(1, abs=1e-4)
        sigma = max(1.0, side / 100)
        assert spread.max().item() == pytest.approx(1 / (2 * torch.pi * sigma**2), rel=0.05)


def test_diversity_is_of_prompts_with_several_seeds() -> None:
    scores = scores_of(
        sample("red", plain(1, 0, 0)),
        sample("red", plain(0, 1, 0), seed=1),
        sample("red", plain(1, 0, 0), seed=2),
        sample("green", plain(0, 1, 0)),
    )
    assert diversity(scores) == {"red": pytest.approx(2 / 3)}
    assert summarize(scores).diversity == pytest.approx(2 / 3)
    assert summarize(scores[-1:]).diversity is None


def test_the_summary_takes_means() -> None:
    scores = scores_of(
        sample("red", plain(1, 0, 0), textureless=plain(1, 1, 1)),
        sample("green", plain(1, 0, 0), textureless=plain(0, 1, 0)),
        others=("grey",),
    )
    found = summarize(scores)
    assert (found.samples, found.r_precision, found.similarity) == (2, 0.5, pytest.approx(0.5))
    assert found.gap == pytest.approx(sum(score.gap for score in scores) / 2)
    assert found.textureless_r_precision == 0.5
    assert found.textureless_similarity == pytest.approx((3**-0.5 + 1) / 2)
    assert scores[0].textureless is not None
    assert scores[0].textureless.rank == 2


def test_lines_and_json_say_the_same() -> None:
    scores = scores_of(
        sample("red", plain(1, 0, 0), textureless=plain(1, 1, 1)), sample("red", plain(0, 1, 0))
    )
    line = sample_line(scores[0])
    assert line.startswith("runs/red: 'red', seed 0: similarity 1.000, rank 1 of 1, gap ")
    assert "textureless 0.577, rank 1" in line
    assert "textureless" not in sample_line(scores[1])
    *rest, last = last_lines(scores, "color")
    assert rest == ["diversity of 'red': 1.000"]
    assert last.startswith("R-Precision 1.000, mean similarity 0.500, mean gap ")
    assert last.endswith("textureless R-Precision 1.000; 2 samples judged by color")
    content = json.loads(as_json(scores, "color"))
    assert content["judge"] == "color"
    assert content["diversity"] == {"red": pytest.approx(1)}
    assert content["summary"]["similarity"] == pytest.approx(0.5)
    assert content["samples"][0]["textureless"]["rank"] == 1
    assert content["samples"][1]["textureless"] is None
    assert set(content["samples"][0]) == {
        "name", "prompt", "seed", "similarity", "rank", "out_of", "after", "gap", "textureless",
        "shape",
        "janus",
        "atoms",
        "seconds",
        "flops",
    }  # fmt: skip


def test_a_mesh_is_seen_from_around_with_and_without_colours(tmp_path) -> None:
    mesh = primitive("cube")
    red = torch.tensor([1.0, 0, 0]).expand_as(mesh.vertices)
    big = Mesh(mesh.vertices * 40 + 7, mesh.faces, red)
    loaded = mesh_images(save_mesh(big, tmp_path / "mesh.glb"))
    assert loaded.textureless is not None
    assert loaded.images.shape == loaded.textureless.shape == (8, 3, 224, 224)
    # A cube looks the same after a quarter turn and different after an eighth.
    assert (loaded.images[0] - loaded.images[2]).abs().mean() < 0.002
    assert (loaded.images[0] - loaded.images[1]).abs().mean() > 0.01
    inside = loaded.images[0, :, 112, 112]
    assert inside[0] > 0.5
    assert inside[1:].max() < 0.01
    grey = loaded.textureless[0]
    assert (grey.amax(0) - grey.amin(0)).max() < 1e-5
    assert loaded.images[0, :, 0, 0].tolist() == [1, 1, 1]


def test_a_mesh_without_colours_is_refused(tmp_path) -> None:
    path = save_mesh(primitive("cube"), tmp_path / "mesh.glb")
    with pytest.raises(InputError, match="expected a mesh with vertex colors or texture maps"):
        mesh_images(path)


def test_families_of_losses_need_no_weights() -> None:
    assert LossModel.of("mini").family == "mini-clip"
    assert LossModel.of("ViT-B-16-SigLIP2-384/webli").family == "siglip"
    assert LossModel.of("ViT-L-14/another_tag").family == "clip"
    with pytest.raises(MissingWeights, match="/nowhere"):
        LossModel.of("local-dir:/nowhere")


def test_a_folder_tells_its_own_family(tmp_path) -> None:
    config = {"model_cfg": {"embed_dim": 8, "vision_cfg": {}, "text_cfg": {}}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    (tmp_path / "open_clip_model.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    assert LossModel.of(f"local-dir:{tmp_path}").family == "clip"
    (tmp_path / "guidance.json").write_text(json.dumps({"family": "mine"}))
    assert LossModel.of(f"local-dir:{tmp_path}").family == "mine"


@pytest.fixture
def loaded(monkeypatch) -> list[str]:
    """The names of judges that were asked for, none of which is really loaded."""
    names: list[str] = []

    def load(name: str, device: str, precision: str) -> Encoder:
        names.append(name)
        judge = ColorJudge()
        judge.name, judge.family = name, LossModel.of(name).family
        assert precision == "fp32"
        return judge

    monkeypatch.setattr("guidance.encoders.load_encoder", load)
    return names


def test_the_judge_fits_all_losses(loaded: list[str]) -> None:
    assert load_judge_for(["mini", "mini"]).family == "mini-judge"
    assert load_judge_for(["mini"], "ViT-B-32/openai").family == "clip"
    assert loaded == ["mini-judge", "ViT-B-32/openai"]


@pytest.mark.parametrize(("loss", "judge"), [("mini", "mini"), ("ViT-B-32/x", "ViT-B-32/openai")])
def test_a_judge_of_a_losss_family_is_refused_unloaded(
    loaded: list[str], loss: str, judge: str
) -> None:
    with pytest.raises(InputError, match=f"which a loss uses \\('{loss}'\\)"):
        load_judge_for([loss], judge)
    assert loaded == []


def test_a_card_that_names_a_losss_family_is_refused(monkeypatch) -> None:
    """What a folder says of itself counts, whatever its name let expect."""
    judge = ColorJudge()
    judge.family = "mini-clip"
    monkeypatch.setattr("guidance.encoders.load_encoder", lambda *_: judge)
    with pytest.raises(InputError, match="'mini-clip', which a loss uses"):
        load_judge_for(["mini"], "ViT-B-32/openai")


def test_losses_of_all_families_leave_no_judge(loaded: list[str]) -> None:
    with pytest.raises(InputError, match="no judge is left for losses of the families"):
        load_judge_for([model.name for model in list_models()])
