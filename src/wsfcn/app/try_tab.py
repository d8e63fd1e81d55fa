"""The tab Try: pictures go in, masks come out, and controls act on them at once."""

import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any, get_args

import gradio as gr  # pyright: ignore[reportMissingImports]
from PIL import Image

from wsfcn.app.choices import SCALES, Background, Choices, choices_of, settings_of
from wsfcn.app.downloads import KINDS, download
from wsfcn.app.looks import Looks
from wsfcn.app.showing import Way, legend, legend_html, view
from wsfcn.app.telling import line, telling
from wsfcn.app.uploads import Upload, add
from wsfcn.config import PRESETS
from wsfcn.errors import SettingError

TOLD = 3
"""Files that are not taken, up to which each is told."""

EMPTY = '<p class="hint">Drop pictures above, paste them, or click to pick some.</p>'

CLICK = "() => document.querySelector('#download-file').click()"
"""Follows the link of what has just been written."""


def try_tab(looks: Looks, folder: Path) -> None:
    """Lay out the tab, inside a `gr.Tab`; downloads are written into ``folder``."""
    start = choices_of("fast")
    classes = looks.network.classes
    uploads, chosen = gr.State([]), gr.State(0)
    with gr.Row(elem_classes="beside"):
        with gr.Column(scale=3, min_width=320):
            drop = gr.File(
                label="Pictures: drop, paste or pick",
                file_count="multiple",
                height=84,
                elem_id="drop",
            )
            strip = gr.Gallery(
                show_label=False,
                columns=6,
                fit_columns=False,
                height=112,
                allow_preview=False,
                interactive=False,
                object_fit="cover",
                buttons=[],
                visible=False,
                elem_id="strip",
            )
            result = gr.Image(
                label="Result",
                interactive=False,
                buttons=["fullscreen"],
                elem_id="result",
            )
            with gr.Row():
                way = gr.Radio([*get_args(Way)], value="overlay", label="Show", min_width=300)
                opacity = gr.Slider(
                    0, 1, 0.5, step=0.05, label="Opacity", min_width=160, buttons=[]
                )
                soft = gr.Dropdown(
                    [*classes.names],
                    value=classes.objects[0],
                    label="Class of the soft mask",
                    visible=False,
                    min_width=160,
                )
            spent = gr.HTML(elem_id="spent")
        with gr.Column(scale=2, min_width=300):
            table = gr.HTML(EMPTY, elem_id="legend")
            preset = gr.Radio([*PRESETS], value=start.preset, label="Preset", elem_id="preset")
            cut = gr.Slider(
                0,
                1,
                start.class_cut,
                step=0.01,
                label="Class cut",
                info="Smallest probability of a tag for its mask to count",
                buttons=[],
                elem_id="cut",
            )
            more = "Views, clean-up, background" if classes.background else "Views, clean-up"
            with gr.Accordion(more, open=False):
                scales = gr.CheckboxGroup(SCALES, value=start.scales, label="Views, by size")
                flip = gr.Checkbox(start.flip, label="Mirrored views too")
                refine = gr.Radio(["none", "pamr", "crf"], value=start.refine, label="Clean-up")
                background = gr.Dropdown(
                    [*get_args(Background)],
                    value=start.background,
                    label="Background",
                    visible=classes.background,
                )
                constant = gr.Slider(
                    0,
                    1,
                    start.constant,
                    step=0.01,
                    label="Background's value",
                    buttons=[],
                    visible=classes.background,
                )
            with gr.Row(equal_height=True):
                kind = gr.Dropdown(
                    [*KINDS],
                    value="mask PNG",
                    label="Download as",
                    min_width=130,
                    elem_id="kind",
                )
                which = gr.Radio(["this", "all"], value="this", label="Pictures", min_width=110)
            get = gr.Button("Download", elem_id="download")
            file = gr.DownloadButton(visible="hidden", elem_id="download-file")
            clear = gr.Button("Take all pictures away", size="sm")

    controls: list[Any] = [preset, scales, flip, refine, cut, background, constant]
    shown: list[Any] = [way, opacity, soft]

    @telling
    def taken(
        files: list[str] | None, there: list[Upload], current: int
    ) -> tuple[None, list[Upload], int, Any]:
        now, refused = add(there, files or [])
        for message in refused[:TOLD]:
            gr.Warning(line(message), title="")
        if len(refused) > TOLD:
            gr.Warning(f"{len(refused) - TOLD} more files cannot be taken", title="")
        # The first of the new ones is shown.
        return None, now, len(there) if len(now) > len(there) else current, strip_of(now)

    @telling
    def segmented(
        there: list[Upload], current: int, *values: Any
    ) -> tuple[Image.Image | None, str, str]:
        if not there:
            return None, EMPTY, ""
        began, before = perf_counter(), looks.looked
        found = looks.segment(there[current].path, settings_of(Choices(*values[:-3])))
        picture = view(found, *values[-3:])
        views = looks.looked - before
        again = f"{views} new view{'s' * (views > 1)}" if views else "no new view"
        took = f"{there[current].name}: {perf_counter() - began:.2f} s, {again}"
        return picture, legend_html(legend(found)), f'<p class="hint">{line(took)}</p>'

    @telling
    def to_file(
        there: list[Upload], current: int, kind: str, which: str, opacity: float, *values: Any
    ) -> str:
        if not there:
            raise SettingError("no picture to download; drop one first")
        settings = settings_of(Choices(*values))
        wanted = there if which == "all" else [there[current]]
        pictures = ((u.name, u.path, looks.segment(u.path, settings)) for u in wanted)
        target = Path(tempfile.mkdtemp(dir=folder))
        return str(download(kind, pictures, classes, target, opacity=opacity))

    def picked(event: gr.SelectData) -> int:
        return event.index if isinstance(event.index, int) else 0

    def way_of(way: str) -> tuple[Any, Any]:
        return gr.update(visible=way == "overlay"), gr.update(visible=way == "soft mask")

    run: dict[str, Any] = {
        "fn": segmented,
        "inputs": [uploads, chosen, *controls, *shown],
        "outputs": [result, table, spent],
        "show_progress": "minimal",
        "show_progress_on": result,
        "api_visibility": "private",
    }
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    drop.upload(taken, [drop, uploads, chosen], [drop, uploads, chosen, strip], **quiet).then(**run)
    strip.select(picked, None, chosen, **quiet).then(**run)
    clear.click(
        lambda: ([], 0, gr.update(value=[], visible=False)), None, [uploads, chosen, strip], **quiet
    ).then(**run)
    preset.input(lambda name: choices_of(name)[1:], preset, controls[1:], **quiet).then(**run)
    way.input(way_of, way, [opacity, soft], **quiet).then(**run)
    for control in (*controls[1:], opacity, soft):
        control.input(**run, trigger_mode="always_last")
    get.click(to_file, [uploads, chosen, kind, which, opacity, *controls], file, **quiet).success(
        None, None, None, js=CLICK, **quiet
    )


def strip_of(uploads: list[Upload]) -> Any:
    """The strip of thumbnails, which a single picture does not need."""
    return gr.update(value=[upload.thumbnail for upload in uploads], visible=len(uploads) > 1)
