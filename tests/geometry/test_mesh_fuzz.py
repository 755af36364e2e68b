"""Damaged mesh files are read or refused in one line, and nothing else happens."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from guidance.errors import InputError
from guidance.geometry.io.files import load_mesh
from tests.geometry.mesh_inputs import damaged, mesh_inputs

INPUTS = mesh_inputs()


@pytest.mark.parametrize("name", INPUTS)
def test_the_inputs_are_valid(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(INPUTS[name])
    mesh = load_mesh(path).mesh
    assert len(mesh.vertices) == 8 and len(mesh.faces) == 12


@pytest.mark.parametrize("name", INPUTS)
def test_damage_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    for seed in range(40):
        path.write_bytes(damaged(INPUTS[name], seed))
        start = time.process_time()
        try:
            mesh = load_mesh(path).mesh
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 500 and str(error).isprintable()
        else:
            assert mesh.vertices.isfinite().all() and int(mesh.faces.max()) < len(mesh.vertices)
        assert time.process_time() - start < 2
