"""NPZ files of motions: our own, AMASS and SMPL, and Kimodo (SOMA). Nothing is unpickled.

* Ours and SMPL's: `poses [t, 3 * joints]` as axis times angle, the first 22 joints of SMPL;
  `trans [t, 3]`; `mocap_framerate`, `mocap_frame_rate` or `fps`.
* Kimodo: `global_rot_mats [t, j, 3, 3]` and `posed_joints [t, j, 3]` at 30 fps, with j = 77 or 30
  (SOMA) or 22 (SMPL-X). Source: Kimodo's documentation, Output Formats.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from guidance.body.joint_names import NAMES
from guidance.errors import InputError
from guidance.motion.files.rig import FPS, check_length
from guidance.motion.motion import Motion
from guidance.motion.retarget import from_world
from guidance.motion.rotations import (
    from_rotation_vectors,
    resampled,
    resampled_points,
    rotation_vectors,
)

Array = Any
MAX_BYTES = 512 * 2**20  # of the arrays that are read, uncompressed
RATES = ("mocap_framerate", "mocap_frame_rate", "fps")
#: Offset of the pelvis of SMPL from its `trans`, in meters, in the axes of the file: it is that of
#: the mean shape, rounded.
PELVIS = (0.0, -0.22, 0.03)
#: Rotation from axes with z up to axes with y up.
Z_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
#: The number in Kimodo's skeletons of 77 and 30 joints of each canonical joint.
SOMA = {
    77: (0, 67, 72, 1, 68, 73, 2, 69, 74, 3, 70, 75, 4, 11, 39, 6, 12, 40, 13, 41, 14, 42),
    30: (0, 22, 26, 1, 23, 27, 2, 24, 28, 3, 25, 29, 4, 10, 16, 6, 11, 17, 12, 18, 13, 19),
    22: tuple(range(22)),
}
WANTED = {"poses", "trans", *RATES, "global_rot_mats", "posed_joints", "up"}


def read_npz(content: bytes, where: str, name: str = "") -> Motion:
    """The motion in an NPZ file, resampled at 30 fps.

    Raises:
        InputError: the file is damaged or too large, or its arrays are of no known kind.
    """
    arrays = _arrays(content, where)
    try:
        if "poses" in arrays:
            motion = _smpl(arrays, where)
        elif "global_rot_mats" in arrays and "posed_joints" in arrays:
            motion = _kimodo(arrays, where)
        else:
            raise InputError(
                f"{where}: has neither `poses` and `trans` (AMASS, SMPL) nor `global_rot_mats` and "
                "`posed_joints` (Kimodo)"
            )
    except (ValueError, TypeError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: has arrays of unexpected shapes ({error!s:.100})") from None
    return Motion(motion.rotations, motion.root, FPS, name)


def _arrays(content: bytes, where: str) -> dict[str, Array]:
    """The arrays by name, after their sizes are checked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [e for e in archive.infolist() if e.filename.removesuffix(".npy") in WANTED]
            if sum(entry.file_size for entry in entries) > MAX_BYTES:
                raise InputError(f"{where}: has more than {MAX_BYTES // 2**20} MiB of poses")
            found = {}
            for entry in entries:
                with archive.open(entry) as file:
                    raw = file.read(entry.file_size + 1)
                value = np.load(io.BytesIO(raw), allow_pickle=False)
                if isinstance(value, np.ndarray) and value.dtype.kind in "fiuU":
                    found[entry.filename.removesuffix(".npy")] = value
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError,
            RuntimeError, KeyError, SyntaxError, zlib.error) as error:  # fmt: skip
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: is a damaged NPZ ({error!s:.80}); save it again") from None
    return found


def _smpl(arrays: dict[str, Array], where: str) -> Motion:
    poses = np.asarray(arrays["poses"], np.float64)
    poses = poses.reshape(len(poses), -1, 3)[:, : len(NAMES)]
    if poses.shape[1] != len(NAMES):
        raise InputError(f"{where}: `poses` has {poses.shape[1]} joints; expected 22 or more")
    trans = arrays.get("trans")
    root = np.zeros((len(poses), 3)) if trans is None else np.asarray(trans, np.float64)
    if root.shape != (len(poses), 3):
        raise InputError(f"{where}: `trans` has shape {root.shape}; expected ({len(poses)}, 3)")
    if not np.isfinite(poses).all() or not np.isfinite(root).all():
        raise InputError(f"{where}: contains numbers that are not finite")
    rate = float(next((np.ravel(arrays[key])[0] for key in RATES if key in arrays), FPS))
    if not 1 <= rate <= 1000:
        raise InputError(f"{where}: has {rate:g} frames per second; expected 1 to 1000")
    check_length((len(poses) - 1) / rate * FPS + 1, where)
    rotations = from_rotation_vectors(poses)
    up = rotations[:, 0, :, 1].mean(0)  # where the spine points on average
    own = "up" in arrays
    if not own:
        root = root + PELVIS
        if up[2] > abs(up[1]):
            rotations[:, 0] = Z_UP @ rotations[:, 0]
            root = root @ Z_UP.T
    times = np.arange(len(poses)) / rate
    at = np.arange(int(np.floor(times[-1] * FPS + 1e-3)) + 1) / FPS
    rotations, root = resampled(rotations, times, at), resampled_points(root, times, at)
    return Motion(torch.from_numpy(rotations).float(), torch.from_numpy(root).float(), FPS)


def _kimodo(arrays: dict[str, Array], where: str) -> Motion:
    world = np.asarray(arrays["global_rot_mats"], np.float64)
    joints = np.asarray(arrays["posed_joints"], np.float64)
    if world.ndim != 4 or world.shape[1] not in SOMA or joints.shape != (*world.shape[:2], 3):
        raise InputError(
            f"{where}: `global_rot_mats` has shape {world.shape}; expected [t, j, 3, 3] with j = "
            "77, 30 or 22"
        )
    check_length(len(world), where)
    chosen = list(SOMA[world.shape[1]])
    world, joints = world[:, chosen], joints[:, chosen]
    at = {name: number for number, name in enumerate(NAMES)}
    leg = 0.0
    for side in ("left", "right"):
        chain = [joints[0, at[f"{side}_{part}"]] for part in ("hip", "knee", "ankle")]
        leg += sum(float(np.linalg.norm(b - a)) for a, b in pairwise(chain)) / 2
    hips = joints[:, [at["left_hip"], at["right_hip"]]].mean(1)
    # The ground is at 0; an ankle is as high as on the canonical skeleton, in proportion.
    return from_world(world, hips, leg, 0.065 / 0.8 * leg, where)


def write_npz(motion: Motion) -> bytes:
    """Our own NPZ: axis times angle of the 22 joints of SMPL, y up, and the pelvis in meters."""
    file = io.BytesIO()
    vectors = rotation_vectors(motion.rotations.double().numpy())
    np.savez_compressed(
        file,
        poses=vectors.reshape(motion.num_frames, -1).astype(np.float32),
        trans=motion.root.numpy().astype(np.float32),
        mocap_framerate=np.float64(motion.fps),
        names=np.array(NAMES),
        up=np.array("y"),
    )
    return file.getvalue()
