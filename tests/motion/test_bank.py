"""The bank: its clips, its labels, what is found by words, and what sentences compose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from guidance.body.joint_names import NAMES
from guidance.body.skeleton import canonical
from guidance.errors import InputError
from guidance.motion.authored import author
from guidance.motion.bank import INDEX, POSES, Clip, decoded, encoded, load_bank, write_bank
from guidance.motion.compose import compose, plan
from guidance.motion.hinges import limited
from guidance.motion.joining import best_cycle, heading, joined, layered, repeated, retimed
from guidance.motion.metrics import jitter, penetration_p99_cm, quality, skate_cm_s
from guidance.motion.retrieve import retrieve
from guidance.motion.words.clauses import Action, clauses
from guidance.motion.words.stems import stem
from recipes.motion_bank import tidied
from tests.motion.rigs import random_motion

ROOT = Path(__file__).parent.parent.parent
RECIPES = ROOT / "recipes" / "motion"
BANK = load_bank()


def test_the_bank_has_what_it_should() -> None:
    assert len(BANK.labels) >= 140
    phrases = [phrase for clip in BANK.labels.values() for phrase in clip.phrases]
    assert len({clip.label for clip in BANK.labels.values()}) == len(BANK.labels)
    assert len(phrases) - len(set(phrases)) == 0
    for clip in BANK.labels.values():
        assert len(clip.paraphrases) >= 10 and clip.tags, clip.name
        assert clip.license == "CC0-1.0"
    folder = Path(BANK.where)
    assert (folder / POSES).stat().st_size < 800_000
    assert (folder / "LICENSE.md").exists()


def test_an_authored_clip_is_what_its_text_says() -> None:
    poses = yaml.safe_load((RECIPES / "poses.yaml").read_text())
    entry = yaml.safe_load((RECIPES / "locomotion.yaml").read_text())["march"]
    expected = tidied(limited(author(entry, poses, "march")))
    assert BANK.labels["march"].label == entry["label"]
    difference = (BANK.clips["march"].joints() - expected.joints()).norm(dim=-1)
    assert float(difference.max()) < 0.02


def test_most_clips_keep_the_limits_of_joints_and_their_feet_in_place() -> None:
    found = [quality(motion) for motion in BANK.clips.values()]
    assert sum(each.limit_violations == 0 for each in found) >= 0.95 * len(found)
    assert sum(each.skate_cm_s < 2 for each in found) >= 0.88 * len(found)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 31])
def test_key_poses_are_decoded(frames: int) -> None:
    motion = random_motion(frames, amount=0.15)
    found = decoded(*encoded(motion), frames)
    assert found.num_frames == frames
    torch.testing.assert_close(found.joints(), motion.joints(), atol=5e-3, rtol=0)


def test_a_bank_is_written_and_read(tmp_path: Path) -> None:
    write_bank(tmp_path, {"a": random_motion(5)}, {"a": Clip("a", "does a", ("b",), ("arms",))})
    bank = load_bank(tmp_path)
    assert bank.labels["a"].phrases == ("does a", "b")
    assert retrieve("b", bank)[0].name == "a"


@pytest.mark.parametrize(
    ("key", "value"),
    [("start", -1), ("start", 3), ("frames", 0), ("frames", 10**9), ("frames", "5"), ("tags", 3),
     ("label", None)],
)  # fmt: skip
def test_a_damaged_bank_is_one_line(tmp_path: Path, key: str, value: object) -> None:
    write_bank(tmp_path, {"a": random_motion(5)}, {"a": Clip("a", "does a")})
    index = json.loads((tmp_path / INDEX).read_text())
    index["clips"][0][key] = value
    if value is None:
        del index["clips"][0][key]
    (tmp_path / INDEX).write_text(json.dumps(index))
    with pytest.raises(InputError, match="damaged bank"):
        load_bank(tmp_path)


def test_a_folder_without_a_bank_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="guide motion import"):
        load_bank(tmp_path)
    with pytest.raises(InputError):
        author({"keys": {0: {"arm": 3}}}, {}, "test")
    with pytest.raises(InputError, match="3 numbers"):
        author({"keys": {0: {"hips": [1, 2]}}}, {}, "test")


def test_a_foot_that_stays_in_the_keys_is_at_rest() -> None:
    """While the hips move over it."""
    entry = {"keys": {0: {}, 1: {"hips": [0.1, 0.8, 0.1], "hands": "up", "twist": 40}}}
    joints = author(entry, {}, "test").joints()
    foot = joints[:, NAMES.index("left_ankle")]
    assert float((foot - foot[0]).abs().max()) < 1e-4
    assert joints[-1, NAMES.index("left_wrist"), 1] > joints[-1, NAMES.index("head"), 1]


def _share(path: Path) -> float:
    right = total = 0
    labels = {phrase for clip in BANK.labels.values() for phrase in clip.phrases}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            prompt, _, names = line.rpartition(" : ")
            assert prompt not in labels and set(names.split(" | ")) <= set(BANK.labels)
            right += retrieve(prompt, BANK)[0].name in names.split(" | ")
            total += 1
    return right / total


def test_prompts_find_their_motion() -> None:
    assert _share(ROOT / "benchmarks" / "motions.txt") >= 0.9
    assert _share(ROOT / "benchmarks" / "motions_held_out.txt") >= 0.85


def test_equal_scores_are_decided_by_the_seed() -> None:
    """A word that no clip knows: all scores are 0, and the order is that of the seed."""
    first = [match.name for match in retrieve("xyzzy", BANK, seed=0)]
    assert first == [match.name for match in retrieve("xyzzy", BANK, seed=0)]
    assert first != [match.name for match in retrieve("xyzzy", BANK, seed=1)]
    matches = retrieve("waves", BANK)
    assert sum(match.confidence for match in matches) == pytest.approx(1, abs=1e-4)
    assert matches[0].confidence > retrieve("xyzzy", BANK)[0].confidence
    with pytest.raises(InputError):
        retrieve(" ", BANK)


def test_stems() -> None:
    for words in ("wave waves waved waving", "run runs running runner", "kick kicks kicked"):
        assert len({stem(word) for word in words.split()}) == 1


def test_clauses() -> None:
    found = clauses("a man walks slowly for 3 seconds, then jumps twice while waving; then bows")
    assert found == [
        (Action("a man walks", None, 0.65, 3.0),),
        (Action("jumps", 2), Action("waving")),
        (Action("bows"),),
    ]
    assert clauses("kicks with the left foot three times")[0][0].side == "left"
    for wrong in ("jumps 99 times", "walks for 9999 seconds", ", then"):
        with pytest.raises(InputError):
            clauses(wrong)


def test_segments_come_in_order() -> None:
    names = [[m.name for m in s.matches] for s in plan("walks forward, then waves, then bows")]
    assert names == [["walk"], ["wave"], ["bow"]]
    assert len(plan("a person walks and waves")[0].matches) == 2
    motion = compose("walks forward, then bows")
    assert float(motion.root[-1, 2]) > 1
    assert torch.equal(motion.rotations, compose("walks forward, then bows").rotations)


def test_counts_speeds_durations_and_sides() -> None:
    once = compose("jumps")
    twice = compose("jumps two times")
    height = twice.root[:, 1]
    peaks = (height[1:-1] > height[:-2]) & (height[1:-1] >= height[2:]) & (height[1:-1] > 1.1)
    assert int(peaks.sum()) == 2
    assert compose("jumps slowly").seconds == pytest.approx(once.seconds / 0.65, abs=0.1)
    assert compose("walks for 4 seconds").seconds == pytest.approx(4, abs=0.04)
    right, left = compose("waves"), compose("waves with the left hand")
    torch.testing.assert_close(left.rotations, right.mirrored().rotations)
    assert torch.equal(compose("waves with the right hand").rotations, right.rotations)


def test_while_takes_the_legs_of_one_and_the_arm_of_the_other() -> None:
    walk, both = compose("walks"), compose("waves while walking")
    hips = [NAMES.index(name) for name in ("pelvis", "left_hip", "right_knee", "left_elbow")]
    torch.testing.assert_close(both.rotations[:, hips], walk.rotations[:, hips])
    assert both.joints()[:, NAMES.index("right_wrist"), 1].max() > 1.2


def test_a_join_continues_where_the_first_motion_ends() -> None:
    turned = BANK.clips["turn_around"]
    walk = BANK.clips["walk"]
    motion = joined(turned, walk)
    assert heading(motion.rotations[-1, 0].numpy())[2] < -0.95
    assert float(motion.root[-1, 2]) < -0.5  # it walks to where the person looks
    speed = (motion.root[1:] - motion.root[:-1]).norm(dim=-1) * 30
    assert float(speed.max()) < 3


def test_loops_are_closed() -> None:
    walk = BANK.clips["walk"]
    twice = repeated(walk, 3, loop=True)
    step = float(walk.root[-1, 2] - walk.root[0, 2])
    assert float(twice.root[-1, 2] - twice.root[0, 2]) == pytest.approx(3 * step, rel=1e-3)
    assert jitter(twice.joints()) < 1.5 * jitter(walk.joints()) + 0.1
    cycle = best_cycle(repeated(walk, 3, loop=True), shortest=1.0)
    assert cycle.num_frames == pytest.approx(walk.num_frames, abs=2)
    assert retimed(walk, 2.0).seconds == pytest.approx(walk.seconds / 2, abs=0.02)
    assert layered(walk, walk).rotations.shape == walk.rotations.shape


def test_metrics_of_known_motions() -> None:
    """The rest pose 3 cm in the ground; and points whose third derivative is 6 m/s^3."""
    joints = canonical().rest.repeat(30, 1, 1) - torch.tensor([0, 0.03, 0])
    assert skate_cm_s(joints) == 0 and jitter(joints) == 0
    assert penetration_p99_cm(joints) == pytest.approx(3, abs=1e-4)
    time = torch.arange(30) / 30
    cubic = torch.zeros(30, 22, 3)
    cubic[..., 0] = (time**3)[:, None]
    assert jitter(cubic) == pytest.approx(0.06, rel=1e-2)


def test_the_quality_of_composed_motions() -> None:
    """On average over clips: feet hardly slide, and nothing sinks into the ground."""
    names = [n for n, c in BANK.labels.items() if "locomotion" not in c.tags and n != "tread_water"]
    joints = [BANK.clips[name].joints() for name in names]
    assert np.median([skate_cm_s(each) for each in joints]) < 1
    assert np.quantile([penetration_p99_cm(each) for each in joints], 0.95) < 1
