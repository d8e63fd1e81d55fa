"""The tab Review: picture by picture, right, wrong, or corrected with a brush."""

from html import escape
from typing import Any, get_args

import gradio as gr  # pyright: ignore[reportMissingImports]
import numpy as np

from wsfcn.app.correcting import SAMPLE, UNSAID, Correcting, Item, Rest, colours
from wsfcn.app.data_tab import hint
from wsfcn.app.palette import palette
from wsfcn.app.showing import painted
from wsfcn.app.telling import line, telling
from wsfcn.config import PredictSettings
from wsfcn.errors import SettingError
from wsfcn.terminal import shown
from wsfcn.types import Classes

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
SETTINGS = PredictSettings()

EMPTY = hint("Put the pictures in order first: those that are most probably wrong come first.")


def review_tab(correcting: Correcting) -> None:
    """Lay out the tab, inside a `gr.Tab`."""
    classes = correcting.looks.network.classes
    brush = [as_hex(colour) for colour in colours(classes).values()]
    items, place = gr.State([]), gr.State(0)
    with gr.Row():
        number = gr.Number(
            SAMPLE, label="Pictures to look through", precision=0, minimum=1, min_width=140
        )
        order = gr.Button("Put in order", elem_id="order", min_width=140)
    said = gr.HTML(EMPTY, elem_id="review-said")
    editor = gr.ImageEditor(
        label="Paint over the mask",
        type="numpy",
        image_mode="RGBA",
        sources=[],
        transforms=[],
        layers=False,
        buttons=["fullscreen"],
        brush=gr.Brush(
            colors=brush,
            default_color=brush[classes.background],  # of the first object
            color_mode="fixed",
            default_size=12,
        ),
        eraser=gr.Eraser(default_size=12),
        height=560,
        visible=False,
        elem_id="editor",
    )
    with gr.Row(visible=False, elem_id="verdicts") as buttons:
        right = gr.Button("Right (r)", variant="primary", elem_id="right", min_width=110)
        wrong = gr.Button("Wrong (w)", elem_id="wrong", min_width=110)
        write = gr.Button("Write correction (s)", elem_id="correct", min_width=210)
        back = gr.Button("Back (b)", elem_id="back", min_width=90)
        skip = gr.Button("Next (n)", elem_id="next", min_width=90)
    with gr.Row(visible=False) as more:
        rest = gr.Radio(
            [*get_args(Rest)], value=get_args(Rest)[0], label="Where nothing is painted"
        )
        gr.HTML(key(classes), elem_id="brushes")

    def view(there: list[Item], current: int, message: str = "") -> tuple[Any, ...]:
        """What the page shows of the picture at a place in the list, after a message."""
        if current >= len(there):
            done = hint("Every picture of the list has been looked at.") if there else EMPTY
            hidden = gr.update(visible=False)
            return (
                there,
                current,
                message + done,
                gr.update(value=None, visible=False),
                hidden,
                hidden,
            )
        item = there[current]
        found = correcting.found(item.name, SETTINGS)
        mask = correcting.mask(item.name, SETTINGS)
        pixels, channels = np.asarray(found.picture), classes.to_channels(mask)
        over = painted(pixels, channels, palette(classes.channels), 0.45)
        blank = np.zeros((*mask.shape, 4), np.uint8)
        value = {"background": over, "layers": [blank], "composite": None}
        size = (found.picture.width, found.picture.height)
        head = (
            f"<b>{escape(shown(item.name))}</b> ({current + 1} of {len(there)}): "
            f"{line('; '.join(item.reasons))}"
        )
        there_now = gr.update(visible=True)
        editing = gr.update(value=value, visible=True, canvas_size=size)
        return there, current, f"{message}<p>{head}</p>", editing, there_now, there_now

    @telling
    def ordered(number: float) -> tuple[Any, ...]:
        return view(correcting.order(int(number)), 0)

    @telling
    def confirmed(there: list[Item], current: int) -> tuple[Any, ...]:
        name = name_at(there, current)
        correcting.right(name, SETTINGS)
        return view(there, current + 1, hint(f"{name}: right, written"))

    @telling
    def refused(there: list[Item], current: int) -> tuple[Any, ...]:
        name = name_at(there, current)
        correcting.wrong(name)
        return view(there, current + 1, hint(f"{name}: wrong, noted"))

    @telling
    def corrected(
        there: list[Item], current: int, painting: dict[str, Any], rest: Rest
    ) -> tuple[Any, ...]:
        name = name_at(there, current)
        layers = [np.asarray(layer) for layer in painting["layers"]]
        correcting.correct(name, layers, rest, SETTINGS)
        path = correcting.mask_of(name)
        return view(there, current + 1, hint(f"{name}: corrected, written to {path}"))

    @telling
    def skipped(there: list[Item], current: int) -> tuple[Any, ...]:
        return view(there, current + 1)

    @telling
    def returned(there: list[Item], current: int) -> tuple[Any, ...]:
        return view(there, max(0, current - 1))

    outputs = [items, place, said, editor, buttons, more]
    order.click(
        ordered,
        number,
        outputs,
        show_progress="full",
        show_progress_on=said,
        api_visibility="private",
    )
    right.click(confirmed, [items, place], outputs, **QUIET)
    wrong.click(refused, [items, place], outputs, **QUIET)
    write.click(corrected, [items, place, editor, rest], outputs, **QUIET)
    back.click(returned, [items, place], outputs, **QUIET)
    skip.click(skipped, [items, place], outputs, **QUIET)


def name_at(items: list[Item], place: int) -> str:
    """The name of the picture that is shown. Raises SettingError where none is."""
    if place >= len(items):
        raise SettingError("no picture is shown; put the pictures in order first")
    return items[place].name


def as_hex(colour: tuple[int, int, int]) -> str:
    """A colour as the brush takes it.

    >>> as_hex((255, 102, 0))
    '#ff6600'
    """
    return "#" + "".join(f"{value:02x}" for value in colour)


def key(classes: Classes) -> str:
    """What the colours of the brush stand for."""
    chips = [
        f'<span class="key"><span class="chip" style="background: {as_hex(colour)}"></span>'
        f"{escape(shown('nothing said' if colour == UNSAID else classes.names[k]))}</span>"
        for k, colour in colours(classes).items()
    ]
    return "".join(chips)
