"""The panel: the default training on several sets, one table of how good its masks are.

    python benchmarks/fields.py DIR... -o runs/fields [--seed 0] [options of wsfcn train]
    python benchmarks/fields.py --only-evaluate RUN... -o runs/fields [--ceilings RUN...]

Each DIR is a data set with truth for (some of) its validation pictures. A run whose cost.json is
there is not trained again. Masks are those of `wsfcn predict RUN` with its defaults: best.ckpt, one
view, predicted tags, no CRF. The folder gets panel.md, the table, and a sheet of pictures a set:
picture, mask, truth. Ceilings are runs of `benchmarks/ceiling.py`. Minutes are those of the clock;
memory is that of the training's first process at its largest, without what workers take.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import wsfcn
from wsfcn.config import TrainSettings, from_dict
from wsfcn.data.dataset import TaggedPicture, TaggedPictures, open_data
from wsfcn.errors import DataError, WsfcnError
from wsfcn.evaluation import ConfusionMatrix
from wsfcn.files import atomic, read_text
from wsfcn.images import read_picture
from wsfcn.terminal import complain, say
from wsfcn.verdicts import read_beliefs, verdict
from wsfcn.visualize import painted, sheet

SHOWN = 8
"""Pictures on a sheet."""
SIDE = 400
"""Pixels of their longer side."""


def train(run: Path, options: Sequence[object]) -> None:
    """One training, unless it has been done; ``run/cost.json`` gets its minutes and its memory."""
    if (run / "cost.json").exists():
        return
    command = [sys.executable, "-m", "wsfcn.cli", "train", "--run.out", run, *options]
    started = time.monotonic()
    process = subprocess.Popen(list(map(str, command)))
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{run}: the training failed, see above")
    minutes = (time.monotonic() - started) / 60
    write_json(run / "cost.json", {"minutes": minutes, "gib": usage.ru_maxrss / 2**20})


def evaluate(run: Path, sheet_at: Path) -> dict[str, Any]:
    """Figures of a run's masks on its validation pictures; also in ``run/field.json``.

    Raises DataError where no validation picture has truth.
    """
    settings = from_dict(TrainSettings, yaml.safe_load(read_text(run / "settings.yaml")))
    data, root = open_data(settings.data), settings.data.root or Path()
    network = wsfcn.load(run)
    counts, clean, rows = ConfusionMatrix(data.classes), [], []
    shown = set(examples(data))
    for picture in data.val:
        truth = data.truth(picture.name)
        if truth is None and picture.tags:
            continue
        found = network.predict(picture.path)
        if not picture.tags:
            clean.append(not found.mask.any())
        if truth is None:
            continue
        counts.update(truth.read(), found.mask)
        if picture.name in shown:
            opened = read_picture(picture.path)
            masks = [found.mask, truth.read()]
            row = painted(opened, masks, background=data.classes.background)
            width = max(1, round(row.width * SIDE / max(opened.size)))
            rows.append(row.resize((width, max(1, round(row.height * width / row.width)))))
    if not rows:
        raise DataError(f"{run}: no validation picture of {root} has truth")
    with atomic(sheet_at) as name:
        sheet(rows, 2).save(name, quality=85)
    figures = counts.compute().to_dict()
    figures |= {
        "data": str(root.resolve()),
        "seed": settings.seed,
        "backbone": settings.model.backbone,
        "pictures": len(data.train),
        "background": data.classes.background,
        "clean": 100 * float(np.mean(clean)) if clean else None,
    }
    write_json(run / "field.json", figures)
    return figures


def examples(data: TaggedPictures) -> Iterator[str]:
    """Names of validation pictures with truth, of each class in turn."""
    kinds: dict[tuple[str, ...], list[TaggedPicture]] = {}
    for picture in data.val:
        if data.truth(picture.name):
            kinds.setdefault(picture.tags[:1], []).append(picture)
    queues = [kinds[kind] for kind in sorted(kinds, key=lambda kind: (not kind, kind))]
    count = 0
    for turn in range(max(map(len, queues), default=0)):
        for queue in queues:
            if turn < len(queue) and count < SHOWN:
                count += 1
                yield queue[turn].name


def panel(runs: dict[str, Path], figures: dict[str, Any], ceilings: dict[str, Any]) -> str:
    """The tables, in Markdown: a row a set, then a row a class."""
    lines = [
        "| set | pictures | classes | mIoU | objects' mean | ceiling | of the ceiling | minutes "
        "| GiB | clean negatives |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    details = ["", "| set | class | IoU | precision | recall | ceiling | what the training says |"]
    details.append("| --- | --- | --- | --- | --- | --- | --- |")
    for name, run in runs.items():
        found, top = figures[name], ceilings.get(figures[name]["data"])
        cost = read_json(run / "cost.json") or {}
        share = 100 * found["miou"] / top["miou"] if top else None
        cells = [
            *(found["miou"], objects(found), top and top["miou"], share),
            *(cost.get("minutes"), cost.get("gib"), found["clean"]),
        ]
        count = len(found["iou"])
        kinds = f"{count - 1} + background" if found["background"] else str(count)
        before = [name, str(found["pictures"]), kinds]
        lines.append(row(before + [number(cell) for cell in cells]))
        beliefs = read_beliefs(run)
        for kind in found["iou"]:
            belief = beliefs.classes.get(kind) if beliefs else None
            values = [found[part][kind] for part in ("iou", "precision", "recall")]
            values.append(top["iou"].get(kind) if top else None)
            word = verdict(belief).word if belief else "–"
            details.append(row([name, kind, *map(number, values), word]))
    return "\n".join([*lines, *details, ""])


def objects(figures: dict[str, Any]) -> float | None:
    """The mean IoU of the classes, without a background."""
    values = list(figures["iou"].values())[figures["background"] :]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def row(cells: Sequence[str]) -> str:
    """A row of a table in Markdown; a name may hold anything."""
    return f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |"


def number(value: float | None) -> str:
    """A figure with one decimal, or a dash."""
    return "–" if value is None else f"{value:.1f}"


def names_of(paths: Sequence[Path]) -> dict[str, Path]:
    """A name a path, its last part, with a number where two are alike."""
    named: dict[str, Path] = {}
    for path in paths:
        bare = path.resolve().name
        alike = sum(name.split("#")[0] == bare for name in named)
        named[f"{bare}#{alike + 1}" if alike else bare] = path
    return named


def read_json(path: Path) -> dict[str, Any] | None:
    """What a file of figures holds; None where there is none."""
    return json.loads(read_text(path)) if path.exists() else None


def write_json(path: Path, figures: dict[str, Any]) -> None:
    """Write figures, whole or not at all."""
    with atomic(path) as name:
        name.write_text(json.dumps(figures, indent=1) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", type=Path, nargs="+", help="data sets, or runs")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--only-evaluate", action="store_true", help="the paths are runs")
    parser.add_argument("--ceilings", type=Path, nargs="+", default=[])
    known, options = parser.parse_known_args(arguments)
    named = names_of(known.paths)
    runs = named if known.only_evaluate else {name: known.out / name for name in named}
    ceilings = {}
    for path in known.ceilings:
        found = read_json(path / "ceiling.json")
        if found is None:
            raise SystemExit(f"{path}: holds no ceiling.json; is it a run of ceiling.py?")
        ceilings[found["data"]] = found
    figures: dict[str, Any] = {}
    for name, path in named.items():
        if not known.only_evaluate:
            train(runs[name], ["--data.root", path, "--seed", known.seed, *options])
        try:
            figures[name] = evaluate(runs[name], known.out / f"{name}.jpg")
        except WsfcnError as error:
            complain(f"left out: {error}")
            continue
        table = panel({key: runs[key] for key in figures}, figures, ceilings)
        with atomic(known.out / "panel.md") as file:
            file.write_text(table, encoding="utf-8")
        say(f"{name}: mIoU {figures[name]['miou']:.1f}")
    say(f"table: {known.out / 'panel.md'}")


if __name__ == "__main__":
    main()
