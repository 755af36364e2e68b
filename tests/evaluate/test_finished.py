"""`guide eval`: run folders made by hand, what is said about them, and about mistakes."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from guidance.commands.evaluate import Request, parse
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.evaluate import families
from guidance.evaluate.families import LossModel, load_judge_for
from guidance.evaluate.finished import read_run, read_texts
from guidance.evaluate.hard_list import hard_list
from guidance.evaluate.judge import check_judge, normalize_text
from guidance.geometry.deformation import Deformation
from guidance.geometry.io.files import save_mesh
from guidance.geometry.primitives import primitive
from guidance.media.write_image import save_png
from guidance.meshes import Mesh
from tests.evaluate.stand_ins import ColorJudge, plain, write_run
from tests.runs.dot import Dot
from tests.test_cli import guide, refused


@pytest.fixture
def judged(monkeypatch) -> list[str]:
    """`guide eval` asks the judge of colours; gives the losses that it must not share."""
    asked: list[str] = []

    def load_judge_for(
        losses: list[str], name: str | None = None, families: dict[str, str] | None = None
    ) -> Encoder:
        asked.extend(losses)
        judge = ColorJudge()
        check_judge(judge, [LossModel(loss, loss) for loss in losses])
        return judge

    monkeypatch.setattr(families, "load_judge_for", load_judge_for)
    return asked


def test_runs_are_scored_together(tmp_path: Path, judged: list[str], capsys) -> None:
    two = [plain(1, 0, 0), plain(0, 1, 0)]
    one = write_run(tmp_path / "one", two, ["red:2 | blue:-1", "red"])
    other = write_run(tmp_path / "other", [plain(1, 0, 0)], ["blue"], ["ViT-B-32/openai"])
    out = tmp_path / "scores.json"
    (tmp_path / "texts.txt").write_text("yellow\n\n  green \nThe Red\n")
    words = ["eval", one, other, one, "--json", out, "--against", tmp_path / "texts.txt"]
    words += ["--csv", tmp_path / "scores.csv"]
    assert guide(*words) == 0
    lines = capsys.readouterr().out.splitlines()
    head, first, second, third = (line.split() for line in lines[:4])
    assert head[:5] == ["prompt", "seed", "similarity", "rank", "R-precision"]
    # The best first; other texts are those of the list, blue and the three of the file.
    assert first[:4] == ["1", "red", "0", "1.000"]
    assert [first[-1], second[-1], third[-1]] == [
        f"{one}/samples/000", f"{one}/samples/001", str(other)
    ]  # fmt: skip
    assert "similarity   0.333 (too few for an interval)" in lines
    assert "R-precision  0.333 (too few for an interval)" in lines
    assert "diversity    1.000 (too few for an interval)" in lines
    ranked = len(
        {normalize_text(text) for text in [*hard_list(), "red", "blue", "yellow", "green"]}
    )
    assert lines[-1] == f"3 samples judged by color, ranked among {ranked} texts"
    assert judged == ["mini", "ViT-B-32/openai"]
    content = json.loads(out.read_text())
    assert content["ranked_among"] == "hard-1"
    assert content["samples"][0]["rank"] == 1
    assert content["summary"]["r_precision"] == pytest.approx(1 / 3)
    table = (tmp_path / "scores.csv").read_text().splitlines()
    assert table[0].startswith("prompt,seed,similarity,rank,R-precision,atoms,all atoms,blur,")
    assert table[1].startswith("red,0,1.0,1,1.0,")


def test_the_best_are_shown_and_copied(tmp_path: Path, judged: list[str], capsys) -> None:
    run = write_run(tmp_path / "run", [plain(0, 1, 0), plain(1, 0, 0), plain(0, 0, 1)], ["red"] * 3)
    best = tmp_path / "best"
    assert guide("eval", run, "--top", 1, "--copy", best) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith(f"{run}/samples/001")
    assert lines[2] == ""
    assert lines[-1] == str(best / "001-red-seed-1")
    assert sorted(path.name for path in (best / "001-red-seed-1").iterdir()) == [
        "config.yaml", "image.png"
    ]  # fmt: skip
    assert "exists; name a new folder" in refused(capsys, "eval", run, "--copy", best)
    assert "--top: expected 1 or more, got 0" in refused(capsys, "eval", run, "--top", 0)


def test_votes_are_compared_with_the_judge(tmp_path: Path, judged: list[str], capsys) -> None:
    run = write_run(tmp_path / "run", [plain(0, 1, 0), plain(1, 0, 0)], ["red"] * 2)
    votes = tmp_path / "votes.json"
    entry = {"first": "run#0", "second": "run#1", "choice": "second"}
    other = entry | {"first": "elsewhere#0"}
    votes.write_text(json.dumps({"schema_version": 1, "votes": [entry] * 6 + [other]}))
    assert guide("eval", run, "--votes", votes) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "votes of people             6" in lines
    assert "votes on other results      1, left out" in lines
    assert "same choice as the judge    1.000  95% interval 1.000 to 1.000" in lines
    for text in ("", "[]", '{"schema_version": 1, "votes": [{"first": 1}]}', "[" * 10_000):
        votes.write_text(text)
        assert "holds no votes" in refused(capsys, "eval", run, "--votes", votes)


def test_meshes_are_rendered(tmp_path: Path, judged: list[str], capsys) -> None:
    run = write_run(tmp_path / "run", [plain(0, 1, 0)], ["red"])
    mesh = primitive("sphere")
    red = torch.tensor([1.0, 0, 0]).expand_as(mesh.vertices)
    save_mesh(Mesh(mesh.vertices, mesh.faces, red), run / "mesh.glb")
    texts = tmp_path / "texts.txt"
    texts.write_text("green\nblue\ngrey")
    assert guide("eval", run, "--against", texts, "--json", tmp_path / "s.json") == 0
    assert " grey  grey rank " in capsys.readouterr().out
    (entry,) = json.loads((tmp_path / "s.json").read_text())["samples"]
    # The judge sees red and white with the colours, and no colour without.
    assert entry["similarity"] > entry["textureless"]["similarity"] + 0.05
    assert entry["textureless"]["similarity"] == pytest.approx(3**-0.5, abs=0.02)
    assert entry["textureless"]["rank"] > 1


def test_transparent_places_are_white(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [plain(1, 0, 0)], ["red"])
    save_png(run / "image.png", torch.cat([plain(1, 0, 0), torch.full((1, 8, 8), 0.0)]))
    (sample,) = read_run(run).samples
    assert sample.load().images.unique().tolist() == [1]
    assert sample.load().textureless is None


def test_pictures_are_read_as_they_were_written(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [plain(1, 0.2, 0.4)], ["red"])
    (sample,) = read_run(run).samples
    assert sample.load().images[0, :, 3, 5].tolist() == pytest.approx([1, 0.2, 0.4])


def test_losses_are_those_of_the_configuration_and_of_the_record(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [plain(1, 0, 0)], ["red"], ["mini"])
    record = {"models": {"mini": {}, "ViT-L-14/openai": {}, "mini-judge": {}}}
    (run / "environment.json").write_text(json.dumps(record))
    done = json.loads((run / "DONE.json").read_text())
    (run / "DONE.json").write_text(json.dumps(done | {"judge": "mini-judge"}))
    assert read_run(run).losses == ("mini", "ViT-L-14/openai")
    (run / "environment.json").write_text("{")
    with pytest.raises(InputError, match=r"environment\.json: is damaged; it is unknown which"):
        read_run(run)


def test_models_are_found_in_the_options_of_components(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [plain(1, 0, 0)], ["red"])
    config = {
        "schema_version": 2,
        "loss": [
            {
                "kind": "clip",
                "weight": 1.0,
                "encoder": ["mini", {"kind": "own.py", "sharpness": 3}],
            },
            {"kind": "fsd", "weight": 0.5, "denoiser": "sd-1.5", "vae": "full"},
        ],
        "generator": {"kind": "latent", "denoiser": "mini-diffusion"},
    }
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert read_run(run).losses == ("mini-diffusion", "mini", "own.py", "sd-1.5")


def test_families_of_a_users_encoders_come_from_the_record(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [plain(1, 0, 0)], ["red"])
    config = {"loss": {"kind": "clip", "encoder": [{"kind": "./own.py", "sharpness": 3}, "mini"]}}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    record = {"models": {"mini": {}}, "families": {"own": "siglip", "mini": "mini-clip"}}
    (run / "environment.json").write_text(json.dumps(record))
    found = read_run(run)
    assert found.losses == ("mini", "own")
    assert found.families == {"own": "siglip", "mini": "mini-clip"}
    with pytest.raises(InputError, match="is of the family 'siglip', which a loss uses"):
        load_judge_for(found.losses, "ViT-B-16-SigLIP/webli", found.families)


def test_a_real_run_is_scored_by_the_embedded_judge(tmp_path: Path, capsys) -> None:
    run = Dot(prompt=["a red heart", "a key"], samples=2, preset="draft", output=tmp_path).run()
    capsys.readouterr()
    assert guide("eval", run.folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["1", "2", "3", "4"]
    assert lines[-1].startswith("4 samples judged by mini-judge, ranked among ")
    line = refused(capsys, "eval", run.folder, "--judge", "mini")
    assert "judge 'mini' is of the family 'mini-clip', which a loss uses ('mini')" in line


def test_help(capsys) -> None:
    assert guide("eval", "--help") == 0
    assert "--against FILE" in capsys.readouterr().out
    assert guide("eval") == 2


def test_arguments_are_parsed() -> None:
    request = parse(["a", "--json", "c", "b", "--judge=x", "--against", "d"])
    assert request == Request((Path("a"), Path("b")), Path("d"), "x", Path("c"))


def test_mistakes_are_answered_in_one_line(tmp_path: Path, judged, capsys) -> None:
    run = write_run(tmp_path / "run", [plain(1, 0, 0)] * 2, ["red", "red"])

    def said(*words: object) -> str:
        return refused(capsys, "eval", *words)

    assert "nowhere: no such folder; expected the folder of a run" in said(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "has no config.yaml, and no folder with one" in said(tmp_path / "empty")
    assert "unrecognized arguments: --jsn; see `guide eval --help`" in said(run, "--jsn")
    assert "the following arguments are required: RUN" in said("--json", tmp_path / "x.json")
    assert "argument --judge: expected one argument" in said(run, "--judge")
    assert "no such file; give a text file" in said(run, "--against", tmp_path / "no.txt")
    (run / "samples" / "001" / "image.png").unlink()
    assert "samples/001: has neither image.png nor mesh.glb" in said(run)
    (run / "DONE.json").unlink()
    assert f"run: is not finished; resume it: guide run --resume {run}" in said(run)


DAMAGED = [
    "",
    "{",
    "[]",
    "{}",
    '{"samples": 3}',
    '{"samples": [{}]}',
    '{"samples": []}',
    "1" * 5000,
]
DAMAGED += ['{"samples": [{"prompt": "a", "seed": null}], "judge": null}', "[" * 100_000]


@pytest.mark.parametrize("text", DAMAGED, ids=lambda text: text[:30])
def test_damaged_records_are_told(tmp_path: Path, judged, capsys, text: str) -> None:
    run = write_run(tmp_path / "run", [plain(1, 0, 0)], ["red"])
    (run / "DONE.json").write_text(text)
    line = refused(capsys, "eval", run)
    assert f"DONE.json: is damaged; run it again: guide rerun {run / 'config.yaml'}" in line


@pytest.mark.parametrize("encoder", [None, 3, [3], {}])
def test_runs_of_unknown_losses_are_refused(tmp_path: Path, judged, capsys, encoder) -> None:
    run = write_run(tmp_path / "run", [plain(1, 0, 0)], ["red"])
    (run / "config.yaml").write_text(yaml.safe_dump({"encoder": encoder}))
    assert "names no model, so no judge can be chosen" in refused(capsys, "eval", run)


def test_runs_of_a_newer_version_are_refused(tmp_path: Path, judged, capsys) -> None:
    run = write_run(tmp_path / "run", [plain(1, 0, 0)], ["red"])
    (run / "config.yaml").write_text(yaml.safe_dump({"encoder": ["mini"], "schema_version": 99}))
    assert "was written by a newer version of guidance" in refused(capsys, "eval", run)


def test_the_judge_may_not_be_of_a_losss_family(tmp_path: Path, judged, capsys) -> None:
    run = write_run(tmp_path / "run", [plain(1, 0, 0)], ["red"], ["mini", "color"])
    line = refused(capsys, "eval", run)
    assert "judge 'color' is of the family 'color', which a loss uses ('color')" in line


def test_damaged_pictures_and_meshes_are_told(tmp_path: Path, judged, capsys) -> None:
    run = write_run(tmp_path / "run", [plain(1, 0, 0)], ["red"])
    picture = run / "image.png"
    whole = picture.read_bytes()
    for content in (b"", whole[: len(whole) // 2], whole[:30], b"GIF89a" + whole):
        picture.write_bytes(content)
        assert "image.png: not a readable image" in refused(capsys, "eval", run)
    Image.fromarray(np.zeros((1, 1), np.uint8)).save(picture)
    bomb = bytearray(picture.read_bytes())
    bomb[16:24] = (9000).to_bytes(4, "big") * 2
    picture.write_bytes(bytes(bomb))
    assert "not a readable image" in refused(capsys, "eval", run)
    (run / "mesh.glb").write_bytes(b"glTF")
    assert "mesh.glb: " in refused(capsys, "eval", run)


def test_lists_of_texts(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("  a cat\n\na dog  ")
    assert read_texts(path) == ["a cat", "a dog"]
    path.write_text("\n \n")
    with pytest.raises(InputError, match="is empty; write one text per line"):
        read_texts(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not a text file in UTF-8"):
        read_texts(path)


def test_scores_are_not_written_where_they_cannot_be(tmp_path: Path, judged, capsys) -> None:
    run = write_run(tmp_path / "run", [plain(1, 0, 0)], ["red"])
    shutil.rmtree(tmp_path / "gone", ignore_errors=True)
    assert guide("eval", run, "--json", tmp_path / "gone" / "s.json") == 2
    assert "cannot be written: no such file or directory" in capsys.readouterr().err


def test_shapes_of_meshes_are_measured(tmp_path: Path, judged: list[str], capsys) -> None:
    run = write_run(tmp_path / "run", [plain(0, 1, 0)], ["red"])
    mesh = primitive("cube")
    red = torch.tensor([1.0, 0, 0]).expand_as(mesh.vertices)
    rest = Mesh(mesh.vertices.double(), mesh.faces, red)
    pulled = mesh.vertices.double() * torch.tensor([3.0, 0, 0])  # four times as long, no wider
    save_mesh(Mesh(rest.vertices + pulled, mesh.faces, red), run / "mesh.glb")
    assert guide("eval", run) == 0
    assert " self-int.  edges  folder" in capsys.readouterr().out.splitlines()[0]
    Deformation(rest, pulled).save(run / "deformation.npz")
    assert guide("eval", run, "--json", tmp_path / "s.json") == 0
    head, row = capsys.readouterr().out.splitlines()[:2]
    cells = dict(zip(head.split()[-4:], row.split()[-4:], strict=True))
    # Four of six sides are four times as large, of 18 in all: 4/18 each, and 1/18 each.
    wanted = 4 / 6 * math.log(6 * 4 / 18) + 2 / 6 * math.log(18 / 6)
    assert (cells["self-int."], cells["area"]) == ("0.00%", f"{wanted:.2f}")
    (entry,) = json.loads((tmp_path / "s.json").read_text())["samples"]
    assert entry["shape"]["area_distortion"] == pytest.approx(wanted, rel=1e-4)
    assert entry["shape"]["self_intersections"] == 0


def test_unfinished_and_damaged_runs_are_left_out_with_a_note(
    tmp_path: Path, judged: list[str], capsys
) -> None:
    good = write_run(tmp_path / "good", [plain(1, 0, 0)], ["red"])
    unfinished = write_run(tmp_path / "unfinished", [plain(1, 0, 0)], ["red"])
    (unfinished / "DONE.json").unlink()
    damaged = write_run(tmp_path / "damaged", [plain(1, 0, 0)], ["red"])
    (damaged / "DONE.json").write_text("{}")
    assert guide("eval", unfinished, good, damaged) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[1].endswith(str(good))
    assert "\n1 sample judged by color, ranked among " in told.out
    first, second = told.err.splitlines()
    assert first == (
        f"guide: not scored: {unfinished}: is not finished; resume it: guide run --resume "
        f"{unfinished}"
    )
    assert second.startswith(f"guide: not scored: {damaged / 'DONE.json'}: is damaged; run it")
    # Nothing to score, or a folder that is no run: a mistake.
    line = refused(capsys, "eval", unfinished)
    assert line == f"{unfinished}: is not finished; resume it: guide run --resume {unfinished}"
    line = refused(capsys, "eval", unfinished, unfinished.parent / "unfinished/", "--judge", "x")
    assert line.startswith(f"{unfinished}: is not finished")
    (damaged / "DONE.json").unlink()
    line = refused(capsys, "eval", unfinished, damaged)
    assert line.startswith(f"none of the 2 runs can be scored: {unfinished}: is not finished")
    assert "nowhere: no such folder" in refused(capsys, "eval", good, tmp_path / "nowhere")
    line = refused(capsys, "eval", good, "--judge", "x", "--judge", "y")
    assert line == "eval: --judge is given twice; give it once; see `guide eval --help`"
