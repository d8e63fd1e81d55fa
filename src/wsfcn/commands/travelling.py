"""Networks out of here and in: ONNX, the Hub, ready models, published weights."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from wsfcn.terminal import say


def export(
    source: str,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    input: Literal["float", "uint8"] = "float",
    precision: Literal["fp32", "fp16", "int8"] = "fp32",
    calibrate: list[str] | None = None,
) -> None:
    """Write a network as one ONNX file: wsfcn export RUN_OR_CHECKPOINT -o model.onnx.

    Parameters
    ----------
    source
        Run folder or checkpoint, hf://user/name, or the name of a ready model.
    out
        File to write; `wsfcn predict` takes it like a checkpoint.
    input
        RGB values in [0, 1], or 8-bit ones.
    precision
        Arithmetic of the network; 8-bit integers need --calibrate.
    calibrate
        Pictures, folders or globs on which the ranges of integers are measured; a hundred will do.
    """
    from wsfcn.deploy.export import export_onnx
    from wsfcn.deploy.load import open_checkpoint
    from wsfcn.inference.folder import find_pictures

    pictures = find_pictures(calibrate) if calibrate else []
    checkpoint = open_checkpoint(source)
    export_onnx(out, checkpoint, input=input, precision=precision, calibrate=pictures)
    say(f"exported: {out}")


def push(
    run: Path,
    name: str,
    *,
    license: str = "other",
    private: bool = False,
    onnx: bool = False,
) -> None:
    """Put a network with its card on the Hugging Face Hub: wsfcn push RUN user/name.

    Parameters
    ----------
    run
        Run folder, whose metrics.json (of `wsfcn evaluate --json`) the card shows, or checkpoint.
    name
        Repository; made where there is none. HF_TOKEN or `hf auth login` opens it.
    license
        Licence of the weights, as the Hub names it: apache-2.0, cc-by-4.0, ...
    private
        Make a new repository private.
    onnx
        Put model.onnx there, too.
    """
    from wsfcn.deploy import hub
    from wsfcn.deploy.load import open_checkpoint

    checkpoint = open_checkpoint(run)
    address = hub.push(run, checkpoint, name, license=license, private=private, onnx=onnx)
    say(f"pushed: {address}")


def models() -> None:
    """List the ready models, which `wsfcn predict` takes by name."""
    from wsfcn.deploy.models import installed

    for name, model in installed().items():
        say(f"{name}: {model.finds} ({model.how})")


def import_(
    file: Path,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    classes: Path | None = None,
) -> None:
    """Take in published weights: wsfcn import model_enc_X.pth -o wsfcn-voc.ckpt.

    Parameters
    ----------
    file
        Published checkpoint of WS-FCN or AE, or ImageNet weights of WideResNet-38.
    out
        Checkpoint to write; of a backbone alone, a file for --model.weights.
    classes
        Names of the classes, one a line, the background first; needed beside VOC's and COCO's.
    """
    from wsfcn.data.classes import read_classes
    from wsfcn.published import import_file

    names = import_file(file, out, read_classes(classes) if classes else None)
    say(f"used: {len(names.used)}")
    say(f"ignored: {len(names.ignored)}", *names.ignored)
    say(f"missed: {len(names.missed)}", *names.missed)
    say(f"imported: {out}")
