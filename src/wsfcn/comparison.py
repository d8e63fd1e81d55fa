"""Runs beside each other on one page: what differs in their settings, and what came of it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wsfcn.errors import DataError, SettingError
from wsfcn.files import keep_inputs, need_suffix
from wsfcn.images import read_picture
from wsfcn.recipe import read_unchecked
from wsfcn.report import SETTINGS, few, metrics_in, need_run, read_curves, rendered, save_page
from wsfcn.visualize import data_uri, lines_chart, stroke_of

SHOWN = 3
"""Snapshots of each run."""

SEARCHED = 3
"""Folders deep in which runs are looked for."""

NONE = "–"


class Run(NamedTuple):
    """What a run folder tells."""

    name: str
    settings: dict[str, Any]
    """By dotted name, without those of the group `run`, which cannot change results."""
    curves: dict[str, list[tuple[float, float]]]
    """(step, value) by title."""
    metrics: dict[str, Any] | None
    """The evaluation, where there is one."""
    snapshots: list[Path]


def find_runs(folder: Path) -> list[Path]:
    """The run folders in a folder, the one that was written last first."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        path = Path(place)
        if SETTINGS in files:
            found.append(path)
        if SETTINGS in files or len(path.relative_to(folder).parts) >= SEARCHED:
            folders.clear()
    return sorted(found, key=lambda run: -(run / SETTINGS).stat().st_mtime)


def read_run(folder: Path, name: str) -> Run:
    """What is in a run folder; parts that it lacks are empty. Raises DataError, SettingError."""
    need_run(folder)
    # A run of another version may have settings that are no longer known.
    settings = flat(read_unchecked(folder / SETTINGS))
    return Run(
        name,
        {key: value for key, value in settings.items() if not key.startswith("run.")},
        dict(read_curves(folder / "metrics.csv")),
        metrics_in(folder),
        sorted((folder / "snapshots").glob("*.jpg")),
    )


def flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Settings by dotted names.

    >>> flat({"seed": 0, "data": {"crop": 64}})
    {'seed': 0, 'data.crop': 64}
    """
    found = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = value
    return found


def names_of(runs: Sequence[Path]) -> list[str]:
    """A name for each run: the end of its path, as long as it takes to tell it from the others.

    >>> names_of([Path("runs/a/best"), Path("runs/b/best")])
    ['a/best', 'b/best']
    """
    parts = [path.absolute().parts for path in runs]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    raise SettingError("report: a run is named twice; each is compared with others")


def differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """The settings that are not the same in all runs, each with its value in every run."""
    names = dict.fromkeys(key for run in runs for key in run.settings)
    rows = [(key, [told(run.settings.get(key, NONE)) for run in runs]) for key in names]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def told(value: Any) -> str:
    """A setting's value in a cell.

    >>> told([0.4, 1.0]), told(None)
    ('0.4, 1.0', 'none')
    """
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)


def comparison_page(folders: Sequence[Path]) -> str:
    """The page on runs beside each other, as HTML.

    Raises DataError where a folder is no run, SettingError where one is named twice.
    """
    names = names_of([folder.resolve() for folder in folders])
    runs = [read_run(folder, name) for folder, name in zip(folders, names, strict=True)]
    titles = dict.fromkeys(title for run in runs for title in run.curves)
    last = {
        title: [run.curves[title][-1][1] if title in run.curves else None for run in runs]
        for title in titles
    }
    classes = dict.fromkeys(row[0] for run in runs if run.metrics for row in run.metrics["rows"])
    ious = [{row[0]: row[2] for row in run.metrics["rows"]} if run.metrics else {} for run in runs]
    return rendered(
        "comparison.html",
        name=f"{len(runs)} runs",
        runs=[(run.name, stroke_of(n)) for n, run in enumerate(runs)],
        figures=[
            ("mIoU, %", [run.metrics and run.metrics["miou"] for run in runs]),
            ("pixel accuracy, %", [run.metrics and run.metrics["pixel_accuracy"] for run in runs]),
        ]
        if classes
        else [],
        last=[*last.items()],
        classes=[(name, [iou.get(name) for iou in ious]) for name in classes],
        curves=[
            lines_chart(title, [run.curves.get(title, []) for run in runs]) for title in titles
        ],
        differences=differences(runs),
        snapshots=[
            (run.name, [(p.stem.replace("-", " "), data_uri(read_picture(p))) for p in shown])
            for run in runs
            if (shown := few(run.snapshots, SHOWN))
        ],
    )


def write_comparison(folders: Sequence[Path], out: Path) -> None:
    """Write the page on runs beside each other. Raises DataError, SettingError."""
    need_suffix(out, ".html", ".htm")
    if len(folders) < 2:
        raise DataError("report: a comparison needs two runs or more")
    keep_inputs([out], [folder / SETTINGS for folder in folders])
    save_page(out, comparison_page(folders))
