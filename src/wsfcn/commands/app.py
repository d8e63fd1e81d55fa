"""The application, and the table of its commands: where each lives, and what it is for.

A command's file is imported when the command is called, so that `wsfcn --help` reads this one
alone. Its list is plain text, as rich's reader of Markdown takes a fifth of a second.
"""

from cyclopts import App, Parameter

import wsfcn

app = App(
    name="wsfcn",
    version=wsfcn.__version__,
    help="Semantic segmentation learned from image-level tags alone: tags in, masks out.",
    help_format="plaintext",
    default_parameter=Parameter(consume_multiple=True, negative=()),
)

COMMANDS = {
    "train": (
        "learning:train",
        "Train on tagged pictures: wsfcn train --data.root DIR [--config RECIPE].",
    ),
    "label": (
        "learning:label",
        "Write the pseudo-labels of tagged pictures: wsfcn label RUN --data.root DIR -o DIR.",
    ),
    "demo": (
        "learning:demo",
        "Draw scenes, learn them from their tags alone, and report how well.",
    ),
    "report": (
        "learning:report",
        "Write a page about a run, or about several beside each other: wsfcn report RUN RUN...\n\n"
        "Of one run: wsfcn report RUN [PICTURES... --masks DIR --truth DIR].",
    ),
    "predict": (
        "predicting:predict",
        "Segment pictures: wsfcn predict RUN_OR_CHECKPOINT PICTURES... -o DIR.",
    ),
    "evaluate": (
        "predicting:evaluate",
        "Compare masks with truth: wsfcn evaluate MASKS TRUTH --classes FILE.\n\n"
        "Or with what a data set holds for its validation pictures: "
        "wsfcn evaluate MASKS --data.root DIR.",
    ),
    "review": (
        "correcting:review",
        "Say which pictures to correct next, and why: wsfcn review RUN --data.root DIR -o OUT.",
    ),
    "app": (
        "browsing:app_",
        "Look at a model in the browser: wsfcn app RUN_OR_CHECKPOINT [--data.root DIR].",
    ),
    "submit": (
        "predicting:submit",
        "Pack VOC test masks for its evaluation server: wsfcn submit MASKS --root DIR.",
    ),
    "inspect": (
        "preparing:inspect",
        "Say what a data set holds, what would stop a training, and what to mend: "
        "wsfcn inspect DIR.\n\n"
        "The exit code is 1 where a training would stop, or pictures are broken.",
    ),
    "prepare": (
        "preparing:prepare",
        "Bring a public data set into the native layout: wsfcn prepare voc12 --root DIR.",
    ),
    "convert": (
        "exchanging:convert",
        "Masks into another tool's form, and back: wsfcn convert SOURCE --to FORM -o OUT.",
    ),
    "export": (
        "travelling:export",
        "Write a network as one ONNX file: wsfcn export RUN_OR_CHECKPOINT -o model.onnx.",
    ),
    "push": (
        "travelling:push",
        "Put a network with its card on the Hugging Face Hub: wsfcn push RUN user/name.",
    ),
    "models": (
        "travelling:models",
        "List the ready models, which `wsfcn predict` takes by name.",
    ),
    "import": (
        "travelling:import_",
        "Take in published weights: wsfcn import model_enc_X.pth -o wsfcn-voc.ckpt.",
    ),
}
"""The commands by name: module below `wsfcn.commands` and function; the head of its docstring."""

for name, (place, text) in COMMANDS.items():
    app.command(f"wsfcn.commands.{place}", name=name, help=text, help_format="markdown")
