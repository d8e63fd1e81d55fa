"""Pictures per second and peak memory of prediction: the published way and ours, same weights.

    python benchmarks/predict.py CHECKPOINT PICTURES... [--preset published] [--refine none]

The published way takes one picture at a time, each view padded to 1024 x 1024, and all classes, at
least VOC's 21, in pydensecrf (install the extra `crf`). Both use the same views, in this one run,
each in a process of its own so that its memory can be told; reading and writing count.
"""

import argparse
import resource
import tempfile
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.nn import functional as F

from wsfcn.checkpoint import load_checkpoint
from wsfcn.config import PredictSettings, preset_settings
from wsfcn.images import read_picture, write_mask
from wsfcn.inference.folder import find_pictures, predict_folder
from wsfcn.inference.predictor import Predictor
from wsfcn.inference.pytorch import TorchNetwork

PADDED = 1024


class Measured(NamedTuple):
    seconds: float
    gigabytes: float


def published_way(source: str, pictures: list[Path], settings: PredictSettings, out: Path) -> None:
    """Padded views one after the other, and a CRF over all classes."""
    model = load_checkpoint(source).model
    for path in pictures:
        picture = read_picture(path)
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
        height, width = pixels.shape[2:]
        masks, tags = [], []
        with torch.inference_mode():
            for scale in settings.scales:
                size = (round(height * scale), round(width * scale))
                view = F.interpolate(pixels, size, mode="bicubic").clamp(0, 1)
                for flipped in (False, True) if settings.flip else (False,):
                    padded = torch.zeros(1, 3, PADDED, PADDED)
                    padded[:, :, : size[0], : size[1]] = view.flip(-1) if flipped else view
                    logits, scores, *_ = model(padded)
                    soft = F.interpolate(logits.softmax(1), (PADDED, PADDED), mode="bilinear")
                    soft = soft[:, :, : size[0], : size[1]]
                    soft = F.interpolate(
                        soft.flip(-1) if flipped else soft, (height, width), mode="bilinear"
                    )
                    masks.append(soft)
                    tags.append(scores.sigmoid())
        mean = torch.cat(masks).mean(0)
        mean[1:] *= (torch.cat(tags).amax(0) > settings.class_cut)[:, None, None]
        if settings.refine == "crf":
            mean[0] = (1 - mean[1:].amax(0)) ** 5
            write_mask(out / f"{path.stem}.png", reference_crf(np.array(picture), mean.numpy()))
        else:
            mean[0] = 0.25
            write_mask(out / f"{path.stem}.png", mean.argmax(0).byte().numpy())


def reference_crf(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The mask by pydensecrf at the published settings, over VOC's 21 classes or more."""
    import pydensecrf.densecrf as densecrf

    absent = np.zeros((max(0, 21 - len(masks)), *masks.shape[1:]), masks.dtype)
    masks = np.concatenate([masks, absent])
    crf = densecrf.DenseCRF2D(image.shape[1], image.shape[0], len(masks))
    crf.setUnaryEnergy(-np.log(masks.clip(1e-5)).reshape(len(masks), -1))
    crf.addPairwiseGaussian(sxy=3, compat=3)
    crf.addPairwiseBilateral(sxy=30, srgb=13, rgbim=image, compat=10)
    return np.array(crf.inference(10)).reshape(masks.shape).argmax(0).astype(np.uint8)


def our_way(source: str, pictures: list[Path], settings: PredictSettings, out: Path) -> None:
    predict_folder(Predictor(TorchNetwork(load_checkpoint(source)), settings), pictures, out)


def measure(way: str, *arguments) -> Measured:
    """Run one way, after a first picture that pays for compiling and loading."""
    source, pictures, settings, out = arguments
    torch.set_num_threads(2)
    function = {"published": published_way, "ours": our_way}[way]
    function(source, pictures[:1], settings, out)
    started = perf_counter()
    function(source, pictures, settings, out)
    seconds = perf_counter() - started
    return Measured(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--preset", default="published")
    parser.add_argument("--refine", default="crf", choices=("none", "crf"))
    arguments = parser.parse_args()
    settings = preset_settings(arguments.preset, refine=arguments.refine, max_side=0)
    pictures = find_pictures(arguments.pictures)
    table = Table(title=f"{len(pictures)} pictures, preset {arguments.preset}, {arguments.refine}")
    for column in ("way", "pictures/s", "of the published way", "GB at most"):
        table.add_column(column, justify="left" if column == "way" else "right")
    base = None
    for way in ("published", "ours"):
        with tempfile.TemporaryDirectory() as folder, get_context("spawn").Pool(1) as pool:
            found = pool.apply(
                measure, (way, arguments.checkpoint, pictures, settings, Path(folder))
            )
        rate = len(pictures) / found.seconds
        base = base or rate
        table.add_row(way, f"{rate:.2f}", f"{rate / base:.2f}", f"{found.gigabytes:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
