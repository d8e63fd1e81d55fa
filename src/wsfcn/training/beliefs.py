"""What a validation says: figures of the whole, and of each class what is believed of its masks."""

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import numpy as np
from jaxtyping import Float
from lightning.pytorch.callbacks import Callback

from wsfcn.evaluation import average_precisions, tag_map
from wsfcn.training.checkpoints import Best
from wsfcn.training.judge import Judged
from wsfcn.types import Classes
from wsfcn.verdicts import Belief, Beliefs, write_beliefs


class Masks(NamedTuple):
    """Of all validation pictures."""

    scores: Float[np.ndarray, "b n"]
    tags: Float[np.ndarray, "b n"]
    shares: Float[np.ndarray, "b n"]
    """Part of the picture that each class's mask takes."""


def figures_of(masks: Masks, judged: Judged, visible: float) -> dict[str, float]:
    """The figures that go into the table, in per cent, ``val/score`` among them.

    The score is the harmonic mean of how well tags are told and how good masks look (`Judged`), so
    that it falls when masks swallow what surrounds the object. Where nothing can be judged, the
    share of tagged classes that got a mask of at least ``visible``, times the agreement of two
    views, stands for the masks.
    """
    tagged = masks.tags > 0
    told = tag_map(masks.scores, masks.tags.astype(np.int64))
    covered = 100 * float((masks.shares[tagged] >= visible).mean()) if tagged.any() else 0.0
    values = {"val/tag_map": told, "val/coverage": covered}
    for name in ("purity", "found", "agreement"):
        values[f"val/{name}"] = mean(getattr(judged, name))
    quality = mean(judged.quality)
    if np.isnan(quality):
        quality = covered * np.nan_to_num(values["val/agreement"]) / 100
    values["val/score"] = 2 * told * quality / max(told + quality, 1e-9)
    return {name: value for name, value in values.items() if not np.isnan(value)}


def beliefs_of(
    masks: Masks,
    judged: Judged,
    classes: Classes,
    visible: float,
    untold: Collection[str] = (),
) -> dict[str, Belief]:
    """What is believed of the masks of each class. The tags of ``untold`` ones were left out."""
    tagged, seen = masks.tags > 0, masks.shares >= visible
    precisions = average_precisions(masks.scores, masks.tags.astype(np.int64))
    beliefs = {}
    for k, name in enumerate(classes.objects):
        there = tagged[:, k]
        got = seen[there, k]
        beliefs[name] = Belief(
            pictures=int(there.sum()),
            without=int((~there).sum()),
            untagged=int((~tagged.any(1)).sum()),
            tags=known(precisions[k]),
            covered=100 * float(got.mean()) if got.size else 0.0,
            share=100 * float(masks.shares[there, k][got].mean()) if got.any() else 0.0,
            clean=100 * float((~seen[~there, k]).mean()) if not there.all() else None,
            purity=known(judged.purity[k]),
            found=known(judged.found[k]),
            agreement=known(judged.agreement[k]),
            strict=judged.strict,
            told=name not in untold,
        )
    return beliefs


def known(value: float) -> float | None:
    """A figure, or None where it is none."""
    return None if np.isnan(value) else float(value)


def mean(values: Float[np.ndarray, "n"]) -> float:
    """The mean of the figures that are there; NaN where none is."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")


class KeepBeliefs(Callback):
    """Writes what the best validation so far says of each class, beside the table of figures."""

    def __init__(self, run: Path, figure: str) -> None:
        self.run, self.monitor = run, f"val/{figure}"
        self.best = Best.of(figure)

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.best.highest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best.highest = state_dict["score"]

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        best = self.best.says(float(trainer.callback_metrics.get(self.monitor, math.nan)))
        if best and trainer.is_global_zero:
            classes: Any = pl_module.beliefs
            write_beliefs(self.run, Beliefs(trainer.current_epoch + 1, classes))
