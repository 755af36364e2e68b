"""Small files that would take endless time or memory: each is refused within 2 s and 2 GB.

Seconds are those of a core, which do not depend on what else the machine does, and the clock must
not show more than five times as many. The process is warm, so that they are those of the reader.
An image, video or mesh may also be read, if that takes no longer than 2 s more than a plain one.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.reliability.harness.children import guide
from benchmarks.reliability.harness.outcome import Outcome, Trial
from benchmarks.reliability.harness.scene import Scene
from benchmarks.reliability.harness.warm import spread
from benchmarks.reliability.inputs import explosives, weights

FULL = len(explosives.NAMES)
SECONDS, MEGABYTES, REFUSED = 2.0, 2048, (2, 3)


def run(scene: Scene, count: int) -> Outcome:
    """Opens that many bombs; more than there are repeats none."""
    scene.whole  # noqa: B018  (made once, before the workers)
    sources = scene.fresh("bomb-sources")
    weights.encoder_folder(sources / "encoder")
    weights.denoiser_folder(sources / "denoiser")
    chosen = list(explosives.NAMES)
    scene.draw("bombs").shuffle(chosen)
    usual = {kind: _usual(scene, kind) for kind in explosives.PLAIN}
    found = spread(partial(_open, scene, sources, usual), chosen[:count])
    slowest, largest = max(found, key=lambda f: f[1]), max(found, key=lambda f: f[2])
    return Outcome.of(
        (trial for trial, *_ in found),
        longest_seconds=[round(slowest[1], 2), slowest[3]],
        most_megabytes=[largest[2], largest[3]],
    )


def _usual(scene: Scene, kind: str) -> float:
    """Seconds of a core for the command with a plain file of a kind."""
    return guide(explosives.plain(kind, scene.fresh(f"plain-{kind}"))).wait().cpu_seconds


def _open(
    scene: Scene, sources: Path, usual: dict[str, float], name: str
) -> tuple[Trial, float, float, str]:
    place = scene.fresh(f"bomb-{explosives.NAMES.index(name)}")
    words = explosives.make(name, place, sources, scene.whole)
    family = name.partition(":")[0]
    ended = guide(words).wait(8 * SECONDS)
    read = ended.code == 0 and family in usual
    seconds = ended.cpu_seconds - (usual[family] if read else 0)
    wrong = ended.complaint(*REFUSED, *([0] if read else []))
    if seconds > SECONDS or ended.seconds > 5 * SECONDS:
        wrong = f"{seconds:.1f} s of a core, {ended.seconds:.1f} s, {ended.said()}"
    if ended.megabytes > MEGABYTES:
        wrong = f"{ended.megabytes} MB, {ended.said()}"
    trial = Trial(f"exit {ended.code}", wrong and f"{name}: {wrong}")
    return trial, seconds, ended.megabytes, name
