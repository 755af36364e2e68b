"""The trainings of the models of motions: what is held out, and what is drawn."""

from __future__ import annotations

import torch
from torch import Tensor

from guidance.motion.bank import load_bank
from guidance.motion.networks.denoiser import MotionDenoiser
from recipes.mini_tmr import UNSEEN, contrastive, phrases, trained_names
from recipes.motion_diffusion import loss_of
from recipes.motion_pool import joint_windows, pose_windows, swapped


def test_held_out_texts_and_clips_are_not_trained_on() -> None:
    bank, found = load_bank(), phrases()
    assert set(UNSEEN) <= set(bank.labels) and not set(UNSEEN) & set(trained_names(True))
    assert {name for kin in UNSEEN.values() for name in kin} <= set(bank.labels)
    assert trained_names(False) == list(bank.labels)
    for name, clip in bank.labels.items():
        assert len(found.held_out[name]) == 2 and not set(found.held_out[name]) & set(
            found.seen[name]
        )
        assert clip.label in found.seen[name]


def test_left_and_right_are_swapped() -> None:
    assert swapped("the left hand, then the right one") == "the right hand, then the left one"
    assert swapped("leftovers") == "leftovers"


def test_windows_depend_on_the_seed_only() -> None:
    names = ["walk", "wave", "kick"]
    one, two, other = (joint_windows(names, 4, seed) for seed in (1, 1, 2))
    assert torch.equal(one["joints"], two["joints"])  # type: ignore[arg-type]
    assert not torch.equal(one["joints"], other["joints"])  # type: ignore[arg-type]
    poses = pose_windows(names, 3, 40, 1)
    assert poses.shape == (3, 40, 136) and poses.isfinite().all()


def test_the_contrastive_loss_is_lowest_for_the_right_pairs() -> None:
    vectors = torch.eye(3)
    scale = torch.tensor(2.0)
    right = contrastive(vectors, vectors, torch.eye(3), scale)
    wrong = contrastive(vectors, vectors.roll(1, 0), torch.eye(3), scale)
    assert right < wrong


def test_the_loss_of_the_diffusion_is_0_for_the_clean_features() -> None:
    class Ideal(MotionDenoiser):
        def forward(self, noisy: Tensor, t: Tensor) -> Tensor:
            return clean

    clean = torch.randn(2, 40, 136)
    t = torch.tensor([0.3, 0.9])
    assert loss_of(Ideal(), clean, t, torch.randn_like(clean)) == 0
    assert loss_of(MotionDenoiser(), clean, t, torch.randn_like(clean)) > 0.5
