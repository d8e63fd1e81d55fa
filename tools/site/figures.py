"""The drawn figures: the network, and one training step. SVG in the page's own colours.

Each box is linked to the line of source that does what it says; the line is looked up when the site
is built, so that it cannot go stale.
"""

from collections.abc import Callable
from html import escape
from typing import NamedTuple


class Box(NamedTuple):
    """A box: its place, its text, and the code behind it."""

    x: int
    y: int
    width: int
    title: str
    below: str
    path: str = ""
    name: str = ""
    kind: str = "layer"
    """layer, data, label or loss: its colour."""
    height: int = 50


WIDE = 480

# fmt: off
NETWORK = (
    [
        Box(150, 10, 180, "Picture", "b 3 h w, RGB in [0, 1]", kind="data"),
        Box(130, 95, 220, "Backbone", "any timm model", "models/backbones.py", "build_backbone"),
        Box(10, 190, 200, "Shallow feature", "stride 4", "types.py", "Features", "data"),
        Box(235, 190, 235, "Deep feature", "stride 8, 16 or 32", "types.py", "Features", "data"),
        Box(235, 285, 200, "Context: FCA", "large kernels, attentions",
            "models/context.py", "FlexibleContext"),
        Box(235, 370, 200, "Alignment", "warped along a learned flow",
            "models/fusion.py", "FlowAlignment"),
        Box(10, 455, 300, "Fusion: SF2", "with a stochastic gate",
            "models/fusion.py", "ConsistentFusion"),
        Box(10, 540, 300, "Head", "two convolutions, then a 1x1",
            "models/segmenter.py", "Segmenter.forward"),
        Box(10, 640, 300, "Masks", "b c h w, stride 4", "types.py", "Prediction", "label"),
        Box(340, 455, 130, "Tag head", "1x1", "models/segmenter.py", "Segmenter.scores"),
        Box(340, 540, 130, "Activations", "b c-1 y x", "types.py", "Prediction", "data"),
        Box(340, 640, 130, "Scores", "b c-1", "types.py", "Prediction", "label"),
    ],
    [
        ((240, 60), (240, 95)), ((200, 145), (110, 190)), ((280, 145), (350, 190)),
        ((335, 240), (335, 285)), ((335, 335), (335, 370)), ((285, 420), (240, 455)),
        ((60, 240), (60, 455)), ((130, 240), (130, 395), (235, 395)),
        ((160, 505), (160, 540)), ((160, 590), (160, 640)),
        ((454, 240), (454, 455)), ((405, 505), (405, 540)), ((405, 590), (405, 640)),
    ],
    705,
)

STEP = (
    [
        Box(10, 10, 220, "Picture", "a random crop",
            "data/transforms.py", "training_transform", "data"),
        Box(270, 10, 200, "Tags", "dog, person", "data/tagged.py", "Tagged", "data"),
        Box(10, 100, 220, "Network", "masks, activations, scores",
            "models/segmenter.py", "Segmenter"),
        Box(270, 100, 200, "Tag loss", "scores against tags",
            "method/losses.py", "tag_loss", "loss"),
        Box(50, 190, 200, "Averaged network", "the teacher, no gradients",
            "training/averaging.py", "MovingAverage"),
        Box(50, 280, 200, "Activation maps", "1 at each class's maximum",
            "method/pseudo.py", "activation_masks"),
        Box(270, 280, 200, "Local evidence", "of lesions and defects",
            "models/evidence.py", "LocalEvidence"),
        Box(150, 370, 220, "Mixed", "later half of it own masks",
            "method/step.py", "refined_masks"),
        Box(150, 455, 220, "Absent classes dropped", "tags say which",
            "method/pseudo.py", "candidates"),
        Box(150, 540, 220, "Refined by PAMR", "along the picture's edges",
            "refine/pamr.py", "pamr"),
        Box(150, 625, 220, "Cut at two thresholds", "between them: unsure, 255",
            "method/pseudo.py", "banded_labels"),
        Box(150, 710, 220, "Pseudo-labels", "b h w", "method/step.py", "make_labels", "label"),
        Box(150, 795, 220, "Mask loss", "masks against pseudo-labels",
            "method/losses.py", "mask_loss", "loss"),
    ],
    [
        ((120, 60), (120, 100)), ((370, 60), (370, 100)), ((230, 125), (270, 125)),
        ((130, 150), (130, 190)), ((130, 240), (130, 280)), ((190, 330), (220, 370)),
        ((340, 330), (310, 370)), ((260, 420), (260, 455)), ((260, 505), (260, 540)),
        ((260, 590), (260, 625)), ((260, 675), (260, 710)), ((260, 760), (260, 795)),
        ((28, 150), (28, 820), (150, 820)),
    ],
    860,
)
# fmt: on

FIGURES = {
    "network": ("The network of WS-FCN, from a picture to masks and scores", NETWORK),
    "step": ("One training step, from a picture and its tags to two losses", STEP),
}


def _unset(path: str, name: str) -> int:
    raise NotImplementedError


line_of: Callable[[str, str], int] = _unset
"""Where a name stands in a source file; set by who draws."""


def sources() -> list[str]:
    """The source files that boxes point at."""
    return sorted({box.path for _, (boxes, _, _) in FIGURES.values() for box in boxes if box.path})


def draw(which: str, source: str) -> str:
    """A figure as SVG for a page from which the pages of the source are at ``source``."""
    title, (boxes, arrows, height) = FIGURES[which]
    lines = "".join(
        f'<path class="arrow" d="M{"L".join(f"{x} {y}" for x, y in points)}" '
        f'marker-end="url(#tip-{which})"/>'
        for points in arrows
    )
    # A few spaces would end the HTML block in Markdown: one line.
    return (
        f'<svg class="figure" viewBox="0 0 {WIDE} {height}" role="img" '
        f'aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title><defs>"
        f'<marker id="tip-{which}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>'
        f"{lines}{''.join(_box(box, source) for box in boxes)}</svg>"
    )


def _box(box: Box, source: str) -> str:
    middle = box.x + box.width // 2
    drawn = (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="7"/>'
        f'<text x="{middle}" y="{box.y + 21}">{escape(box.title)}</text>'
        f'<text class="below" x="{middle}" y="{box.y + 39}">{escape(box.below)}</text>'
    )
    if box.path:
        line = line_of(box.path, box.name) if box.name else 1
        address = f"{source}{box.path.removesuffix('.py')}/#__codelineno-0-{line}"
        drawn = f'<a href="{address}">{drawn}</a>'
    return f'<g class="{box.kind}">{drawn}</g>'
