"""The tab Data: what a data set holds, its pictures by class, and their tags."""

from dataclasses import replace
from typing import Any

import gradio as gr  # pyright: ignore[reportMissingImports]
from PIL import Image

from wsfcn.app.runs_tab import framed
from wsfcn.app.tagging import ALL, Tagging
from wsfcn.app.telling import line, telling
from wsfcn.app.uploads import THUMBNAIL
from wsfcn.data.inspect import inspect_data
from wsfcn.errors import PictureError
from wsfcn.images import read_picture
from wsfcn.report import inspection_page

PAGE = 48
"""Pictures that are shown at once."""

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def data_tab(tagging: Tagging) -> None:
    """Lay out the tab, inside a `gr.Tab`."""

    @telling
    def listed(group: str, page: float) -> tuple[list[Any], list[str], Any, Any]:
        names = tagging.names(group)
        last = max(1, -(-len(names) // PAGE))
        number = min(max(1, int(page)), last)
        shown = names[(number - 1) * PAGE : number * PAGE]
        pictures = [(thumbnail(tagging.picture(name).path), name) for name in shown]
        label = f"{len(names)} pictures; page, of {last}"
        return pictures, shown, gr.update(value=number, maximum=last, label=label), None

    @telling
    def opened(names: list[str], event: gr.SelectData) -> tuple[str, Any, Any, str]:
        name = names[event.index]
        picture = tagging.picture(name)
        image = read_picture(picture.path, 800)
        image.thumbnail((1600, 1600))
        return name, gr.update(value=image, label=name), [*picture.tags], ""

    @telling
    def written(name: str | None, tags: list[str]) -> str:
        if not name:
            return hint("Click on a picture first.")
        kept = tagging.change(name, tags)
        said = ", ".join(tagging.picture(name).tags) or "no tag"
        return hint(f"{name}: {said}. The table as it was is {kept.name}.")

    @telling
    def inspected() -> str:
        found = inspect_data(replace(tagging.settings, root=tagging.root))
        return framed(inspection_page(found))

    refusal = tagging.refusal
    start = listed(ALL, 1)
    names, chosen = gr.State(start[1]), gr.State(None)
    with gr.Row(elem_classes="beside"):
        with gr.Column(scale=3, min_width=320):
            with gr.Row():
                group = gr.Dropdown(tagging.groups, value=ALL, label="Pictures of", min_width=160)
                page = gr.Number(1, label=start[2]["label"], minimum=1, precision=0, min_width=120)
            gallery = gr.Gallery(
                start[0],
                show_label=False,
                columns=6,
                height=520,
                allow_preview=False,
                interactive=False,
                object_fit="cover",
                buttons=[],
                elem_id="pictures",
            )
        with gr.Column(scale=2, min_width=300):
            image = gr.Image(label="Picture", interactive=False, buttons=["fullscreen"])
            tags = gr.CheckboxGroup(
                [*tagging.data.classes.objects],
                label="Tags",
                interactive=not refusal,
                elem_id="tags",
            )
            save = gr.Button("Write tags", interactive=not refusal, elem_id="write-tags")
            said = gr.HTML(hint(refusal), elem_id="tags-said")
    with gr.Accordion("Inspect: what it holds, and what would stop a training", open=False):
        look = gr.Button("Read all pictures", elem_id="inspect")
        report = gr.HTML(elem_id="inspection")

    for control in (group, page):
        control.input(listed, [group, page], [gallery, names, page, chosen], **QUIET)
    gallery.select(opened, names, [chosen, image, tags, said], **QUIET)
    save.click(written, [chosen, tags], said, **QUIET)
    look.click(inspected, None, report, show_progress="full", api_visibility="private")


def hint(message: str) -> str:
    """A line in a quiet colour."""
    return f'<p class="hint">{line(message)}</p>' if message else ""


def thumbnail(path: Any) -> Image.Image:
    """A small picture; a grey one where it cannot be read."""
    try:
        picture = read_picture(path, THUMBNAIL)
    except PictureError:
        return Image.new("RGB", (THUMBNAIL, THUMBNAIL), "grey")
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return picture
