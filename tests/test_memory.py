"""The allocator's setting, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator only")
def test_freed_memory_stays_with_the_process() -> None:
    code = """
import resource, sys
import torch
from guidance.commands.memory import keep_freed_memory

def faults_of_later_rounds():
    for i in range(4):
        if i == 1:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        large = [torch.zeros(5_000_000) for _ in range(4)]
        del large
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

stock = faults_of_later_rounds()
if not keep_freed_memory():
    sys.exit(3)
faults_of_later_rounds()
kept = faults_of_later_rounds()
assert kept < stock / 10, (kept, stock)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip("another allocator")
    assert done.returncode == 0, done.stderr
