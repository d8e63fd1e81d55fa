"""Commands about people's corrections."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from wsfcn.config import DataSettings, ExchangeSettings, FormName
from wsfcn.errors import SettingError
from wsfcn.terminal import complain, say

DATA_DEFAULTS = DataSettings()
EXCHANGE_DEFAULTS = ExchangeSettings()


def review(
    source: str,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    first: int = 100,
    to: FormName | None = None,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    data: DataSettings = DATA_DEFAULTS,
    exchange: Annotated[ExchangeSettings, Parameter(name="*")] = EXCHANGE_DEFAULTS,
) -> int:
    """Say which pictures to correct next, and why: wsfcn review RUN --data.root DIR -o OUT.

    Parameters
    ----------
    source
        Run folder, checkpoint, ONNX file, hf://user/name, or the name of a ready model.
    out
        Folder for review.csv, review.json and review.html, the page.
    first
        Pictures on the page, and in the batch.
    to
        Write the masks of these pictures for a labelling tool too, as OUT/batch; --shapes,
        --tolerance, --smallest and --url belong to it.
    device
        Where to compute.
    """
    from wsfcn.deploy.load import open_network
    from wsfcn.review import review_data

    if to is None and exchange != EXCHANGE_DEFAULTS:
        raise SettingError("review: --shapes, --tolerance, --smallest and --url need --to")
    if first < 1:
        raise SettingError(f"review: --first {first}, but one picture is the least")
    done = review_data(
        open_network(source, device), data, out, first=first, to=to, exchange=exchange
    )
    for line in (*done.notes, *done.broken):
        complain(line)
    say(f"{done.count} pictures in order: {out / 'review.html'}")
    if to:
        say(f"{done.batch} of them for {to}: {out}")
    return 1 if done.broken else 0
