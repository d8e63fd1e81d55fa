"""Published checkpoints of WS-FCN and its parent AE, under our names.

The published files hold bare state dicts. Each of their tensors is used under our name, ignored
(constants, counters, norms that no forward pass reads), or missed.
"""

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from wsfcn.checkpoint import Checkpoint, save_checkpoint
from wsfcn.config import ModelSettings, TrainSettings
from wsfcn.data.classes import COCO, VOC
from wsfcn.errors import CheckpointError
from wsfcn.files import atomic, keep_inputs, need_suffix
from wsfcn.models.segmenter import build_segmenter
from wsfcn.models.weights import fill, read_tensors, write_file
from wsfcn.models.wide_resnet import WideResNet38, published_name
from wsfcn.types import Classes

WSFCN = ModelSettings(
    backbone="wide_resnet38",
    weights="none",
    stride=8,
    frozen_stride=2,
    drop_path=0.0,
    middle=False,
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

AE = replace(WSFCN, context="aspp", kernels=(1, 3, 3, 3), fusion="gci", align=False)
"""The network of AE's published checkpoints."""

METHODS = {"fca.": WSFCN, "aspp.": AE}
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


class Names(NamedTuple):
    """What became of the names of a published file, and of ours."""

    used: list[str]
    ignored: list[str]
    """Constants, and norms that no forward pass reads."""
    missed: list[str]
    """Names of ours that the file lacks: counters at most."""


def import_file(
    path: str | PathLike[str], out: str | PathLike[str], classes: Classes | None = None
) -> Names:
    """Write a published file anew: a checkpoint, or the weights of a backbone alone.

    Without ``classes``, those of VOC or COCO, by their number. Raises CheckpointError for a file of
    another method, of other classes, or not whole; then nothing is written.
    """
    keep_inputs([Path(out)], [Path(path)])
    need_suffix(Path(out), ".ckpt", ".safetensors", ".pt", ".pth")
    state = read_tensors(path)
    if any(name.startswith(prefix) for name in state for prefix in METHODS):
        checkpoint, names = import_checkpoint(state, classes, path)
        save_checkpoint(out, checkpoint)
        return names
    backbone = WideResNet38()
    renamed = {name: published_name(name) for name in state}
    names = load_renamed(backbone, state, renamed, path)
    with atomic(out) as temporary:
        write_file(temporary, backbone.state_dict())
    return names


def import_checkpoint(
    state: Mapping[str, Tensor], classes: Classes | None, path: str | PathLike[str] = "weights"
) -> tuple[Checkpoint, Names]:
    """The network in a published state dict; ``path`` is what errors call it."""
    method = next(m for prefix, m in METHODS.items() if any(n.startswith(prefix) for n in state))
    if "last_conv.8.bias" not in state:
        raise CheckpointError(f"{path}: holds no last_conv.8.bias; is the file whole?")
    count = len(state["last_conv.8.bias"]) + 1
    if classes is None:
        classes = next((known for known in (VOC, COCO) if len(known) == count), None)
        if classes is None:
            raise CheckpointError(
                f"{path}: made for {count} classes, neither VOC's 21 nor COCO's 81; "
                "name them with --classes FILE"
            )
    if len(classes) != count:
        raise CheckpointError(f"{path}: made for {count} classes, but {len(classes)} are named")
    model = build_segmenter(method, count)
    names = load_renamed(model, state, {name: our_name(name) for name in state}, path)
    return Checkpoint(model.eval(), TrainSettings(model=method), classes), names


def load_renamed(
    model: nn.Module,
    state: Mapping[str, Tensor],
    renamed: Mapping[str, str | None],
    path: str | PathLike[str],
) -> Names:
    """Fill ``model`` from ``state``. Raises CheckpointError where a weight of ours is not there."""
    target = model.state_dict()
    used = {name: ours for name, ours in renamed.items() if ours in target}
    missed = sorted(set(target) - set(used.values()))
    absent = [name for name in missed if not name.endswith("num_batches_tracked")]
    if not used:
        raise CheckpointError(
            f"{path}: no published WS-FCN, AE or WideResNet-38 weights "
            f"(its first tensor is '{next(iter(state))}')"
        )
    if absent:
        raise CheckpointError(
            f"{path}: holds nothing for {absent[0]} ({len(absent)} such names); is the file whole?"
        )
    fill(model, {ours: state[name] for name, ours in used.items()}, path)
    return Names(list(used), [name for name in state if name not in used], missed)
