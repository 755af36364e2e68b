"""`guide sweep`: its flags, its dry run, and mistakes in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from guidance.cli import main
from guidance.sweeps.axes import grid
from tests.sweeps.in_process import DOT, InProcess, do, new_sweep, resolver_of


def guide(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The exit code of `guide sweep`, standard output and standard error."""
    with pytest.raises(SystemExit) as end:
        main(["sweep", *words])
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--grid=seed=0..3"], "name a task or a file"),
        ([DOT, "--prompt=a", "--grid=seed"], "expected NAME=VALUES"),
        ([DOT, "--prompt=a", "--grid=seed=0..3", "--grid=seed=5"], "given twice"),
        ([DOT, "--prompt=a", "--grid=seed=0..3", "--seed=5"], "seed is an option and an axis"),
        ([DOT, "--prompt=a", "--grid=steps=5,none"], "trial 2 (steps=none)"),
        ([DOT, "--prompt=a", "--grid=size=8,900"], "trial 2 (size=900)"),
        ([DOT, "--prompt=a", "--sise=8"], "did you mean --size"),
        ([DOT, "--prompt=a", "--samples=3"], "samples: is set by the sweep"),
        ([DOT, "--prompt=a", "--random=noise=0..1"], "random and trials belong together"),
        ([DOT, "--prompt=a", "--workers=none"], "--workers: expected a whole number"),
        ([DOT, "--prompt=a", "--best-of=3"], "need the judge"),
        ([DOT, "--prompt=a", "--report-judge=mini"], "belongs to --best-of"),
        ([DOT, "--prompts=missing.txt"], "no such file"),
        ([DOT, "--config=x.yaml"], "takes no --config"),
        (["missing.yaml"], "no such file"),
        (["--resume=missing"], "is not the folder of a sweep"),
    ],
    ids=lambda value: " ".join(value)[-40:] if isinstance(value, list) else "",
)
def test_mistakes_are_found_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    output = [] if "--resume=missing" in words else [f"--output={tmp_path}"]
    code, _, err = guide(capsys, *words, *output)
    assert code == 2 and said in err and len(err.strip().splitlines()) == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_dry_run_counts_and_measures_by_an_earlier_sweep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [DOT, "--grid=prompt=a,bb", "--grid=seed=0..3", "--steps=8", "--pack=4",
             f"--output={tmp_path}", "--workers=2", "--dry-run"]  # fmt: skip
    code, out, _ = guide(capsys, *words)
    assert code == 0 and out.startswith("dot: 8 trials in 2 runs of at most 4 samples\n")
    assert "time: unknown" in out and not list(tmp_path.iterdir())
    resolver = resolver_of({"prompt": "a", "steps": 4})
    folder = new_sweep(tmp_path, resolver, grid({"seed": "0..1"}), 2, steps=4)
    do(folder, resolver, InProcess())
    (line,) = folder.journal()
    folder.note({**line, "seconds": 10 - line["seconds"]})  # 2.5 s per trial of four steps
    header = (folder.path / "sweep.yaml").read_text().replace(DOT, "dot")
    (folder.path / "sweep.yaml").write_text(header.rpartition("# sha256")[0])
    _, out, _ = guide(capsys, *words)
    # 8 trials of 8 steps: 40 s of two workers.
    assert "time: about 20 s with 2 workers (5 s per trial, as in 4 trials" in out


def test_a_resumed_sweep_takes_no_other_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resolver = resolver_of({"prompt": "a", "steps": 4})
    folder = new_sweep(tmp_path, resolver, grid({"seed": [0]}), 1)
    do(folder, resolver, InProcess())
    resume = f"--resume={folder.path}"
    for words, said in (
        ([resume], f"is a sweep of {DOT}; name it"),
        ([resume, DOT, "--steps=8"], "takes no --steps"),
        ([resume, DOT, "--grid=seed=0..3"], "takes no --grid"),
    ):
        code, _, err = guide(capsys, *words)
        assert code == 2 and said in err
    code, out, _ = guide(capsys, resume, DOT)
    assert code == 0 and out.strip() == str(folder.path)


def test_the_demo_has_24_trials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo = Path(__file__).parents[2] / "configs" / "sweeps" / "demo.yaml"
    assert f"# guide sweep configs/sweeps/{demo.name}" in demo.read_text()
    words = [str(demo), "--dry-run", "--workers=2", f"--output={tmp_path}"]
    code, out, _ = guide(capsys, *words)
    assert code == 0 and out.startswith("text2image: 24 trials in 2 runs of at most 12 samples\n")
