"""From a trained segmenter to one ONNX graph: RGB values in, masks and tags out.

The graph is traced from the segmenter's own forward pass, so that whatever trains here is exported
as it is. Sizes stay open: batch, height and width. Besides the two outputs, the values between the
network's parts keep their names in the graph, from which `wsfcn.deploy.parts` cuts the parts that
large pictures in tiles need.
"""

import json
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

import wsfcn
from wsfcn.checkpoint import Checkpoint
from wsfcn.deploy.onnx import FORMAT, IMAGE, INNER, OUTPUTS
from wsfcn.deploy.quantize import to_half, to_integers
from wsfcn.errors import SettingError
from wsfcn.files import atomic, need_suffix
from wsfcn.images import palette_of
from wsfcn.maps import resize
from wsfcn.models.fusion import GlobalCueInjection
from wsfcn.models.segmenter import Segmenter

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 18
"""Version of ONNX's operators; runtimes of 2023 and later know it."""

Input = Literal["float", "uint8"]
"""RGB values in [0, 1], or 8-bit ones."""

Precision = Literal["fp32", "fp16", "int8"]
"""Arithmetic of the exported network."""

TRACED = (2, 3, 97, 130)
"""Size of the picture that the trace is made with: one at which no two grids coincide, nor any two
of their sides, so that nothing is mistaken for a constant."""


class Graph(nn.Module):
    """What is exported: the segmenter with its input's range before it, and what follows it."""

    def __init__(self, model: Segmenter, input: Input) -> None:
        super().__init__()
        self.model, self.input = model, input
        has_cues = isinstance(model.fusion, GlobalCueInjection)
        self.inner = [name for name in INNER if has_cues or name != "cues"]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        if self.input == "uint8":
            image = image.float() / 255
        with inner_values(self.model) as inner:
            prediction = self.model(image)
        masks = prediction.logits.softmax(1)
        size = (image.shape[2], image.shape[3])
        shown = masks if self.model.background else masks[:, 1:]
        probabilities = resize(shown, size, align_corners=True)
        named = {"masks": masks} | inner
        return probabilities, prediction.scores.sigmoid(), *(named[name] for name in self.inner)


@contextmanager
def inner_values(model: Segmenter) -> Iterator[dict[str, Tensor]]:
    """The values between the parts of the model, by name, of a pass that is made inside."""
    found: dict[str, Tensor] = {}
    parts: list[tuple[Any, tuple[str, ...]]] = [
        (model.backbone, ("shallow", "deep")),
        (model.context, ("context",)),
        (model.head, ("logits",)),
    ]
    if isinstance(model.fusion, GlobalCueInjection):
        parts.append((model.fusion.cues, ("cues",)))

    def note(names: tuple[str, ...], _module: Any, _inputs: Any, output: Any) -> None:
        values = output if isinstance(output, tuple) else (output,)
        found.update(zip(names, values, strict=True))

    handles = [part.register_forward_hook(partial(note, names)) for part, names in parts]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def more_operators() -> Iterator[None]:
    """Let the exporter know what it does not, or does wrong, of the operators in timm's models."""
    ours = {"aten::_upsample_bicubic2d_aa": bicubic, "aten::repeat_interleave": repeat}
    for name, function in ours.items():
        torch.onnx.register_custom_op_symbolic(name, function, OPSET)
    try:
        yield
    finally:
        for name in ours:
            torch.onnx.unregister_custom_op_symbolic(name, OPSET)


def repeat(graph: Any, x: Any, times: Any, dim: Any, *_options: Any) -> Any:
    """Each element several times along the last axis; the exporter's own changes the constant that
    names the axis, for whatever else uses it."""
    from torch.onnx import symbolic_helper as helper

    def constant(*values: int) -> Any:
        return graph.op("Constant", value_t=torch.tensor(values))

    count: Any = helper._get_const(times, "t", "repeats")
    rank = helper._get_tensor_rank(x)
    if rank is None or helper._get_const(dim, "i", "dim") not in (-1, rank - 1):
        raise torch.onnx.errors.UnsupportedOperatorError("aten::repeat_interleave", OPSET, None)
    columns = graph.op("Unsqueeze", x, constant(-1))
    copies = graph.op("Tile", columns, constant(*[1] * rank, int(count)))
    return graph.op("Reshape", copies, constant(*[0] * (rank - 1), -1))


def bicubic(graph: Any, x: Any, size: Any, *_options: Any) -> Any:
    """Bicubic interpolation with antialiasing, as ONNX has it."""
    from torch.onnx import symbolic_helper as helper

    def constant(*values: int) -> Any:
        return graph.op("Constant", value_t=torch.tensor(values))

    if helper._is_packed_list(size):
        sides = (graph.op("Reshape", side, constant(1)) for side in helper._unpack_list(size))
        size = graph.op("Concat", *sides, axis_i=0)
    others = graph.op("Slice", graph.op("Shape", x), constant(0), constant(2))
    none = graph.op("Constant", value_t=torch.empty(0))
    return graph.op(
        "Resize",
        x,
        none,
        none,
        graph.op("Concat", others, size, axis_i=0),
        mode_s="cubic",
        antialias_i=1,
        cubic_coeff_a_f=-0.5,
        exclude_outside_i=1,
        coordinate_transformation_mode_s="half_pixel",
    )


def export_onnx(
    path: str | PathLike[str],
    checkpoint: Checkpoint,
    *,
    input: Input = "float",
    precision: Precision = "fp32",
    calibrate: Sequence[Path] = (),
) -> None:
    """Write the segmenter of a checkpoint as an ONNX file, whole or not at all.

    ``int8`` is calibrated on pictures, of which it needs some.

    Input ``image`` (n, 3, h, w); outputs ``probabilities`` (n, c, h, w) and ``tags`` (n, c-1).
    Classes, palette, training size and version are in its metadata. Raises SettingError where the
    package onnx is not installed, the network cannot be exported, or the name does not end in
    ``.onnx``.
    """
    need_suffix(Path(path), ".onnx")
    if precision == "int8" and not calibrate:
        raise SettingError("export: int8 needs pictures, with or without tags: --calibrate DIR")
    model = exported(checkpoint, input)
    if precision == "fp16":
        model = to_half(model)
    if precision == "int8":
        data = checkpoint.settings.data
        model = to_integers(model, calibrate, data.longest_side, data.levels)
    with atomic(path) as name:
        name.write_bytes(model.SerializeToString())


def exported(checkpoint: Checkpoint, input: Input = "float") -> "ModelProto":
    """The ONNX model of a checkpoint."""
    onnx = need_onnx()
    model = deepcopy(checkpoint.model).cpu().float().eval().requires_grad_(False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        trace(Graph(model, input), file)
        graph = onnx.load(file)
        pad_explicitly(graph)
        del graph.graph.value_info[:]  # the exporter's guesses, some of which are wrong
        onnx.save(graph, file)
        graph = simplified(file)
    # Not outputs any more, but values inside of known kind.
    graph.graph.value_info.extend(graph.graph.output[len(OUTPUTS) :])
    del graph.graph.output[len(OUTPUTS) :]
    describe(graph, checkpoint, input)
    onnx.checker.check_model(graph)
    return graph


def trace(model: Graph, path: Path) -> None:
    """Let PyTorch write the graph, all values between the parts being outputs."""
    image = torch.rand(TRACED)
    if model.input == "uint8":
        image = (image * 255).byte()
    names = [*OUTPUTS, *model.inner]
    open_sides = {0: "n", 2: "h", 3: "w"}
    axes = {IMAGE: open_sides, "probabilities": open_sides, "tags": {0: "n"}}
    axes |= {name: {0: "n", 2: f"{name}_h", 3: f"{name}_w"} for name in model.inner}
    with warnings.catch_warnings(), torch.no_grad(), more_operators():
        # Of what a trace may miss, which the tests of many sizes would show.
        warnings.simplefilter("ignore")
        try:
            # By tracing: PyTorch's other way takes minutes, and fixes sizes that are open here.
            torch.onnx.export(
                model,
                (image,),
                str(path),
                input_names=[IMAGE],
                output_names=names,
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error).strip().splitlines()[0]
            raise SettingError(f"export: this network has no form in ONNX ({reason})") from None


def pad_explicitly(model: "ModelProto") -> None:
    """Write out the padding of convolutions whose output is as large as their input: onnxruntime
    does not work it out for dilated ones."""
    from onnx import helper

    for node in model.graph.node:
        options = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        if node.op_type != "Conv" or not options.get("auto_pad", b"").startswith(b"SAME"):
            continue
        sides = zip(options["dilations"], options["kernel_shape"], strict=True)
        totals = [dilation * (kernel - 1) for dilation, kernel in sides]
        before = [total // 2 for total in totals]
        after = [total - half for total, half in zip(totals, before, strict=True)]
        kept = [item for item in node.attribute if item.name not in ("auto_pad", "pads")]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute("pads", before + after)])


def simplified(path: Path) -> "ModelProto":
    """The model with constants computed and norms folded into convolutions, by onnxruntime."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path.with_stem("simplified"))
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    model = onnx.load(options.optimized_model_filepath)
    used = {node.domain for node in model.graph.node}
    kept = [item for item in model.opset_import if item.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return model


def describe(model: "ModelProto", checkpoint: Checkpoint, input: Input) -> None:
    """Put into the metadata what a reader needs to know, each value as JSON."""
    from onnx import helper

    classes = checkpoint.classes
    palette = palette_of(classes.background)[: len(classes)].tolist()
    sizes = checkpoint.model.sizes(checkpoint.settings.data.crop)
    about = {
        "wsfcn.format": FORMAT,
        "wsfcn.version": wsfcn.__version__,
        "classes": checkpoint.classes.names,
        "palette": palette,
        "input": input,
        "training_size": checkpoint.settings.data.crop,
        "longest_side": checkpoint.settings.data.longest_side,
        "least_side": sizes.least,
        "aligned_to": sizes.crop,
        "levels": checkpoint.settings.data.levels,
    }
    if checkpoint.corrected:
        about["corrected"] = sorted(checkpoint.corrected)
    helper.set_model_props(model, {key: json.dumps(value) for key, value in about.items()})
    model.producer_name, model.producer_version = "wsfcn", wsfcn.__version__
    model.doc_string = "Semantic segmentation learned from image-level tags alone"


def need_onnx() -> Any:
    """The packages that an export needs. Raises SettingError where they are missing."""
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ModuleNotFoundError as error:
        raise SettingError(f"ONNX needs `pip install 'wsfcn[onnx]'` ({error})") from None
    return onnx
