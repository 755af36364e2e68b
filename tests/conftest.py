"""Shapes in annotations are checked while the tests run (jaxtyping with beartype)."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# The tensors of the tests are small: more threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook

install_import_hook("guidance", "beartype.beartype")

# The key by which users recognize their own runs is not that of the user who runs the tests.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="guidance-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def float32() -> Iterator[None]:
    """Frozen models compute in float32, so that results do not depend on the machine."""
    from guidance.models.precision import use_precision

    with use_precision("fp32"):
        yield
