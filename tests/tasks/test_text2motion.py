"""text2motion: constraints as users write them, exact results, records, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from guidance.body.capsule import capsule_body
from guidance.commands.run import find_task, parse_task
from guidance.config.early import check_words
from guidance.errors import InputError
from guidance.generators.motion.param.drawing import BodyDrawing
from guidance.losses.motion.targets import Polyline
from guidance.motion.bank import load_bank
from guidance.motion.compose import compose
from guidance.motion.files.read import read_motions
from guidance.motion.metrics import quality
from guidance.motion.output import MotionOutput
from guidance.tasks.motion.acceptance import AcceptedRepair
from guidance.tasks.motion.constraints import At, Gaze, KeyPoseFile, ObstacleText, RouteFile
from guidance.tasks.motion.follow import follow, travel
from guidance.tasks.motion.path_file import length_of, read_path
from guidance.tasks.motion.repair import Repair
from guidance.tasks.motion.rules import Rules
from guidance.tasks.motion.start import at_origin, feet_on_ground, on_body
from guidance.tasks.text2motion import TextToMotion

SMALL = {"body": "capsule", "resolution": 16, "judge": False, "device": "cpu"}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (At, "1s:right_hand=0.4,1.2,0.3"),
        (At, "10%-30%:pelvis=0,0.9,-1"),
        (Gaze, "1s-2s:0,1.5,2"),
        (KeyPoseFile, "a pose.json@50%"),
        (ObstacleText, "sphere:0.3,1,0.5,0.2"),
        (ObstacleText, "box:0.3,0.5,1,0.6,1,0.4"),
        (RouteFile, "circle.svg:6m"),
        (RouteFile, "circle.svg"),
    ],
)
def test_constraints_are_written_as_they_are_read(kind: type, text: str) -> None:
    assert kind.parse(text).written() == text


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("at", "right_hand=0,1,0", "expected time:joint=x,y,z"),
        ("at", "1s:tail=0,1,0", "no joint 'tail'"),
        ("at", "1s:head=0,1", "expected 3 numbers"),
        ("at", "1s:head=0,1e9,0", "expected 3 numbers"),
        ("at", "2s-1s:head=0,1,0", "ends before it starts"),
        ("at", "120%:head=0,1,0", "at most 100%"),
        ("look_at", "0,1,0", "expected time:x,y,z"),
        ("keyframe", "pose.json", "expected a file and a time"),
        ("obstacle", "cone:1,2,3,4", "expected sphere"),
        ("obstacle", "sphere:1,2,3,0", "above 0"),
        ("path", "a.svg:0.01m", "0.2 to 500 meters"),
    ],
)
def test_what_is_wrong_with_a_constraint(option: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        TextToMotion(prompt="waves", **{option: text})


def test_at_belongs_to_the_task_and_not_to_the_loss() -> None:
    words = ["--prompt", "waves", "--loss", "clip", "--at", "1s:head=0,1.5,0.2"]
    task = parse_task(find_task("text2motion"), "text2motion", words)
    assert task.at[0].joint == "head" and not task.loss[0].options.at


def test_none_is_a_choice_of_loss() -> None:
    words = ["--prompt", "waves", "--loss", "none"]
    check_words(TextToMotion, words, (), "guide run text2motion")
    task = parse_task(find_task("text2motion"), "text2motion", words)
    assert task.loss == () and TextToMotion(**task.model_dump()) == task


def circle(folder: Path) -> Path:
    path = folder / "circle.svg"
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg"><circle cx="9" cy="2" r="2"/></svg>')
    return path


def test_a_path_is_read_and_followed_exactly(tmp_path: Path) -> None:
    points = read_path(circle(tmp_path))
    assert length_of(points) == pytest.approx(4 * 3.14159, rel=1e-3)
    assert points[0].tolist() == [0, 0] and points[-1].norm() < 1e-5
    motion = at_origin(compose("walks forward", load_bank()))
    line = Polyline(torch.tensor([[0.0, 0], [0, 1], [1, 1]]))
    bent = follow(motion, line)
    assert bent.root[-1, [0, 2]].tolist() == pytest.approx([1, 1], abs=1e-6)
    forward = bent.rotations[-1, 0, :, 2]
    assert forward[0] > 0.8, "looks along the path, to +x"
    assert travel(motion) > 1
    with pytest.raises(InputError, match="goes at least"):
        follow(compose("stands still", load_bank()), line)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<svg/>", "has no path"),
        ("<svg><path d='M 0 0'/></svg>", "no length"),
        ("<svg><path d='M 0 0 L x y'/></svg>", "no length|cannot be read"),
        ("no xml", "is not an SVG file"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><svg/>', "entities"),
        ("<svg><path d='M 0 0" + " L 1 1 L 2 0" * 1200 + "'/></svg>", "2,000 segments"),
    ],
)
def test_what_is_wrong_with_a_path(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "a.svg"
    path.write_text(content)
    with pytest.raises(InputError, match=said):
        read_path(path)


def test_a_run_keeps_constraints_to_the_centimeter_and_can_be_repeated(tmp_path: Path) -> None:
    pose = tmp_path / "pose.json"
    pose.write_text('{"left_shoulder": [0, 0, 60], "left_elbow": [0, -40, 0]}')
    task = TextToMotion(
        prompt=("waves", "walks forward"),
        at=("50%:right_hand=-0.3,1.5,0.3",),
        look_at=("1s:0.5,1.4,2",),
        keyframe=(f"{pose}@80%",),
        obstacle=("sphere:3,1,0,0.3",),
        formats="glb,bvh,npz,vrm,vrma",
        steps=4,
        output=tmp_path,
        **SMALL,
    )
    done = task.run()
    first, second = done.samples
    names = {file.name for file in first.files} - {"progress.mp4"}
    assert names == {"contact.png", "motion.mp4", "motion.glb", "motion.bvh", "motion.npz",
                     "motion.vrm", "motion.vrma"}  # fmt: skip
    facts = first.facts["motion"]
    assert facts["at_error_cm"] <= 1 and facts["keyframe_error_deg"] <= 1
    assert facts["skate_cm_s"] < 2 and facts["penetration_p99_cm"] < 1
    assert facts["limit_violations"] == 0 and facts["obstacle_depth_cm"] == 0
    # The walk reaches only as far as an arm.
    assert second.facts["motion"]["seconds"] > 2
    (read,) = read_motions(first.folder / "motion.npz")
    assert quality(read).limit_violations == 0
    written = json.loads((done.folder / "DONE.json").read_text())
    assert any("waves" in note and "%" in note for note in written["notes"])
    again = task.run()
    for name in ("motion.npz", "motion.bvh"):
        assert (again.samples[0].folder / name).read_bytes() == (first.folder / name).read_bytes()


def test_a_motion_of_a_file_along_a_path(tmp_path: Path) -> None:
    from guidance.motion.files.bvh import write_bvh

    file = tmp_path / "walk.bvh"
    file.write_text(write_bvh(compose("walks forward", load_bank())))
    task = TextToMotion(motion=file, path=f"{circle(tmp_path)}", steps=3, output=tmp_path, **SMALL)
    (sample,) = task.run().samples
    assert sample.prompt == "walk" and sample.facts["motion"]["path_error_cm"] < 1


def test_from_scratch_reaches_a_point(tmp_path: Path) -> None:
    task = TextToMotion(
        prompt="reaches", generator={"kind": "keyposes", "seconds": 1.5}, steps=20,
        at=("1s:left_hand=0.3,1.3,0.4",),
        output=tmp_path, **SMALL,
    )  # fmt: skip
    (sample,) = task.run().samples
    assert sample.facts["motion"]["at_error_cm"] <= 1
    assert sample.facts["motion"]["limit_violations"] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"at": ("9s:head=0,1,0",)}, "after the end of the motion"),
        ({"formats": "fbx"}, "choose from glb"),
        ({"generator": "keyposes", "motion": "a.bvh"}, "starts from scratch"),
        ({"generator": "keyposes", "path": "a.svg"}, "needs a motion that walks"),
        ({"keyframe": ("none.json@1s",)}, "cannot be read"),
    ],
)
def test_what_contradicts(options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        TextToMotion(prompt="waves", **{**SMALL, **options}).build()


def test_a_refinement_that_no_judge_prefers_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    body = capsule_body()
    given = on_body(compose("waves", load_bank()), body)
    repair = Repair(Rules(), foot_lock=False)
    scores = iter([[[0.1, 0.1]], [[0.2, 0.0]]])
    monkeypatch.setattr(AcceptedRepair, "_scores", lambda *_: next(scores))
    accepted = AcceptedRepair(repair, (given, given), BodyDrawing(body), ("a", "b"), ())
    other = on_body(compose("claps", load_bank()), body)
    motions, notes = accepted(MotionOutput.of_motions((other, other), body.skeleton))
    assert motions[0].num_frames == other.num_frames and "refinement kept" in notes[0]
    assert motions[1].num_frames == given.num_frames and "dropped" in notes[1]


def test_feet_are_locked_where_the_walk_puts_them() -> None:
    body = capsule_body()
    walk = on_body(at_origin(compose("walks forward", load_bank())), body)
    turned = follow(walk, Polyline(torch.tensor([[0.0, 0], [0, 1], [0.7, 1.7]])))
    feet = (feet_on_ground(walk, body),)
    loose = quality(turned, body.skeleton).skate_cm_s
    repaired = Repair(Rules(), contacts=feet).repaired(turned, 0, body.skeleton)
    assert quality(repaired, body.skeleton).skate_cm_s < min(2.0, 0.5 * loose)
