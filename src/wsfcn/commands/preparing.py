"""Commands about data, before anything is learned."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from wsfcn.config import DataSettings
from wsfcn.terminal import say

DATA_DEFAULTS = DataSettings()


def inspect(
    root: Path | None = None,
    *,
    page: Path | None = None,
    json: Path | None = None,
    data: DataSettings = DATA_DEFAULTS,
) -> int:
    """Say what a data set holds, what would stop a training, and what to mend: wsfcn inspect DIR.

    The exit code is 1 where a training would stop, or pictures are broken.

    Parameters
    ----------
    root
        The data set's folder; the same as --data.root.
    page
        Write it all to this HTML file too, with pictures of each class.
    json
        Write it to this file too, for programs: form, classes, pictures, tags, notes, errors.
    """
    from wsfcn.data.inspect import inspect_data, print_inspection, write_json
    from wsfcn.report import write_inspection

    found = inspect_data(replace(data, root=root) if root else data)
    print_inspection(found)
    if page:
        write_inspection(page, found)
        say(f"page: {page}")
    if json:
        write_json(json, found)
    return 1 if found.errors else 0


def prepare(
    name: Literal["voc12", "coco14", "coco17"],
    *,
    root: Path,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    sbd: Path | None = None,
    download: bool = False,
    workers: int = 2,
) -> None:
    """Bring a public data set into the native layout: wsfcn prepare voc12 --root DIR.

    Parameters
    ----------
    name
        PASCAL VOC 2012 with SBD, or MS COCO 2014 or 2017.
    root
        Folder that holds VOCdevkit/VOC2012; or annotations, train2014 and val2014.
    out
        Folder to write; one in the root by default. Pictures are not copied.
    sbd
        The folder benchmark_RELEASE of SBD; found below the root by default.
    download
        Fetch into the root what is not there: 3.4 GB for VOC and SBD, 20 GB for COCO. Where a
        download was cut off, the same command goes on.
    workers
        Processes that draw the masks of COCO.
    """
    from wsfcn.data.benchmarks import coco, voc
    from wsfcn.data.benchmarks.download import fetch

    target = out or root / name
    year = name.removeprefix("coco")
    if download:
        fetch(voc.downloads(sbd) if name == "voc12" else coco.downloads(root, year), root)
    if name == "voc12":
        expected, prepared = voc.EXPECTED, voc.prepare_voc12(root, target, sbd)
    else:
        expected = coco.EXPECTED[name]
        prepared = coco.prepare_coco(root, target, year, workers)
    for split, count in prepared.counts.items():
        whole = "" if count == expected[split] else f" of {expected[split]}"
        say(f"{split}: {count}{whole} pictures")
    if prepared.from_masks:
        say(f"tags read off masks, for want of an XML annotation: {prepared.from_masks} pictures")
    for what in prepared.missing:
        say(f"missing: {what}")
    say(f"prepared: {target}")
