"""Masks into other tools' forms, and back."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from wsfcn.config import ExchangeSettings, FormName
from wsfcn.terminal import say

EXCHANGE_DEFAULTS = ExchangeSettings()


def convert(
    source: Path,
    *,
    to: FormName,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    form: Annotated[FormName | None, Parameter(name=["--from"])] = None,
    pictures: Path | None = None,
    classes: Path | None = None,
    unlabelled: Literal["background", "ignore"] = "background",
    regions: Literal["classes", "components"] = "classes",
    add: bool = False,
    settings: Annotated[ExchangeSettings, Parameter(name="*")] = EXCHANGE_DEFAULTS,
) -> None:
    """Masks into another tool's form, and back: wsfcn convert SOURCE --to FORM -o OUT.

    Parameters
    ----------
    source
        Folder or file of any of the forms, or a zip archive as tools export it.
    to
        Form to write.
    out
        File or folder to write, whole or not at all. A folder that holds something is left alone
        unless you --add to it; named OUT.zip it becomes an archive.
    form
        Form of the source, which is recognised by itself.
    pictures
        Folder of the pictures: names and sizes are compared with theirs. yolo and geojson cannot
        be read without.
    classes
        Names of the classes, one a line, the background first; those of the source by default.
    unlabelled
        What pixels are that nothing was drawn on: background, or ignored (255), as with scribbles.
    regions
        What an object is: all pixels of a class, or those that touch each other.
    add
        Add to a folder that is there; files of the same name are replaced.
    """
    from wsfcn.exchange.convert import convert

    done = convert(
        source,
        to,
        out,
        form=form,
        pictures=pictures,
        classes=classes,
        unlabelled=unlabelled,
        regions=regions,
        add=add,
        settings=settings,
    )
    for note in done.notes:
        say(note)
    say(f"{done.count} pictures, from {done.form} to {to}: {out}")
