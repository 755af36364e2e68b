"""leaderboard.json: the best seed of each combination, and its score by a second judge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from guidance.evaluate.families import LossModel
from guidance.prompts import Prompt, plain_text
from guidance.runs.atomic import write_text
from guidance.sweeps.archive import ARCHIVE, write_archive
from guidance.sweeps.folder import SweepFolder
from guidance.sweeps.halving import spent
from guidance.sweeps.results import Images, Scored, cell_of, scored_trials
from guidance.sweeps.second_judge import SecondJudge, second_judge
from guidance.sweeps.trials import Resolver

LEADERBOARD = "leaderboard.json"
SCHEMA_VERSION = 1
#: Draws of the bootstrap.
DRAWS = 2000


def write_leaderboard(folder: SweepFolder, resolver: Resolver) -> Iterator[str]:
    """Writes the leaderboard, and the archive if it was asked for; yields lines for the user.

    Raises:
        InputError: a run is damaged, or the second judge is not independent.
        MissingWeights: the weights of the second judge are not on this machine.
    """
    cells: dict[str, list[Scored]] = {}
    for scored in scored_trials(folder, resolver):
        cells.setdefault(cell_of(scored.trial), []).append(scored)
    if not cells:
        yield "note: no finished trial has a score of a judge, so there is no leaderboard"
        return
    rows = [_row(found) for found in cells.values()]
    judge_name = next(iter(cells.values()))[0].judge
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "judge": judge_name,
        "report_judge": None,
        "notes": [],
    }
    if folder.header.get("halve"):
        done, full = spent(folder, resolver)
        content["steps"] = {"done": done, "without_halving": full}
    if folder.header.get("best_of") or folder.header.get("halve"):
        _report(folder, cells, rows, content)
    content["rows"] = sorted(rows, key=lambda row: -row["best"]["score"])
    path = folder.path / LEADERBOARD
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    yield from content["notes"]
    yield f"{path}: {len(rows)} best results, chosen by {judge_name}"
    if gain := content.get("gain"):
        low, high = gain["interval"]
        yield (
            f"the best against the first seed by {content['report_judge']}: "
            f"{gain['mean']:+.4f} ({low:+.4f} to {high:+.4f}, 95%)"
        )
    if folder.header.get("archive"):
        yield from write_archive(folder, cells)


def _row(found: list[Scored]) -> dict[str, Any]:
    """A combination: its best seed by the judge, and its first seed."""
    best = max(found, key=lambda each: (each.score, -each.trial.seed))
    first = min(found, key=lambda each: each.trial.seed)
    values = {key: value for key, value in best.trial.values.items() if key != "seed"}
    return {
        "values": values,
        "prompt": best.trial.prompt,
        "seeds": len(found),
        "best": best.line(),
        "first": first.line(),
    }


def _report(
    folder: SweepFolder,
    cells: dict[str, list[Scored]],
    rows: list[dict[str, Any]],
    content: dict[str, Any],
) -> None:
    """Adds the scores of the second judge to the rows, and the gain over one seed."""
    images = Images(folder)
    families: set[str] = set()
    for found in cells.values():
        run = images.run(found[0].trial)
        known = (run.families.get(name) or LossModel.of(name).family for name in run.losses)
        families |= set(known)
    judge = second_judge(families, content["judge"], folder.header.get("report_judge"))
    if judge is None:
        content["notes"].append(
            "note: no model on this machine is independent of the losses and of the judge that "
            "chose, so nothing reports the scores; fetch one, then: guide sweep --resume "
            f"{folder.path}"
        )
        return
    content |= {"report_judge": judge.name, "measure": judge.measure}
    for row, found in zip(rows, cells.values(), strict=True):
        by_id = {each.trial.id: each for each in found}
        for key in ("best", "first"):
            row[key]["report"] = round(_score(judge, images, by_id[row[key]["id"]]), 6)
    # With halving the first seed may have been stopped: there is nothing to compare with then.
    if not folder.header.get("halve") and len(rows) > 1:
        gains = [row["best"]["report"] - row["first"]["report"] for row in rows]
        mean, interval = bootstrap(gains)
        content["gain"] = {"mean": round(mean, 6), "interval": [round(x, 6) for x in interval]}


def _score(judge: SecondJudge, images: Images, scored: Scored) -> float:
    prompt = plain_text(Prompt.parse(scored.trial.prompt)) if scored.trial.prompt else ""
    return judge.score(images.sample(scored.trial).load().images, prompt)


def bootstrap(values: list[float]) -> tuple[float, tuple[float, float]]:
    """The mean with its 95% interval: quantiles of the means of draws with replacement."""
    found = torch.tensor(values, dtype=torch.float64)
    random = torch.Generator().manual_seed(0)
    index = torch.randint(len(values), (DRAWS, len(values)), generator=random)
    means = found[index].mean(1)
    low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return float(found.mean()), (low, high)


def is_complete(folder: SweepFolder) -> bool:
    """Whether the choice of a sweep was written, with the scores by the second judge if it has any.

    A sweep without such scores may get them later, when a second judge was downloaded.
    """
    header = folder.header
    if header.get("archive") and not (folder.path / ARCHIVE).is_file():
        return False
    if not (folder.path / LEADERBOARD).is_file():
        return False
    reports = header.get("best_of") or header.get("halve")
    return not reports or read_leaderboard(folder.path)["report_judge"] is not None


def read_leaderboard(path: Path) -> dict[str, Any]:
    """The content of a leaderboard that this package wrote."""
    found: dict[str, Any] = json.loads((path / LEADERBOARD).read_text(encoding="utf-8"))
    return found
