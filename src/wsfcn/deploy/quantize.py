"""Smaller ONNX files: weights in float16, or convolutions in 8-bit integers.

Integers need the range of each value inside the network, which is measured on pictures; they need
neither tags nor masks.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped

from wsfcn.deploy.onnx import IMAGE
from wsfcn.images import read_picture, reduced
from wsfcn.levels import Levels

if TYPE_CHECKING:
    from onnx import ModelProto

INTEGERS = ("Conv", "Clip", "Relu")
"""Operators in integers. What cuts a convolution's values off belongs to it: else the 256 steps go
to values that are cut off anyway, which costs six points of mIoU."""
EXACT = ("/align/", "/tag_head/", "/head/head.4/")
"""Parts of node names that stay as they are: the warp, whose flow is fine, and the last layers."""


def to_half(model: "ModelProto") -> "ModelProto":
    """Weights and arithmetic in float16; input and outputs stay float32."""
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    # Places of the warp and of the resizing need more digits than float16 has.
    exact = [*DEFAULT_OP_BLOCK_LIST, "GridSample", "Resize"]
    return convert_float_to_float16(model, keep_io_types=True, op_block_list=exact)


def to_integers(
    model: "ModelProto", pictures: Sequence[Path], side: int, levels: Levels | None = None
) -> "ModelProto":
    """Convolutions in 8-bit integers, their ranges measured on pictures.

    Larger pictures are reduced to ``side`` first; deep ones are scaled at ``levels``. Raises
    PictureError for one that cannot be read.
    """
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        """The pictures, one after the other."""

        def __init__(self) -> None:
            self.images = images(model, pictures, side, levels)

        def get_next(self) -> Any:
            return next(self.images, None)

    kept = [node.name for node in model.graph.node if any(part in node.name for part in EXACT)]
    metadata = {item.key: item.value for item in model.metadata_props}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "integers.onnx"
        onnx.save(model, source)
        quantize_static(
            source,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*INTEGERS],
            nodes_to_exclude=kept,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        result = onnx.load(target)
    onnx.helper.set_model_props(result, metadata)
    return result


def images(
    model: "ModelProto", pictures: Sequence[Path], side: int, levels: Levels | None
) -> Iterator[dict[str, Shaped[np.ndarray, "1 3 h w"]]]:
    """The pictures as the model takes them."""
    in_bytes = model.graph.input[0].type.tensor_type.elem_type == 2  # onnx.TensorProto.UINT8
    for path in pictures:
        pixels = np.asarray(reduced(read_picture(path, levels=levels), side)).transpose(2, 0, 1)[
            None
        ]
        yield {IMAGE: pixels if in_bytes else pixels.astype(np.float32) / np.float32(255)}
