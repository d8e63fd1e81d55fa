"""The parts of a network in an ONNX file, cut out of its one graph, for pictures in tiles."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Shaped

from wsfcn.deploy.onnx import IMAGE, run, start
from wsfcn.errors import SettingError
from wsfcn.inference.network import Device, Seen

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


class OnnxParts:
    """Each part is a graph of its own, between two of the values whose names the export keeps.

    Raises SettingError where the package onnx is not installed.
    """

    def __init__(self, path: Path, device: Device) -> None:
        try:
            import onnx
        except ModuleNotFoundError:
            raise SettingError(
                "tiles of an ONNX file need `pip install 'wsfcn[onnx]'`; or set a lower --max-side"
            ) from None
        model = onnx.load(path)
        self.maximum = next((n.output[0] for n in model.graph.node if "cues" in n.input), None)
        if self.maximum:
            kind = next(value.type for value in model.graph.value_info if value.name == "cues")
            dtype = kind.tensor_type.elem_type
            value = onnx.helper.make_tensor_value_info(self.maximum, dtype, [None] * 4)
            model.graph.value_info.append(value)

        def part(inputs: list[str], outputs: list[str]) -> "Part":
            return Part(model, inputs, outputs, device)

        self._features = part([IMAGE], ["shallow", "deep"])
        self._context = part(["deep"], ["context"])
        self._seen = part(["deep", "logits"], ["masks", "tags"])
        if self.maximum:
            self._cues = part(["shallow", "context"], ["cues"])
            self._logits = part(["shallow", "context", self.maximum], ["logits"])
        else:
            self._logits = part(["shallow", "context"], ["logits"])

    def features(
        self, image: Shaped[np.ndarray, "b 3 h w"]
    ) -> tuple[Float[np.ndarray, "b s _ _"], Float[np.ndarray, "b d y x"]]:
        shallow, deep = self._features(image)
        return shallow, deep

    def context(self, deep: Float[np.ndarray, "b d y x"]) -> Float[np.ndarray, "b k y x"]:
        return self._context(deep)[0]

    def cues(
        self, shallow: Float[np.ndarray, "b s h w"], context: Float[np.ndarray, "b k y x"]
    ) -> Float[np.ndarray, "b m h w"] | None:
        return self._cues(shallow, context)[0] if self.maximum else None

    def logits(
        self,
        shallow: Float[np.ndarray, "b s h w"],
        context: Float[np.ndarray, "b k y x"],
        maximum: Float[np.ndarray, "b m 1 1"] | None,
    ) -> Float[np.ndarray, "b n h w"]:
        given = [] if maximum is None else [maximum]
        return self._logits(shallow, context, *given)[0]

    def seen(
        self, deep: Float[np.ndarray, "b d y x"], logits: Float[np.ndarray, "b n h w"]
    ) -> Seen:
        masks, tags = self._seen(deep, logits)
        return Seen(masks.astype(np.float32, copy=False), tags)


class Part:
    """What lies between some values of a model and others."""

    def __init__(
        self, model: "ModelProto", inputs: list[str], outputs: list[str], device: Device
    ) -> None:
        self.inputs, self.outputs = inputs, tuple(outputs)
        self.session = start(cut(model, inputs, outputs).SerializeToString(), device)

    def __call__(self, *values: Shaped[np.ndarray, "*_"]) -> list[Float[np.ndarray, "*_"]]:
        given = dict(zip(self.inputs, map(np.ascontiguousarray, values), strict=True))
        return run(self.session, self.outputs, given)


def cut(model: "ModelProto", inputs: list[str], outputs: list[str]) -> "ModelProto":
    """The model that makes ``outputs`` of ``inputs``, which are values inside or outputs of it."""
    from onnx import helper

    maker = {name: node for node in model.graph.node for name in node.output}
    needed: dict[int, NodeProto] = {}
    wanted = [*outputs]
    while wanted:
        name = wanted.pop()
        node = maker.get(name)
        if name not in inputs and node is not None and id(node) not in needed:
            needed[id(node)] = node
            wanted.extend(node.input)
    nodes = [node for node in model.graph.node if id(node) in needed]
    used = {name for node in nodes for name in node.input}
    known = {
        value.name: value
        for values in (model.graph.input, model.graph.output, model.graph.value_info)
        for value in values
    }
    graph = helper.make_graph(
        nodes,
        "part",
        [known[name] for name in inputs],
        [known[name] for name in outputs],
        [weights for weights in model.graph.initializer if weights.name in used],
    )
    part: Any = helper.make_model(graph, opset_imports=model.opset_import)
    part.ir_version = model.ir_version
    return part
