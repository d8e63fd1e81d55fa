"""The tab Runs: what `wsfcn report` writes of a run, or of several beside each other."""

from html import escape
from pathlib import Path

import gradio as gr  # pyright: ignore[reportMissingImports]

from wsfcn.app.telling import telling
from wsfcn.comparison import comparison_page, find_runs
from wsfcn.report import report_page


def page_of(runs: list[Path]) -> str:
    """The page of one run, or of several beside each other; nothing of none.

    Raises DataError, SettingError.
    """
    if not runs:
        return ""
    return report_page(runs[0]) if len(runs) == 1 else comparison_page(runs)


def framed(page: str) -> str:
    """A page inside the page; it brings its own style, and can run no script.

    >>> framed('<p class="a">')
    '<iframe class="framed" sandbox="" srcdoc="&lt;p class=&quot;a&quot;&gt;"></iframe>'
    """
    return f'<iframe class="framed" sandbox="" srcdoc="{escape(page)}"></iframe>' if page else ""


def runs_tab(folder: Path) -> None:
    """Lay out the tab on the runs in a folder, inside a `gr.Tab`."""

    def found() -> list[str]:
        return [str(run.relative_to(folder)) for run in find_runs(folder)]

    @telling
    def shown(names: list[str]) -> str:
        known = set(found())
        return framed(page_of([folder / name for name in names if name in known]))

    names = found()
    with gr.Row():
        chosen = gr.Dropdown(
            names,
            value=names[:1],
            multiselect=True,
            label=f"Runs in {folder}: one, or several to compare",
            scale=8,
            elem_id="runs",
        )
        again = gr.Button("Read again", scale=1, min_width=110)
    page = gr.HTML(shown(names[:1]), elem_id="run-page")
    chosen.change(shown, chosen, page, show_progress="minimal", api_visibility="private")
    again.click(
        lambda: gr.update(choices=found()),
        None,
        chosen,
        show_progress="hidden",
        api_visibility="private",
    ).then(shown, chosen, page, show_progress="minimal", api_visibility="private")
