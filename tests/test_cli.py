"""The command line: what it runs, the precedence of options, and its answers to mistakes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from guidance import cli
from guidance.commands.run import find_task, parse_task
from guidance.config import files as configuration
from guidance.config.kinds import TASKS, names
from guidance.errors import InputError
from guidance.prompts import Prompt
from tests.runs.dot import Dot

DOT = Path(__file__).parent / "runs" / "dot.py"


def guide(*words: object) -> int:
    """The exit code of `guide` with these words."""
    with pytest.raises(SystemExit) as end:
        cli.main([str(word) for word in words])
    return int(end.value.code or 0)


def refused(capsys: pytest.CaptureFixture[str], *words: object, code: int = 2) -> str:
    """The one line that `guide` says to a mistake, apart from the names of loaded models."""
    assert guide(*words) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    told = "".join(x for x in captured.err.splitlines(True) if not x.startswith("loading "))
    assert told.count("\n") == 1, captured.err
    assert told.startswith("guide: ")
    return told.removeprefix("guide: ").strip()


def only_run(output: Path) -> Path:
    (folder,) = (output / "dot").iterdir()
    return folder


def flags(*words: str) -> Dot:
    task = parse_task(Dot, "dot", words)
    assert isinstance(task, Dot)
    return task


def write(path: Path, **values: object) -> str:
    path.write_text(yaml.safe_dump(values))
    return str(path)


def test_a_users_own_file_runs_like_a_built_in_task(tmp_path: Path, capsys) -> None:
    code = guide("run", DOT, "--prompt", "a", "--preset", "draft", "--output", tmp_path)
    assert code == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        str(only_run(tmp_path) / name) for name in ("image.png", "progress.mp4")
    ]
    assert "step 10 of 10" in told.err
    config = yaml.safe_load((only_run(tmp_path) / "config.yaml").read_text())
    assert (config["task"], config["steps"], config["size"]) == ("dot", 10, 8)


def test_resuming_a_done_run_says_so(tmp_path: Path, capsys) -> None:
    Dot(prompt="a", preset="draft", output=tmp_path).run()
    capsys.readouterr()
    for words in (["--resume", only_run(tmp_path)], [f"--resume={only_run(tmp_path)}/"]):
        assert guide("run", DOT, *words) == 0
        assert "is already finished" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["image.png", "progress.mp4", "config.yaml"])
def test_a_run_is_repeated_from_what_it_made(tmp_path: Path, name: str) -> None:
    first = Dot(prompt="ein Käse", steps=5, seed=4, output=tmp_path / "first").run()
    made = first.folder / name
    task = flags("--config", str(made))
    assert task.model_copy(update={"output": Path("outputs")}) == Dot(
        prompt="ein Käse", steps=5, seed=4
    )
    assert guide("run", DOT, "--config", made, "--output", tmp_path / "again") == 0
    again = only_run(tmp_path / "again")
    for other in ("image.png", "metrics.jsonl"):
        assert (again / other).read_bytes() == (first.folder / other).read_bytes()


def test_metadata_can_be_left_out(tmp_path: Path, capsys) -> None:
    run = Dot(prompt="a", preset="draft", metadata=False, output=tmp_path).run()
    capsys.readouterr()
    line = refused(capsys, "rerun", run.folder / "image.png")
    assert "has no embedded configuration" in line


def test_nothing_of_the_place_travels_in_files(tmp_path: Path) -> None:
    run = Dot(prompt="a", preset="draft", output=tmp_path).run()
    assert str(tmp_path).encode() not in (run.folder / "image.png").read_bytes()


def test_what_wins_over_what(tmp_path: Path) -> None:
    file = write(tmp_path / "c.yaml", preset="draft", steps=99, prompt="from the file")
    defaults = Dot()
    assert (defaults.steps, defaults.size) == (24, 16)  # of the normal preset
    assert (Dot(preset="draft", size=3).size, Dot(preset="draft").size) == (3, 8)
    # The file wins over its own preset, which wins over the defaults.
    task = flags("--config", file)
    assert (task.steps, task.size, task.prompt) == (99, 8, (Prompt.parse("from the file"),))
    # A preset on the command line wins over the file, and a flag over both.
    task = flags("--config", file, "--preset", "best")
    assert (task.steps, task.size, task.prompt) == (40, 32, (Prompt.parse("from the file"),))
    task = flags(f"--config={file}", "--preset=best", "--steps", "7")
    assert (task.steps, task.size) == (7, 32)
    # Repeated flags replace the file's list.
    task = flags("--config", file, "--prompt", "one", "--prompt", "two")
    assert [prompt.text for prompt in task.prompt] == ["one", "two"]


def test_help_lists_fields_with_their_docstrings(tmp_path: Path, capsys) -> None:
    # A copy: pydantic finds no docstrings in a file that is imported under a second name.
    mine = tmp_path / "mine.py"
    mine.write_text(DOT.read_text().replace('    """Of the target, new in each step."""\n', ""))
    assert guide("run", mine, "--help") == 0
    told = capsys.readouterr().out
    assert "Brings a grey canvas to another grey." in told
    assert "draft                       steps 10, size 8. a moment" in told
    assert "Pixels per side. (16)" in told
    assert re.search(r"--noise NUMBER +\(0.3\)", told)
    assert "--config FILE" in told
    assert guide("run", "text2mesh", "--help") == 0
    assert "\n`guide run text2mesh --mesh cow.obj" in capsys.readouterr().out


def test_help_of_commands_and_lists(capsys) -> None:
    for words in ([], ["--help"], ["run", "--help"], ["rerun", "--help"]):
        assert guide(*words) == 0
        assert "guide r" in capsys.readouterr().out
    for command in ("eval", "tune", "list", "models"):
        assert guide(command, "--help") == 0
        assert capsys.readouterr().out.startswith(f"usage: guide {command}")
    assert guide("--version") == 0
    assert capsys.readouterr().out[0].isdigit()
    assert guide("list") == 0
    told = capsys.readouterr().out
    for word in ("tasks", "generators", "losses", "pyramid", "clip", "sds", "texture", "orbit"):
        assert word in told
    for word in ("  mini  ", "ViT-B-32/openai", "  mini-diffusion  ", "`guide models list`"):
        assert word in told
    assert "openclip" not in told and "mini-judge" not in told
    assert guide("models", "list") == 0
    assert "mini-judge" in capsys.readouterr().out


def test_help_says_where_the_options_of_components_are(capsys) -> None:
    assert guide("run", "text2image", "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert (
        "To list them, add --generator cutout, --frames 72 or --loss clip before --help, e.g. "
        "`guide run text2image --generator cutout --help`." in told
    )
    assert "(cutout; its options: guide run text2image --generator cutout --help)" in told
    assert "(clip; its options: guide run text2image --loss clip --help)" in told
    assert '--encoder of "clip"' in told
    assert "(its options --steps-per-frame, --fps, --zoom, --pan, --rotate: guide run" in told
    assert "guide run text2image --frames 72 --help)" in told
    assert guide("run", "text2image", "--frames", "72", "--help") == 0
    told = capsys.readouterr().out
    assert "\noptions of --frames:\n  --frames INT" in told
    assert told.count("--frames INT") == 1 and "--zoom NUMBER" in told
    assert guide("run", "stylize", "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "--loss patches,directional,content,contrastive before --help" in told


def test_old_flags_replace_new_ones_without_repeating_them() -> None:
    words = ["--prompt", "a", "--loss", "clip", "--palette-weight", "0.5"]
    task = parse_task(find_task("text2image"), "text2image", words)
    assert [each.options.kind() for each in task.loss] == ["clip", "palette"]


#: Mistakes that are answered before components are imported.
EARLY = [
    ["--steps", "many"],
    ["--size", "big"],
    ["--promt", "a"],
    ["--generator", "pyramyd"],
    ["--loss", "clop"],
    ["--preset", "huge"],
    ["--learning-rate", "1 -> x"],
    ["--steps", "1", "--steps", "2"],
    ["a frog"],
]


def test_listing_and_help_import_nothing_heavy() -> None:
    code = (
        "import sys\nfrom guidance import cli\n"
        f"for words in (['--help'], ['list'], ['run', '--help'], ['run', {str(DOT)!r}, '--help'],\n"
        "              ['models', 'list'], ['run', 'nonsense'],\n"
        f"              *(['run', name, '--help'] for name in {list(names(TASKS))}),\n"
        "              ['models', 'fetch', 'nonsense'], ['tune'], ['eval'], ['rnu'],\n"
        "              ['tune', 'nowhere', '--strength', '1'], ['eval', 'nowhere'],\n"
        "              ['rerun', 'nowhere.png'], ['run', '--resume', 'nowhere'],\n"
        f"              *(['run', 'text2image', *words] for words in {EARLY}),\n"
        "              ['run', 'text2mesh', '--mesh', 'nowhere.obj'],\n"
        "              ['run', 'stylize', '--image', 'nowhere.png']):\n"
        "    try:\n        cli.main(words)\n    except SystemExit:\n        pass\n"
        "heavy = {'torch', 'numpy', 'PIL', 'av', 'open_clip'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_every_task_here_is_found() -> None:
    for name, line in names(TASKS).items():
        assert line
        cls = find_task(name)
        assert cls.task_name() == name
        for preset, values in cls.PRESETS.items():
            assert cls(prompt=["a"], preset=preset, **values).preset == preset  # type: ignore
            assert preset in cls.PRESET_MINUTES


MISTAKES = [
    (
        ["nonsense"],
        "no command 'nonsense'; use one of run, rerun, eval, tune, style, caption, list, models",
    ),
    (["rnu"], "no command 'rnu'; did you mean 'run'?"),
    (["run"], "run: no task; use one of"),
    (["run", "text3image"], "unknown task 'text3image'; did you mean 'text2image'?"),
    (["run", "./nowhere.py"], "nowhere.py: no such file"),
    (["run", DOT], 'dot: no prompt; add --prompt "a red apple"'),
    (["run", DOT, "--promt", "a"], "unknown flag --promt; did you mean --prompt?"),
    (["run", DOT, "stray"], "unexpected argument 'stray'; did you mean --prompt \"stray\"?"),
    (["run", DOT, "a $"], "unexpected argument 'a $'; did you mean --prompt 'a $'?"),
    (
        ["run", DOT, "--prompt", "a", "frog"],
        "unexpected argument 'frog'; write a value with spaces in quotes: --prompt \"a frog\"",
    ),
    (["run", DOT, "-prompt", "a"], "unexpected argument '-prompt'; did you mean --prompt?"),
    (["run", DOT, "--no-judge", "true"], "--judge takes no value; write --judge or --no-judge"),
    (["run", DOT, "--steps", "1", "--steps=2"], "--steps is given twice; give it once"),
    (["run", DOT, "--judge", "--no-judge"], "--no-judge is given twice; give it once"),
    (["run", DOT, "--preset=best", "--preset=draft"], "--preset is given twice; give it once"),
    (["run", DOT, "--loss=clip", "--loss=fsd"], "several losses are separated by commas, e.g."),
    (["run", "--resume", "a", "--resume", "b"], "--resume is given twice; give it once"),
    (["run", DOT, "--noise", "x"], "--noise: expected a number, got 'x'"),
    (["run", DOT, "--judge=maybe"], "--judge: expected true or false, got 'maybe'"),
    (["run", DOT, "--optimizer", "lion"], "--optimizer: expected auto, adam or sgd, got 'lion'"),
    (["run", "stylize", "--size", "big"], "--size: expected a whole number, got 'big'"),
    (["run", "edit", "--size", "big"], "--size: expected a whole number or image, got 'big'"),
    (["run", "text2mesh", "--mesh", "no.obj"], "--mesh no.obj: no such file; give a file, or sph"),
    (["run", "stylize", "--image", "no.png"], "--image no.png: no such file"),
    (["run", DOT, "--steps", "many"], "--steps: expected a whole number, got 'many'"),
    (["run", DOT, "--steps"], "--steps: expected a value"),
    (["run", DOT, "--steps", "0"], "--steps: expected at least 1, got '0'"),
    (["run", DOT, "--no-judge=1"], "--no-judge=1: takes no value"),
    (["run", DOT, "--judge", "True"], "'True': --judge takes no value; write --judge or --no-ju"),
    (
        ["run", "text2image", "--generator", "grid", "--tileable", "no"],
        "write --tileable or --no-t",
    ),
    (["run", DOT, "--prompt", ""], "a phrase is empty"),
    (["run", DOT, "--prompt", "a\0b"], "null character"),
    (["run", DOT, "--preset", "huge"], "--preset: expected draft, normal or best, got 'huge'"),
    (["run", DOT, "--preset"], "--preset: expected a value"),
    (["run", DOT, "--loss", "l2"], "unknown loss 'l2'; choose from"),
    (["run", DOT, "--loss", "clop"], "unknown loss 'clop'; did you mean 'clip'?"),
    (["run", DOT, "--loss", "clip:x"], "loss 'clip:x': expected a weight"),
    (["run", DOT, "--learning-rate", "1 -> x"], "schedule '1 -> x': expected one of"),
    (["run", DOT, "--prompt", "a", "--device", "abacus"], "device 'abacus' is not available"),
    (["run", DOT, "--config", "nowhere.yaml"], "nowhere.yaml: no such file"),
    (["run", DOT, "--denoiser", "sdxl"], "--denoiser belongs to --loss sds"),
    (
        ["run", "text2mesh", "--mode=deform", "--texels", "64"],
        "--texels belongs to --mode texture; see `guide run text2mesh --mode texture --help`",
    ),
    (
        ["run", "text2mesh", "--mode", "texture", "--texels", "1"],
        "--texels: expected at least 16, got '1'",
    ),
    (["run", "text2mesh", "--mode", "texture", "--region-prompt", "a=b"], "unknown flag --region-"),
    (
        ["run", "text2image", "--cells", "8"],
        "--cells belongs to --generator grid; see `guide run text2image --generator grid --help`",
    ),
    (
        ["run", "text2image", "--zoom", "1.1"],
        "--zoom needs --frames, e.g. --frames 72; see `guide run text2image --frames 72 --help`",
    ),
    (["run", "text2image", "--frames", "1"], "--frames: expected at least 2, got '1'"),
    (["run", "edit", "--encoder", "mini"], "--encoder belongs to --loss clip"),
    (["run", "--resume", "nowhere"], "nowhere: no such folder; expected the folder of a run"),
    (["run", "--resume", DOT.parent], "has no config.yaml, so it is not the folder of a run"),
    (["run", "--resume"], "--resume: expected a value"),
    (["rerun", "nowhere.png"], "nowhere.png: no such file"),
    (["rerun", DOT], "dot.py"),
    (["list", "all"], "list: takes no arguments"),
    (["models", "burn"], "models: expected `list`, `fetch NAME`, `verify [NAME]` or `convert FILE"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=lambda value: str(value)[-60:])
def test_mistakes_are_answered_in_one_line(
    tmp_path: Path, capsys, monkeypatch, words: list[object], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *words)
    assert not list(tmp_path.iterdir())  # nothing half-written


@pytest.mark.parametrize("loss", ["laplacian", "clip,rigidity"])
def test_losses_of_meshes_are_refused_for_images_before_a_folder_exists(
    tmp_path: Path, capsys, loss: str
) -> None:
    words = ["run", "text2image", "--prompt", "a", "--loss", loss, "--size", 16, "--no-judge"]
    line = refused(capsys, *words, "--output", tmp_path / "out")
    assert "use this loss with mesh generators only" in line
    assert not (tmp_path / "out").exists()


def test_missing_weights_exit_3(tmp_path: Path, capsys) -> None:
    mine = tmp_path / "clipped.py"
    mine.write_text(
        DOT.read_text()
        .replace("class Dot", "class Clipped")
        .replace("Grey(greys, self.noise)", "Clip(prompts, encoder=self.models)")
        .replace("import torch\n", "import torch\n        from guidance.losses.clip import Clip\n")
    )
    words = ["run", mine, "--prompt", "a", "--output", tmp_path / "out"]
    line = refused(capsys, *words, "--encoder", "local-dir:/nowhere", code=3)
    assert "no weights at /nowhere" in line
    assert not (tmp_path / "out").exists()


CONFIGS = [
    ("promt: a", "unknown key 'promt'; did you mean 'prompt'?"),
    ("zzz: a", "unknown key 'zzz'; see `guide run "),
    ("texels: 3", "unknown key 'texels'"),
    ("steps: many", "steps: expected a whole number, got 'many'"),
    ("prompt: [[1]]", "prompt: expected str, got [1]"),
    ("loss: 3", "loss: expected a name or a mapping"),
    (
        "loss: [{kind: clip, encoder: mini, similarity: best}]",
        "loss.similarity: expected cosine, spherical or logit, got",
    ),
    ("loss: {kind: clip, texels: 3}", "loss.texels: clip has no such option; its options: encoder"),
    ("loss: {weight: 3}", "loss: expected a name or a mapping"),
    ("loss: []", "loss: expected at least one"),
    ("loss: mine.py", "loss 'mine.py': a file is only run when it is named on the command line"),
    ("prompt: !!python/object/apply:os.system ['touch owned']", "is not valid YAML"),
    ("a: &a [1]\nb: [*a, *a]", "aliases (*name) are not supported; write the value out"),
    ("steps: 3\nsteps: 4", "key 'steps' is given twice"),
    ("- a list", "expected lines such as `steps: 200`"),
    ("1: 2", "expected lines such as `steps: 200`"),
    ("a: [", "in line"),
    ("a: 2026-99-99", "is not valid YAML"),
    ("[" * 5000, "is nested too deeply"),
    ("a: \x01", "is not valid YAML"),
    ("schema_version: 4", "was written by a newer version of guidance (schema_version 4;"),
    ("schema_version: new", "schema_version: expected a whole number"),
    ("task: text9image", "is a configuration of 'text9image', not of"),
    ("task: [1]", "task: expected the name of a task"),
    ("x" * 300_000, "is larger than 256 KB"),
]


@pytest.mark.parametrize(("text", "message"), CONFIGS, ids=lambda value: value[:40])
def test_bad_configurations_are_one_line(
    tmp_path: Path, capsys, monkeypatch, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(text)
    line = refused(capsys, "run", DOT, "--config", "config.yaml")
    assert message in line
    assert line.startswith("config.yaml: ")
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_configurations_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"a: \xff\xfe")
    with pytest.raises(InputError, match="is not text"):
        configuration.read_config(path)
    path.write_text("")
    assert configuration.read_config(path) == {}


@pytest.mark.parametrize(
    "prompt", ["/../../etc/passwd", "..", "a/b\\c", "CON", "a\nb", "🧀", ".hidden", "x" * 5000]
)
def test_prompts_never_become_raw_names(tmp_path: Path, prompt: str) -> None:
    run = Dot(prompt=prompt, preset="draft", steps=1, output=tmp_path).run()
    assert run.folder.parent == tmp_path / "dot"
    assert all(c.isascii() and (c.isalnum() or c == "-") for c in run.folder.name)
    assert len(run.folder.name) < 64
    assert [path.name for path in tmp_path.iterdir()] == ["dot"]


def test_places_that_cannot_be_written(tmp_path: Path, capsys, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    words = ["run", DOT, "--prompt", "a", "--output"]
    line = refused(capsys, *words, tmp_path / "file" / "deeper")
    assert "is a file, not a folder; choose another" in line
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "no permission to write" in refused(capsys, *words, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_cannot_name_code_to_run(tmp_path: Path, capsys) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("raise SystemExit('ran')")
    file = write(tmp_path / "c.yaml", task=str(mine))
    line = refused(capsys, "rerun", file)
    assert "name its file: guide run YOUR.py" in line


def test_files_without_one_task_are_refused(tmp_path: Path, capsys) -> None:
    path = tmp_path / "empty.py"
    path.write_text("x = 1\n")
    line = refused(capsys, "run", path)
    assert "expected one class derived from Task, found 0" in line


def test_damaged_checkpoints_exit_2_before_anything_changes(tmp_path: Path, capsys) -> None:
    run = Dot(prompt="a", preset="draft", output=tmp_path).run()
    (run.folder / "DONE.json").unlink()
    data = run.folder / "checkpoint.safetensors"
    data.write_bytes(data.read_bytes()[:-1])
    capsys.readouterr()
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    line = refused(capsys, "run", DOT, "--resume", run.folder)
    assert "checkpoint.safetensors: does not have the hash in checkpoint.json" in line
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


def test_ctrl_c_before_the_loop_exits_130(capsys, monkeypatch) -> None:
    def press(words: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_dispatch", press)
    assert refused(capsys, "list", code=130) == "stopped"


def test_done_names_the_judge_and_its_scores(tmp_path: Path) -> None:
    """With the real judge, which the package brings along."""
    run = Dot(prompt=["a", "b"], preset="draft", steps=2, judge=True, output=tmp_path).run()
    done = json.loads((run.folder / "DONE.json").read_text())
    assert done["judge"] == "mini-judge"
    for sample in done["samples"]:
        for when in ("judge_before", "judge_after"):
            assert -1 <= sample[when]["similarity"] <= 1
            assert sample[when]["out_of"] == 2
