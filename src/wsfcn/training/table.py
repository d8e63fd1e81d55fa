"""The logger of ``metrics.csv``: each row is in the file once it is logged."""

from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from wsfcn.figures import Row, as_text, write_figures


class Table(Logger):
    """Adds rows to a table that begins with ``rows``, those of the training so far."""

    def __init__(self, path: Path, rows: list[Row]) -> None:
        super().__init__()
        self.path, self.rows = path, rows
        if rank_zero_only.rank == 0:
            self.columns = write_figures(path, rows)

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        row = metrics | {"step": step or 0}
        self.rows.append(row)
        if not row.keys() <= {*self.columns}:
            self.columns = write_figures(self.path, self.rows)
            return
        with self.path.open("a") as file:
            file.write(as_text(self.columns, [row]))

    def log_hyperparams(self, *_arguments: Any, **_options: Any) -> None:
        """Settings have a file of their own."""
