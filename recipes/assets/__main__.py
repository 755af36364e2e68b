"""Writes the inputs of the examples to configs/assets: `python -m recipes.assets`.

The same versions of NumPy, Pillow and PyAV give the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from guidance.media.write_video import encode_mp4
from recipes.assets import cow, drawings

FOLDER = Path(__file__).parents[2] / "configs" / "assets"
#: Frames of the video, and how many a second.
FRAMES, FPS = 24, 12


def write_obj(path: Path, vertices: np.ndarray, faces: np.ndarray, title: str) -> None:
    """A mesh with four decimals."""
    lines = [f"# {title}"]
    lines += ["v " + " ".join(f"{value:.4f}" for value in row) for row in vertices.tolist()]
    lines += ["f {} {} {}".format(*face) for face in (faces + 1).tolist()]
    path.write_text("\n".join(lines).replace(" -0.0000", " 0.0000") + "\n")


def check_closed(faces: np.ndarray) -> None:
    """Each edge belongs to two faces, which run along it in opposite directions."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    found = {tuple(edge) for edge in edges.tolist()}
    if len(found) != len(edges) or {(b, a) for a, b in found} != found:
        raise SystemExit("the surface of the cow is not a closed manifold; change the grid")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    vertices, faces = cow.mesh()
    check_closed(faces)
    write_obj(folder / "cow.obj", vertices, faces, "A cow: front +z, up +y. CC0 1.0")
    Image.fromarray(drawings.apple()).save(folder / "apple.png", optimize=True)
    Image.fromarray(drawings.landscape()).save(folder / "photo.jpg", quality=88)
    Image.fromarray(drawings.sky_mask()).save(folder / "sky.png", optimize=True)
    frames = [drawings.boat(k / (FRAMES - 1)) for k in range(FRAMES)]
    (folder / "clip.mp4").write_bytes(encode_mp4(frames, FPS, least_side=2))
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size:8d} {path}")


if __name__ == "__main__":
    main()
