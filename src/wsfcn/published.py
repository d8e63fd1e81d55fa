"""Published checkpoints of WS-FCN and its parent AE, under our names.

The published files hold bare state dicts. Each of their tensors is used under our name, ignored
(constants, counters, norms that no forward pass reads), or missed.
"""

from os import PathLike
from typing import NamedTuple

from torch import Tensor

from wsfcn.checkpoint import Checkpoint
from wsfcn.config import ModelSettings, TrainSettings
from wsfcn.errors import CheckpointError
from wsfcn.models.segmenter import build_segmenter
from wsfcn.models.weights import read_tensors
from wsfcn.models.wide_resnet import published_name
from wsfcn.types import Classes

WSFCN = ModelSettings(
    backbone="wide_resnet38",
    weights="none",
    stride=8,
    width=256,
    context="fca",
    kernels=(1, 3, 5, 7),
    dilations=(1, 12, 24, 36),
    context_norm="idle",
    fusion="sf2",
    align=True,
    gate=0.3,
    dropout=0.5,
    scoring="masks",
)
"""The network of WS-FCN's published checkpoints."""

AE = ModelSettings(
    backbone="wide_resnet38",
    weights="none",
    stride=8,
    width=256,
    context="aspp",
    kernels=(1, 3, 3, 3),
    dilations=(1, 12, 24, 36),
    context_norm="idle",
    fusion="gci",
    align=False,
    gate=0.3,
    dropout=0.5,
    scoring="masks",
)
"""The network of AE's published checkpoints."""

METHODS = {"fca": WSFCN, "aspp": AE}
"""Which network a file holds, by the first part of its names."""

LAYERS = {
    "fca.sa.conv": "context.spatial_attention.conv",
    "fca.ca.sharedMLP.0": "context.channel_attention.mlp.0",
    "fca.ca.sharedMLP.2": "context.channel_attention.mlp.2",
    "align1.down_h": "fusion.align.reduce_deep",
    "align1.down_l": "fusion.align.reduce_shallow",
    "align1.flow_make": "fusion.align.flow",
    "fc8_skip.0": "fusion.skip.0",
    "fc8_skip.1": "fusion.skip.1",
    "fc8_x.0": "fusion.deep.0",
    "fc8_x.1": "fusion.deep.1",
    "shallow_mask.fc_deep.0": "fusion.cues.0",
    "shallow_mask.fc_deep.1": "fusion.cues.1",
    "shallow_mask.fc_skip.0": "fusion.shallow.0",
    "shallow_mask.fc_skip.1": "fusion.shallow.1",
    "shallow_mask.fc_cls.0": "fusion.low.0",
    "shallow_mask.fc_cls.1": "fusion.low.1",
    "last_conv.0": "head.0.0",
    "last_conv.1": "head.0.1",
    "last_conv.4": "head.2.0",
    "last_conv.5": "head.2.1",
    "last_conv.8": "head.4",
}
"""Our name of each published layer outside the backbone; `_add_numbered` adds the numbered ones."""


def _add_numbered() -> None:
    for context in ("fca", "aspp"):
        LAYERS[f"{context}.global_avg_pool.1"] = "context.global_average.reduce.0"
        LAYERS[f"{context}.global_avg_pool.2"] = "context.global_average.reduce.1"
        LAYERS[f"{context}.conv1"] = "context.merge.0"
        LAYERS[f"{context}.bn1"] = "context.merge.1"
    for n in range(4):
        published, ours = f"fca.fca{n + 1}", f"context.branches.{n}"
        LAYERS[f"{published}.conv1_1"] = f"{ours}.column_row.0"
        LAYERS[f"{published}.conv1_2"] = f"{ours}.column_row.1"
        LAYERS[f"{published}.conv2_1"] = f"{ours}.row_column.0"
        LAYERS[f"{published}.conv2_2"] = f"{ours}.row_column.1"
        LAYERS[f"aspp.aspp{n + 1}.atrous_conv"] = f"{ours}.0"
        LAYERS[f"aspp.aspp{n + 1}.bn"] = f"{ours}.1"
        for side, path in (("h", "l"), ("v", "h")):
            LAYERS[f"sf2.conv{n + 1}{side}"] = f"fusion.{path}{n + 1}.0"
            LAYERS[f"sf2.bn{n + 1}{side}"] = f"fusion.{path}{n + 1}.1"


_add_numbered()


def our_name(name: str) -> str | None:
    """Our name of a published tensor; None where we have none.

    >>> our_name("fca.fca2.conv1_1.weight"), our_name("_aff.aff_x.kernel")
    ('context.branches.1.column_row.0.weight', None)
    """
    layer, _, tensor = name.rpartition(".")
    if layer in LAYERS:
        return f"{LAYERS[layer]}.{tensor}"
    backbone = published_name(name)
    return f"backbone.{backbone}" if backbone else None


class Imported(NamedTuple):
    """A published network, and what became of the names in its file."""

    checkpoint: Checkpoint
    used: list[str]
    ignored: list[str]
    missed: list[str]
    """Our names that the file has no tensor for; only counters may be missing."""


def import_published(path: str | PathLike[str], classes: Classes) -> Imported:
    """Read a published checkpoint of WS-FCN or AE.

    Raises CheckpointError for a file of another method, of other classes, or not whole.
    """
    state = read_tensors(path)
    method = next((m for prefix, m in METHODS.items() if f"{prefix}.conv1.weight" in state), None)
    if method is None:
        raise CheckpointError(
            f"{path}: neither a published WS-FCN nor AE checkpoint "
            f"(its first tensor is '{next(iter(state))}')"
        )
    model = build_segmenter(method, len(classes))
    target = model.state_dict()
    named = {name: our_name(name) for name in state}
    used = {name: ours for name, ours in named.items() if ours in target}
    missed = sorted(set(target) - set(used.values()))
    if absent := [name for name in missed if not name.endswith("num_batches_tracked")]:
        raise CheckpointError(
            f"{path}: has no tensor for {absent[0]} and {len(absent) - 1} others; is it truncated?"
        )
    for name, ours in used.items():
        if state[name].shape == target[ours].shape:
            continue
        if ours.startswith("head.4."):
            raise CheckpointError(
                f"{path}: made for {len(state[name])} object classes, but {len(classes) - 1} are "
                "named; give its own list with --classes FILE"
            )
        raise CheckpointError(
            f"{path}: {name} has shape {tuple(state[name].shape)}, "
            f"expected {tuple(target[ours].shape)}"
        )
    values: dict[str, Tensor] = {ours: state[name] for name, ours in used.items()}
    model.load_state_dict(values, strict=False)
    ignored = [name for name in state if name not in used]
    settings = TrainSettings(model=method)
    return Imported(Checkpoint(model.eval(), settings, classes), list(used), ignored, missed)
