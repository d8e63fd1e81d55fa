"""Commands that learn, and tell how it went."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from wsfcn.config import DataSettings, TrainSettings
from wsfcn.errors import SettingError
from wsfcn.terminal import complain, say

DATA_DEFAULTS = DataSettings()
TRAIN_DEFAULTS = TrainSettings()


def train(
    *,
    resume: Path | None = None,
    settings: Annotated[TrainSettings, Parameter(name="*")] = TRAIN_DEFAULTS,
) -> None:
    """Train on tagged pictures: wsfcn train --data.root DIR [--config RECIPE].

    Parameters
    ----------
    resume
        Run folder to go on with, under its own settings unless a recipe is given; or one of its
        checkpoints.
    """
    from wsfcn.training.run import train

    out = train(settings, resume)
    say(f"trained: {out}")


def label(
    source: Path,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    device: Literal["auto", "cpu", "gpu"] = "auto",
    data: DataSettings = DATA_DEFAULTS,
) -> int:
    """Write the pseudo-labels of tagged pictures: wsfcn label RUN --data.root DIR -o DIR.

    Parameters
    ----------
    source
        Run folder or checkpoint.
    out
        Folder for the labels of the training pictures: indexed PNGs, 255 where there is none.
    device
        Where to compute.
    """
    from wsfcn.inference.pytorch import on_gpu
    from wsfcn.training.labels import write_labels

    count, broken = write_labels(source, data, out, gpu=on_gpu(device))
    for error in broken:
        complain(error)
    say(f"{count} pseudo-labels: {out}")
    return 1 if broken else 0


def demo(*, out: Path = Path("runs/demo"), seed: int = 0) -> None:
    """Draw scenes, learn them from their tags alone, and report how well.

    Parameters
    ----------
    out
        Folder for scenes, run, metrics.json and report.html.
    seed
        Seed of scenes and training.
    """
    from wsfcn.evaluation import print_metrics
    from wsfcn.scenes.demo import demo

    print_metrics(demo(out, seed))
    say(f"report: {out / 'report.html'}")


def report(
    run: Path,
    pictures: list[str] | None = None,
    *,
    masks: Path | None = None,
    truth: Path | None = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
) -> None:
    """Write a page about a run, or about several beside each other: wsfcn report RUN RUN...

    Of one run: wsfcn report RUN [PICTURES... --masks DIR --truth DIR].

    Parameters
    ----------
    run
        Run folder; the page is its report.html. A metrics.json in it, as `wsfcn evaluate --json`
        writes it, is shown.
    pictures
        Pictures of which the worst and the best are shown, with masks and truth. Or further runs
        to compare the first with.
    masks
        Folder of their masks.
    truth
        Folder of their true masks.
    out
        Page to write of several runs; comparison.html by default.
    """
    from wsfcn.report import SETTINGS, worst_and_best, write_report

    others = [Path(name) for name in pictures or () if (Path(name) / SETTINGS).exists()]
    if others and len(others) == len(pictures or ()) and not (masks or truth):
        from wsfcn.comparison import write_comparison

        page = out or Path("comparison.html")
        write_comparison([run, *others], page)
        say(f"report: {page}")
        return
    if out:
        raise SettingError("report: --out is for several runs; that of one is its report.html")
    groups = None
    if pictures:
        from wsfcn.checkpoint import load_checkpoint
        from wsfcn.inference.folder import named_pictures

        if not masks or not truth:
            raise SettingError("report: pictures need --masks DIR and --truth DIR")
        classes = load_checkpoint(run).classes
        groups = worst_and_best(named_pictures(pictures), masks, truth, classes)
    say(f"report: {write_report(run, groups)}")
