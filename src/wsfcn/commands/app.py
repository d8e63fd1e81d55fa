"""The application that all commands join."""

from cyclopts import App, Parameter

import wsfcn

app = App(
    name="wsfcn",
    version=wsfcn.__version__,
    help="Semantic segmentation learned from image-level tags alone: tags in, masks out.",
    default_parameter=Parameter(consume_multiple=True, negative=()),
)
