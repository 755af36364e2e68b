"""StyleCLIP's `fs3.npy`: a table of effects that others have computed."""

from __future__ import annotations

import io
from itertools import accumulate
from pathlib import Path

import torch

from guidance.directions.full import ChannelTable
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.runs.atomic import write_bytes
from guidance.stylegan.networks.network import StyleGAN

#: Bytes of a file; that of the largest published network has 12 MB.
MAX_BYTES = 2**28


def import_fs3(path: Path, network: StyleGAN, encoder: Encoder) -> ChannelTable:
    """Reads a table; it does not say of which network and encoder, so that only sizes are checked.

    StyleCLIP leaves out the last layers of large networks (its tables of new networks end at the
    convolutions of 128 pixels); channels of layers that are left out have no effect.

    Raises:
        InputError: no such file, not a plain array of floats, or of another size.
    """
    import numpy as np

    refuse_special_file(path, str(path))
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: is larger than {MAX_BYTES // 2**20} MB; it is not fs3.npy")
    empty = ChannelTable.empty(network, encoder)
    count, width = empty.rows.shape
    try:
        # Mapped, so that a header that claims too much allocates nothing.
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError, OverflowError, MemoryError):
        raise InputError(f"{path}: is not an array of numbers in the format of numpy") from None
    if not isinstance(stored, np.ndarray) or stored.dtype.kind != "f":
        raise InputError(f"{path}: expected an array of floating-point numbers")
    if stored.ndim != 2 or stored.shape[1] != width or len(stored) not in _ends(network):
        raise InputError(
            f"{path}: has the shape {stored.shape}; this network has {count} channels of "
            f"convolutions and {encoder.name} has embeddings of {width} numbers"
        )
    rows = torch.zeros(count, width)
    rows[: len(stored)] = torch.from_numpy(np.array(stored, dtype=np.float32))
    if not rows.isfinite().all():
        raise InputError(f"{path}: contains NaN or infinity")
    return ChannelTable(rows, torch.ones(count, dtype=torch.bool), network, encoder)


def _ends(network: StyleGAN) -> set[int]:
    """The numbers of rows of the first convolution, of the first two, and so on."""
    layers = network.synthesis.layers
    return set(accumulate(layer.channels for layer in layers if not layer.is_rgb))


def export_fs3(table: ChannelTable, path: Path) -> Path:
    """Writes a complete table as StyleCLIP's code reads it.

    Raises:
        InputError: rows are missing, or the path cannot be written.
    """
    import numpy as np

    if not table.done.all():
        raise InputError(f"the table is incomplete; resume it before it is written to {path}")
    content = io.BytesIO()
    np.save(content, table.rows.numpy(), allow_pickle=False)
    return write_bytes(path, content.getvalue())
