"""Whether a refined motion is better: a judge that no loss uses decides, from unseen cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from guidance.encoders import load_encoder, load_judge
from guidance.encoders.base import Encoder
from guidance.evaluate.judge import embed_images, embed_texts
from guidance.generators.motion.param.drawing import BodyDrawing
from guidance.losses.pose_prior import PosePrior
from guidance.motion.judging import MotionJudge
from guidance.motion.motion import Motion
from guidance.motion.output import MotionOutput
from guidance.tasks.motion.repair import Repair
from guidance.tasks.motion.shots import unseen

#: Least rise of the judge's similarity that counts.
RISE = 0.002
RESOLUTION = 112
#: How much less usual than before poses may be, by the poses of the bank: a factor. Judges of images
#: prefer contorted poses, as encoders do.
LESS_USUAL = 1.1


@dataclass(frozen=True)
class AcceptedRepair:
    """Repairs the refined motions, and returns the others where a judge does not prefer them.

    Args:
        repair: what is done to both.
        start: the motions before the refinement.
        draw: shows the body.
        prompts: plain texts, one a sample.
        encoders: those of the losses, whose families the judge is not of.
        motion_judge: also has to prefer the refined motion, if there is one.
    """

    repair: Repair
    start: tuple[Motion, ...]
    draw: BodyDrawing
    prompts: tuple[str, ...]
    encoders: tuple[str | Encoder, ...]
    device: str = "cpu"
    motion_judge: MotionJudge | None = None

    def __call__(self, output: MotionOutput) -> tuple[Sequence[Motion], tuple[str, ...]]:
        refined, notes = self.repair(output)
        given, _ = self.repair(MotionOutput.of_motions(self.start, output.skeleton))
        before, after = (self._scores(motions, output) for motions in (given, refined))
        usual = [unusual(motions, output) for motions in (given, refined)]
        chosen, said = [], list(notes)
        for sample, prompt in enumerate(self.prompts):
            better = all(b[sample] + RISE < a[sample] for b, a in zip(before, after, strict=True))
            contorted = usual[1][sample] > LESS_USUAL * usual[0][sample]
            better = better and not contorted
            chosen.append(refined[sample] if better else given[sample])
            numbers = ", ".join(
                f"{b[sample]:.3f} -> {a[sample]:.3f}" for b, a in zip(before, after, strict=True)
            )
            verdict = "kept" if better else "dropped: the motion of the bank is returned"
            poses = ", but its poses are contorted" if contorted else ""
            said.append(
                f"{prompt!r:.60}: judge of unseen views {numbers}{poses}; refinement {verdict}"
            )
        return chosen, tuple(said)

    def _scores(self, motions: Sequence[Motion], like: MotionOutput) -> list[list[float]]:
        """The scores of each sample by each judge."""
        judge = load_judge(self.device, self._families())
        shots = unseen(len(motions), RESOLUTION, self.device)
        output = MotionOutput.of_motions(motions, like.skeleton)
        images = replace(output, shots=shots, draw=self.draw).over().clamp(0, 1)
        vectors = embed_images(judge, images.flatten(0, 1)).view(*images.shape[:2], -1)
        texts = embed_texts(judge, list(self.prompts)).to(vectors)
        found = [(vectors * texts[:, None]).sum(-1).mean(1).tolist()]
        if self.motion_judge is not None:
            found.append(self.motion_judge.similarity(motions, self.prompts).tolist())
        return found

    def _families(self) -> set[str]:
        models = (load_encoder(e, self.device) if isinstance(e, str) else e for e in self.encoders)
        return {model.family for model in models}


def unusual(motions: Sequence[Motion], like: MotionOutput) -> list[float]:
    """How far the poses of each motion are from those of the bank."""
    prior = PosePrior()
    return prior.of_motions(MotionOutput.of_motions(motions, like.skeleton)).tolist()
