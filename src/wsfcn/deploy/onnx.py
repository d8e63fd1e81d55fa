"""Prediction from an ONNX file that `wsfcn export` wrote: neither PyTorch nor timm is imported."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from jaxtyping import Float, Shaped, UInt8

from wsfcn.checked import shortened
from wsfcn.errors import CheckpointError, DataError, SettingError
from wsfcn.files import read_bytes
from wsfcn.inference.network import Device, Parts, Seen
from wsfcn.maps import Sizes
from wsfcn.types import Classes

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FORMAT = 1
"""Version of what the graph and its metadata hold."""

LARGEST = 2**31
"""Bytes that a message of protobuf, and so a file, can hold."""

IMAGE = "image"
OUTPUTS = ("probabilities", "tags")
INNER = ("masks", "shallow", "deep", "context", "cues", "logits")
"""Values inside the graph whose names are kept: soft masks on the network's own grid, and what its
parts hand to each other (``cues`` in AE's fusion alone)."""

ASK_FOR_MASKS = b"\x3a\x09\x62\x07\x0a\x05masks"
"""Appended to a file, makes ``masks`` an output too. Messages of protobuf, laid end to end, are one
merged message; this one is a model (field 7: its graph) whose graph has an output (field 12) of
that name (field 1)."""


class OnnxNetwork:
    """A network in an ONNX file, computed by onnxruntime.

    Raises CheckpointError where the file is not one of ours, too new or cut, SettingError where
    onnxruntime is not installed or finds no GPU though one is asked for.
    """

    def __init__(self, path: str | PathLike[str], device: Device = "auto") -> None:
        self.path = Path(path)
        self.device: Device = device
        try:
            content = read_bytes(self.path, LARGEST)
        except DataError as error:
            raise CheckpointError(str(error)) from None
        try:
            self.session = start(content + ASK_FOR_MASKS, device)
        except NotStartedError as error:
            raise CheckpointError(
                f"{path}: not an ONNX file of `wsfcn export`, cut off, or too new for this "
                f"onnxruntime ({error})"
            ) from None
        about = described(self.session, self.path)
        self.classes = Classes(tuple(about.classes))
        self.longest_side = about.longest_side
        self.sizes = Sizes(about.aligned_to, about.least_side)
        self.corrected = frozenset(about.corrected)
        self.levels = about.levels
        self.takes_bytes = about.input == "uint8"

    def image(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Shaped[np.ndarray, "1 3 h w"]:
        image = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
        return image if self.takes_bytes else image.astype(np.float32) / np.float32(255)

    def __call__(self, images: Shaped[np.ndarray, "b 3 h w"]) -> Seen:
        masks, tags = run(self.session, ("masks", "tags"), {IMAGE: images})
        return Seen(masks.astype(np.float32, copy=False), tags)

    def parts(self) -> Parts:
        from wsfcn.deploy.parts import OnnxParts

        return OnnxParts(self.path, self.device)


class NotStartedError(Exception):
    """onnxruntime does not take a model."""


def start(content: bytes, device: Device) -> "InferenceSession":
    """A session of onnxruntime. Raises NotStartedError, with its reason."""
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise SettingError("ONNX files need `pip install 'wsfcn[onnx]'`") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are told by the exception
    # Threads that spin while they wait are slow wherever something else wants their cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    cpu, gpu = "CPUExecutionProvider", "CUDAExecutionProvider"
    has_gpu = gpu in onnxruntime.get_available_providers()
    if device == "gpu" and not has_gpu:
        raise SettingError("device: onnxruntime finds no GPU here; use --device cpu")
    providers = [gpu, cpu] if has_gpu and device != "cpu" else [cpu]
    try:
        return onnxruntime.InferenceSession(content, options, providers=providers)
    except Exception as error:  # onnxruntime has a class for each status, under no common one
        raise NotStartedError(" ".join(str(error).split())) from None


def run(
    session: "InferenceSession", names: tuple[str, ...], values: dict[str, Shaped[np.ndarray, "*_"]]
) -> list[Float[np.ndarray, "*_"]]:
    """The values of ``names``, without computing what they do not need."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.only_execute_path_to_fetches = True
    found: Any = session.run(names, values, options)
    return found


class About(msgspec.Struct):
    """What the metadata says; a later version may add to it."""

    classes: list[str]
    longest_side: int
    input: Literal["float", "uint8"]
    least_side: int = 0
    aligned_to: int = 0
    corrected: list[str] = []
    levels: tuple[float, float] | None = None


def described(session: "InferenceSession", path: Path) -> About:
    """What the export wrote into the metadata. Raises CheckpointError."""
    metadata = session.get_modelmeta().custom_metadata_map
    if "wsfcn.format" not in metadata:
        raise CheckpointError(f"{path}: an ONNX file, but not one of `wsfcn export`")
    if metadata["wsfcn.format"] != str(FORMAT):
        raise CheckpointError(
            f"{path}: format {shortened(metadata['wsfcn.format'])}, "
            f"but this version reads format {FORMAT}"
        )
    fields = About.__struct_fields__
    try:
        values = {key: msgspec.json.decode(metadata[key]) for key in fields if key in metadata}
        return msgspec.convert(values, About)
    except msgspec.MsgspecError as error:
        raise CheckpointError(f"{path}: its metadata is damaged ({error})") from None
