"""The packed format of the embedded body: integers with scales in a safetensors file.

Vertices are stored in steps of 0.07 mm, shape components in 65,534 or 254 steps of their largest
entry (16 bits for the first, 8 for the rest), and the four largest skinning weights in 255 steps.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from guidance.body.body import Body

MAX_UINT16 = 65_535
STEP = 7e-5  # meters; the height has to be below 2.29
FINE = 10  # components with 16 bits
BONES = 4  # joints that move a vertex


def pack_body(
    path: Path,
    content: Mapping[str, Any],
    skeleton: Mapping[str, Any],
    controls: Mapping[str, Tensor],
) -> Body:
    """Writes a body and returns it as it is read again; for recipes/body.py."""
    from safetensors.numpy import save_file

    basis = content["shape_basis"]
    most = basis.abs().flatten(1).amax(1)
    fine, coarse = (basis[:FINE], most[:FINE]), (basis[FINE:], most[FINE:])
    weights, joints = content["weights"].topk(BONES, 1)
    arrays = {
        "template": _rounded(content["template"] / STEP, np.int16),
        "fine": _rounded(fine[0] / fine[1][:, None, None] * 32767, np.int16),
        "coarse": _rounded(coarse[0] / coarse[1][:, None, None] * 127, np.int8),
        "scales": most.numpy().astype(np.float32),
        "rest": content["rest"].numpy().astype(np.float32),
        "joint_basis": content["joint_basis"].numpy().astype(np.float32),
        "quads": content["quads"].numpy().astype(np.uint16),
        "quad_uv": content["quad_uv"].numpy().astype(np.uint16),
        "uv": _rounded(content["uv"] * MAX_UINT16, np.uint16),
        "weights": _rounded(weights / weights.sum(1, keepdim=True) * 255, np.uint8),
        "joints": joints.numpy().astype(np.uint8),
        "base_color": np.frombuffer(_png(content["base_color"]), np.uint8),
        "controls": torch.stack(list(controls.values())).numpy().astype(np.float32),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    described = {**skeleton, "controls": list(controls)}
    # safetensors writes the memory of an array as it lies, whatever its strides.
    arrays = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
    save_file(arrays, path, metadata={"body": json.dumps(described)})
    path.chmod(0o644)
    return read_packed(path)


def read_packed(path: Path) -> Body:
    """A packed body. The file is part of the package, and is not checked."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        described = json.loads(file.metadata()["body"])
    values = {key: torch.from_numpy(array.astype(np.float32)) for key, array in arrays.items()}
    basis = torch.cat([values["fine"] / 32767, values["coarse"] / 127])
    weights = torch.zeros(len(values["template"]), len(values["rest"]))
    weights.scatter_add_(1, values["joints"].long(), values["weights"])
    uv = values["uv"] / MAX_UINT16
    return Body(
        name="cc0",
        template=values["template"] * STEP,
        faces=_triangles(values["quads"]),
        weights=weights / weights.sum(1, keepdim=True),
        rest=values["rest"],
        parents=tuple(described["parents"]),
        names=tuple(described["names"]),
        canonical=tuple(described["canonical"]),
        shape_basis=basis * values["scales"][:, None, None],
        joint_basis=values["joint_basis"],
        uv=uv,
        face_uv=_triangles(values["quad_uv"]),
        base_color=_image(arrays["base_color"].tobytes()),
        controls=dict(zip(described["controls"], values["controls"], strict=True)),
    )


def _rounded(values: Tensor, kind: Any) -> Any:
    return values.round().numpy().astype(kind)


def _triangles(quads: Tensor) -> Tensor:
    """Two triangles for each quad, one after the other."""
    return quads.long()[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)


def _png(image: Tensor) -> bytes:
    stream = io.BytesIO()
    pixels = (image * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _image(content: bytes) -> Tensor:
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
