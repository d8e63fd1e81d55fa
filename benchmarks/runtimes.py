"""Forms of one network side by side: PyTorch, onnxruntime (float32, float16, int8), OpenVINO.

    python benchmarks/runtimes.py CHECKPOINT PICTURES... --calibrate PICTURES...
        [--sides 320 640] [--cores 1 2] [--timed 48] [--truth DIR]

Pictures per second of each form at each longer side on so many processor cores (one view, no CRF,
the picture in memory), the most memory of a process of its own at the first number of cores, size
of the file, and the share of pixels with PyTorch's class; with the folder of true masks also mIoU
at the network's own side. Decoding alone, reduced to that side, is the first line. Speed is
measured on ``--timed`` of the pictures, masks on all. The system holds a process to its cores
(Linux), since each runtime has its own setting for threads. OpenVINO takes part where it is
installed.
"""

import argparse
import os
import tempfile
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from wsfcn.evaluation import evaluate_folder
from wsfcn.images import read_picture, reduced, write_mask
from wsfcn.inference.folder import find_pictures

FORMS = ("decoding", "PyTorch", "onnxruntime", "onnxruntime fp16", "onnxruntime int8", "OpenVINO")
CALIBRATED_ON = 100
"""Pictures that int8 is calibrated on, at most, evenly from those given."""


class OpenVino:
    """The float32 file in OpenVINO, behind the same face."""

    def __init__(self, path: Path) -> None:
        import openvino

        from wsfcn.deploy.onnx import OnnxNetwork

        ours = OnnxNetwork(path)
        self.classes, self.levels = ours.classes, ours.levels
        self.longest_side, self.sizes = ours.longest_side, ours.sizes
        self.image = ours.image
        self.network = openvino.compile_model(path)

    def __call__(self, images: np.ndarray) -> Any:
        from wsfcn.inference.network import Seen

        found = self.network(images)
        return Seen(found["probabilities"], found["tags"])


def opened(form: str, source: str, folder: Path) -> Any:
    """The network in one of its forms."""
    from wsfcn.deploy.load import open_network

    if form == "PyTorch":
        return open_network(source, "cpu")
    if form == "OpenVINO":
        return OpenVino(folder / "fp32.onnx")
    return open_network(folder / f"{file_of(form)}.onnx", "cpu")


def file_of(form: str) -> str:
    return {"onnxruntime": "fp32", "OpenVINO": "fp32"}.get(form, form.split()[-1])


def peak() -> float:
    """GiB that this process has had at most; what getrusage says is also of who started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20


def speeds(
    form: str, source: str, pictures: list[Path], sides: list[int], folder: Path, cores: int
) -> tuple[list[float], float]:
    """Pictures per second at each side, and GiB at most, of a process on so many cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    from wsfcn.config import PredictSettings
    from wsfcn.inference.predictor import Predictor

    rates = []
    if form == "decoding":
        for path in pictures:
            path.read_bytes()  # into the system's cache, where the others find them
        read_picture(pictures[0])
        for side in sides:
            started = perf_counter()
            for path in pictures:
                np.asarray(reduced(read_picture(path), side))  # Pillow decodes when asked
            rates.append(len(pictures) / (perf_counter() - started))
        return rates, peak()
    predictor = Predictor(opened(form, source, folder), PredictSettings(max_side=0))
    for side in sides:
        shown = [resized(read_picture(path), side) for path in pictures]
        predictor.predict(shown[0])
        started = perf_counter()
        for picture in shown:
            predictor.predict(picture)
        rates.append(len(pictures) / (perf_counter() - started))
    return rates, peak()


def masks_of(form: str, source: str, pictures: list[Path], folder: Path) -> list[np.ndarray]:
    """The masks at the network's own side."""
    from wsfcn.inference.predictor import Predictor

    predictor = Predictor(opened(form, source, folder))
    return [predictor.predict(path).mask for path in pictures]


def alone(function: Any, *arguments: Any) -> Any:
    """What the function returns in a new process."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def evenly(pictures: list[Path], count: int) -> list[Path]:
    """At most so many, from all over the list."""
    return pictures[:: -(-len(pictures) // count)]


def resized(picture: Image.Image, side: int) -> Image.Image:
    """The picture with a longer side of ``side`` pixels, enlarged if need be."""
    factor = side / max(picture.size)
    width, height = (max(1, round(length * factor)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def export_all(source: str, calibrate: list[Path], folder: Path) -> None:
    """Write each ONNX form into the folder."""
    from wsfcn.deploy.export import export_onnx
    from wsfcn.deploy.load import open_checkpoint

    checkpoint = open_checkpoint(source)
    some = evenly(calibrate, CALIBRATED_ON)
    export_onnx(folder / "fp32.onnx", checkpoint)
    export_onnx(folder / "fp16.onnx", checkpoint, precision="fp16")
    export_onnx(folder / "int8.onnx", checkpoint, precision="int8", calibrate=some)


def miou(masks: list[np.ndarray], pictures: list[Path], truth: Path, classes: Any) -> float:
    """Of the masks against the truth, in per cent."""
    with tempfile.TemporaryDirectory() as folder:
        for mask, path in zip(masks, pictures, strict=True):
            write_mask(Path(folder) / f"{path.stem}.png", mask)
        names = [path.stem for path in pictures]
        return evaluate_folder(Path(folder), truth, classes, names).miou


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--sides", nargs="+", type=int, default=[320, 640])
    parser.add_argument("--cores", nargs="+", type=int, default=[1])
    parser.add_argument("--timed", type=int, default=48, help="pictures to time")
    parser.add_argument(
        "--calibrate", nargs="+", required=True, help="pictures for int8, or folders"
    )
    parser.add_argument("--truth", type=Path, help="folder of true masks, for mIoU")
    arguments = parser.parse_args()
    pictures = find_pictures(arguments.pictures)
    timed = evenly(pictures, arguments.timed)
    table = Table(title=f"pictures: {len(pictures)}, timed: {len(timed)}; one view")
    table.add_column("form")
    for cores in arguments.cores:
        for side in arguments.sides:
            table.add_column(f"/s at {side}, cores: {cores}", justify="right")
    for column in ("GiB at most", "MB of file", "mask as PyTorch's", "mIoU"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_all(arguments.checkpoint, find_pictures(arguments.calibrate), folder)
        expected: list[np.ndarray] = []
        for form in FORMS:
            asked = (form, arguments.checkpoint, timed, arguments.sides, folder)
            try:
                found = [alone(speeds, *asked, cores) for cores in arguments.cores]
            except ModuleNotFoundError as error:
                print(f"{form}: not measured ({error})")
                continue
            rates = [f"{rate:.1f}" for some, _ in found for rate in some]
            memory = f"{found[0][1]:.2f}"
            if form == "decoding":
                table.add_row(form, *rates, memory)
                continue
            masks = alone(masks_of, form, arguments.checkpoint, pictures, folder)
            expected = expected or masks
            pairs = zip(masks, expected, strict=True)
            same = np.mean([(mask == other).mean() for mask, other in pairs])
            file = folder / f"{file_of(form)}.onnx"
            size = f"{file.stat().st_size / 1e6:.1f}" if file.exists() else ""
            quality = ""
            if arguments.truth:
                from wsfcn.deploy.load import open_checkpoint

                classes = open_checkpoint(arguments.checkpoint).classes
                quality = f"{miou(masks, pictures, arguments.truth, classes):.2f}"
            table.add_row(form, *rates, memory, size, f"{100 * same:.2f} %", quality)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
