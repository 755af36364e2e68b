"""The cache of compiled functions: who may write it, and what happens to damaged files."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from guidance.compiled import compiled

CODE = """
import sys
sys.path.insert(0, {folder!r})
from mine import twice
assert twice(2) == 4
print(sum(twice.stats.cache_hits.values()))
"""
MINE = "from guidance.compiled import compiled\n\n@compiled\ndef twice(x):\n    return 2 * x\n"


def hits(tmp_path: Path) -> int:
    """How many functions a new process takes from the cache."""
    (tmp_path / "code").mkdir(exist_ok=True)
    if not (tmp_path / "code" / "mine.py").exists():
        (tmp_path / "code" / "mine.py").write_text(MINE)
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("NUMBA_CACHE_DIR", None)
    code = CODE.format(folder=str(tmp_path / "code"))
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_damaged_cache_is_compiled_anew(tmp_path: Path) -> None:
    assert (hits(tmp_path), hits(tmp_path)) == (0, 1)
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert sorted(path.suffix for path in files) == [".nbc", ".nbi"]
    assert not [path for path in (tmp_path / "code").rglob("*") if path.suffix == ".nbi"]
    index, code = sorted(files, key=lambda path: path.suffix, reverse=True)
    whole = index.read_bytes(), code.read_bytes()
    flipped = bytearray(whole[1])
    flipped[len(flipped) // 2] ^= 1
    for damaged in ((whole[0][:-1], whole[1]), (whole[0], bytes(flipped))):
        index.write_bytes(damaged[0])
        code.write_bytes(damaged[1])
        assert hits(tmp_path) == 0


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_folder_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    shared = tmp_path / "cache" / "guidance" / "numba"
    shared.mkdir(parents=True)
    shared.chmod(0o777)
    assert (hits(tmp_path), hits(tmp_path)) == (0, 0)
    assert not list(shared.iterdir())


def test_functions_compile_without_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/nowhere")
    assert compiled(lambda x: x + 1)(2) == 3


def test_functions_compile_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core import caching

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    tmp_path.chmod(0o700)
    monkeypatch.setattr(caching.IndexDataCacheFile, "_open_for_write", full)
    assert compiled(lambda x: x + 2)(2) == 4
