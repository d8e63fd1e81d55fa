"""Shapes in signatures are enforced while tests run."""

import torch
from jaxtyping import install_import_hook

install_import_hook("wsfcn", "typechecker.check")
torch.set_num_threads(1)  # pytest runs one process a core
