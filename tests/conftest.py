"""Shapes in annotations are checked while the tests run (jaxtyping with beartype)."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# The tensors of the tests are small: more threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook

install_import_hook("guidance", "beartype.beartype")
