"""`guide report`: what a page contains, what it leaves out, and what cannot reach it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from guidance.media.read_image import read_image
from guidance.reports.media import NEEDS_DECODER
from guidance.reports.page import VIEWER, _asset, read_source, report
from tests.reports.folders import glb, make_run, picture
from tests.test_cli import guide, refused

EVIL = "<script>window.hacked = 1</script> \"a' & <!-- red"


class Page(HTMLParser):
    """The elements of a page, and the content of its scripts and style sheets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.contents: list[str] = []
        self.ended = True
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.contents.append("")
        self.ended = False

    def handle_data(self, data: str) -> None:
        if not self.ended:
            self.contents[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self.ended = True

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        pairs = zip(self.tags, self.contents, strict=True)
        return [(attributes, content) for (name, attributes), content in pairs if name == tag]

    @property
    def data(self) -> dict:
        return json.loads(next(c for a, c in self.all("script") if a.get("id") == "data"))


def page_of(*folders: Path, **options: object) -> Page:
    return Page(report(read_source(folders), **options))


def test_prompts_are_inert_and_only_our_scripts_are_allowed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [EVIL, "a pear"])
    page = page_of(run)
    assert [item["prompt"] for item in page.data["items"]] == [EVIL, "a pear"]
    policy = next(a["content"] for a, _ in page.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    allowed = set(re.findall(r"'(sha256-[^']+)'", policy))
    run_by_browsers = [c for a, c in page.all("script") if "type" not in a]
    assert len(run_by_browsers) == 2
    for content in [*run_by_browsers, *(c for _, c in page.all("style"))]:
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"sha256-{digest}" in allowed
    # No attribute runs a script or names another place.
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#")), attributes


def test_images_are_decoded_and_encoded_again(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ["a pear"])
    page = page_of(run)
    (file,) = [f for f in page.data["items"][0]["files"] if f["kind"] == "image"]
    (content,) = [c for a, c in page.all("script") if a.get("id") == file["id"]]
    pixels = read_image(base64.b64decode(content), "image", ("WEBP",))
    assert pixels.shape == (32, 32, 4)
    assert np.unique(pixels.reshape(-1, 4), axis=0).tolist() == [[0, 40, 90, 255]]


def test_meshes_bring_their_viewer_once(tmp_path: Path) -> None:
    mesh = glb({"scenes": [{}]})
    runs = [make_run(tmp_path / n, ["a pear"], {"mesh.glb": mesh}, "text2mesh") for n in "ab"]
    page = page_of(*runs)
    scripts = [c for a, c in page.all("script") if "type" not in a]
    assert scripts[0] == _asset(VIEWER)
    assert len(scripts) == 3
    stored = [c for a, c in page.all("script") if a.get("data-mime") == "model/gltf-binary"]
    assert [base64.b64decode(each) for each in stored] == [mesh, mesh]
    small = page_of(*runs, embed="thumbs")
    assert len([c for a, c in small.all("script") if "type" not in a]) == 2


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        ({"buffers": [{"uri": "http://example.org/a.bin"}]}, "refers to another file"),
        ({"images": [{"uri": "../../secret.png"}]}, "refers to another file"),
        *(({"extensionsUsed": [name]}, "needs a decoder") for name in NEEDS_DECODER),
    ],
)
def test_meshes_that_would_load_more_are_left_out(
    tmp_path: Path, description: dict, reason: str
) -> None:
    run = make_run(tmp_path / "run", ["a pear"], {"mesh.glb": glb(description)}, "text2mesh")
    text = report(read_source([run]))
    assert reason in text
    assert 'data-mime="model/gltf-binary"' not in text


def test_a_page_keeps_its_budget_and_says_what_it_left_out(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1000, 1000, 3), np.uint8)
    from guidance.media.write_image import encode_png

    run = make_run(tmp_path / "run", ["a pear"], {"image.png": encode_png(noise)})
    whole, small = page_of(run), page_of(run, megabytes=0.1)
    assert [c for a, c in whole.all("script") if a.get("id") == "i0f0"]
    assert not [c for a, c in small.all("script") if a.get("id") == "i0f0"]
    items = [content.strip() for _, content in small.all("li")]
    assert any(re.fullmatch(r"run/image\.png \(\d\.\d MB\)", item) for item in items)
    assert small.all("img")[0][0]["src"].startswith("data:image/webp;base64,")  # the thumbnail


def test_damaged_runs_are_listed_and_not_fatal(tmp_path: Path, capsys) -> None:
    make_run(tmp_path / "runs" / "good", ["a pear"])
    changed = make_run(tmp_path / "runs" / "changed", ["a plum"])
    (changed / "image.png").write_bytes(picture(200))
    cut = make_run(tmp_path / "runs" / "cut", ["a fig"])
    (cut / "DONE.json").write_text((cut / "DONE.json").read_text()[:-40])
    outside = make_run(tmp_path / "runs" / "outside", ["a kiwi"])
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture(7))
    (outside / "link.png").symlink_to(secret)
    begun = make_run(tmp_path / "runs" / "begun", ["a lime"])
    (begun / "DONE.json").unlink()
    assert guide("report", tmp_path / "runs", "--out", tmp_path / "page.html") == 0
    told = capsys.readouterr()
    assert len(told.err.splitlines()) == 3
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert Page(text).data["items"][0]["prompt"] == "a plum"
    assert "image.png: was changed since its run wrote it" in text
    assert "leads out of the folder" in text
    states = [c for a, c in Page(text).all("span") if (a.get("class") or "").startswith("state")]
    assert sorted(states) == ["damaged", "damaged", "done", "done", "unfinished"]


def test_files_outside_of_a_run_are_never_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture(7))
    run = make_run(tmp_path / "run", ["a pear"], {})
    from guidance.runs.json_records import read_record, write_record

    done = read_record(run / "DONE.json", "")
    for name in ("../secret.png", str(secret)):
        done["samples"][0]["files"] = [name]
        write_record(run / "DONE.json", done)
        source = read_source([run])
        assert source.runs[0].status == "damaged"
        assert "leads out of" in source.runs[0].problem


def test_curves_end_before_damage_and_have_their_values(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ["a pear"])
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 13, "loss": NaN}\n{"step": \n')
    text = report(read_source([run]))
    assert "metrics.jsonl: has a damaged line; the curves end before it" in text
    assert "total: 0.1667 at step 12" in text


def test_a_sweep_is_a_grid(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    make_run(folder / "runs" / "0", ["a pear", "a plum"])
    lines = [
        {"values": {"prompt": p, "seed": 3}, "folder": f, "sample": s}
        for p, f, s in (("a pear", "runs/0", 0), ("a plum", "runs/0", 1), ("x", "../../etc", 0))
    ]
    lines.append({"values": {"prompt": "a fig", "seed": 3}, "folder": "runs/1", "sample": None})
    (folder / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + "{\n")
    axes = [{"name": "seed", "values": [3, 4]}, {"name": "prompt", "count": 3}]
    from guidance.config.files import as_yaml

    (folder / "sweep.yaml").write_text(as_yaml({"schema_version": 1, "axes": axes}))
    text = report(read_source([folder]))
    page = Page(text)
    assert page.data["axes"] == {"seed": ["3", "4"], "prompt": ["a pear", "a plum", "a fig"]}
    assert page.data["items"][1]["values"] == {"prompt": "a plum", "seed": "3"}
    assert "leads out of" in text
    assert "1 of 2 runs of the sweep have not begun" in text
    assert "line 5: is damaged" in text


def test_a_leaderboard_says_who_chose_and_who_reports(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    make_run(folder / "runs" / "0", ["a pear", "a pear"])
    lines = [{"values": {"seed": s}, "folder": "runs/0", "sample": s} for s in (0, 1)]
    (folder / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "sweep.yaml").write_text('{"schema_version": 1}')
    first, best = ({"seed": s, "score": s / 4, "report": s / 8, **lines[s]} for s in (0, 1))
    row = {"prompt": "<b>a pear", "values": {"steps": 9}, "seeds": 2, "best": best, "first": first}
    board = {"schema_version": 1, "judge": "mini-judge", "report_judge": "mini", "rows": [row]}
    (folder / "leaderboard.json").write_text(json.dumps(board))
    text = report(read_source([folder]))
    (section,) = re.findall(r'<section id="best">.*?</section>', text, re.DOTALL)
    assert "Chosen by mini-judge, reported by mini" in section
    assert "&lt;b&gt;a pear" in section and "<b>a pear" not in text
    cells = re.findall(r'data-value="(.*?)"', section)
    assert cells[1:] == ["steps=9", "1", "2", "0.25", "0.125", "0.0", "0.125"]
    (chosen,) = (i["id"] for i in Page(text).data["items"] if i["values"] == {"seed": "1"})
    assert f'<tr data-item="{chosen}">' in section
    (folder / "leaderboard.json").write_text('{"judge": "mini", "rows": [{}]}')
    assert "leaderboard.json: is damaged" in report(read_source([folder]))


def test_mistakes_are_answered_in_one_line(tmp_path: Path, capsys) -> None:
    run = make_run(tmp_path / "run", ["a pear"])

    def said(*words: object) -> str:
        return refused(capsys, "report", *words)

    assert "nowhere: no such folder" in said(tmp_path / "nowhere")
    assert "expected a name that ends with .html" in said(run, "--out", tmp_path / "page.txt")
    assert "expected 0.1 to 2000, got 0" in said(run, "--megabytes", 0)
    assert "invalid choice: 'some'" in said(run, "--embed", "some")
    assert "needs two results of the same prompt" in said(run, "--vote")
    (run / "DONE.json").unlink()
    assert guide("report", run) == 2
    assert "none of the runs is finished" in capsys.readouterr().err.splitlines()[-1]
    assert guide("report", "--help") == 0
