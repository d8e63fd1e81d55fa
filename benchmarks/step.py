"""Seconds and memory of a training step: the published way, ours, and the bare backbone.

    python benchmarks/step.py                      voc-animals settings
    python benchmarks/step.py --wide --batch 2     WideResNet-38 at crops of 321

All variants run in this one process, in turn, with random pictures; times are the median of the
rounds. Ratios matter: seconds depend on the machine.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from plain_step import plain_step
from wsfcn.cli import read_recipe
from wsfcn.config import ModelSettings, PseudoSettings, TrainSettings, from_dict
from wsfcn.models.segmenter import Segmenter, build_segmenter
from wsfcn.training.step import training_losses
from wsfcn.types import Batch

RECIPES = Path(__file__).parents[1] / "recipes"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def random_batch(count: int, crop: int, objects: int) -> Batch:
    """Pictures of noise, with one to three tags each."""
    image = torch.rand(count, 3, crop, crop, device=DEVICE)
    tags = torch.zeros(count, objects, device=DEVICE)
    for n in range(count):
        tags[n, torch.randperm(objects)[: 1 + n % 3]] = 1
    return Batch(image, tags, [""] * count)


def network(settings: ModelSettings, classes: int) -> Segmenter:
    """A network of random weights, whose masks and labels are neither empty nor full."""
    from dataclasses import replace

    torch.manual_seed(0)
    return build_segmenter(replace(settings, weights="none"), classes).to(DEVICE).train()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wide", action="store_true", help="WideResNet-38 at 321")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    published = from_dict(TrainSettings, read_recipe(RECIPES / "voc12-wsfcn.yaml"))
    default = from_dict(TrainSettings, read_recipe(RECIPES / "voc-animals.yaml"))
    crop = published.data.crop if arguments.wide else default.data.crop
    classes = 21 if arguments.wide else 7
    paper = published.model
    if not arguments.wide:
        paper = from_dict(
            ModelSettings,
            {
                **vars(paper),
                "backbone": default.model.backbone,
                "stride": default.model.stride,
                "width": default.model.width,
                "dilations": default.model.dilations,
            },
        )
    ours = paper if arguments.wide else default.model
    batch = random_batch(arguments.batch, crop, classes - 1)
    last = Batch(batch.image.to(memory_format=torch.channels_last), batch.tags, batch.names)
    network_paper, network_ours = network(paper, classes), network(ours, classes)
    for net in (network_paper, network_ours):
        torch.nn.init.constant_(net.head[-1].bias, 1.0)
    fast = network_ours.to(memory_format=torch.channels_last)

    def bare() -> Tensor:
        features = fast.features(last.image)
        return features.deep.square().mean() + features.shallow.square().mean()

    def ours_as_published() -> Tensor:
        return training_losses(network_paper, batch, PseudoSettings(balance=1.0), warm=True).total

    def ours_by_default() -> Tensor:
        return training_losses(fast, last, PseudoSettings(), warm=True, own_share=0.5).total

    def in_bfloat16(step: Callable[[], Tensor]) -> Callable[[], Tensor]:
        def wrapped() -> Tensor:
            with torch.autocast(DEVICE, torch.bfloat16):
                return step()

        return wrapped

    variants: dict[str, Callable[[], Tensor]] = {
        "plain, the published way": lambda: plain_step(network_paper, batch),
        "ours, published settings": ours_as_published,
    }
    if not arguments.wide:
        variants["ours, default settings"] = ours_by_default
    variants["bare backbone"] = bare
    last_ours = ours_as_published if arguments.wide else ours_by_default
    variants["ours, bfloat16"] = in_bfloat16(last_ours)
    variants["bare backbone, bfloat16"] = in_bfloat16(bare)

    seconds: dict[str, list[float]] = {name: [] for name in variants}
    memory: dict[str, float] = {}
    for _ in range(arguments.rounds):
        for name, step in variants.items():
            if DEVICE == "cuda":
                torch.cuda.reset_peak_memory_stats()
                torch.cuda.synchronize()
            started = perf_counter()
            step().backward()
            if DEVICE == "cuda":
                torch.cuda.synchronize()
                memory[name] = torch.cuda.max_memory_allocated() / 2**30
            seconds[name].append(perf_counter() - started)
            for net in (network_paper, network_ours):
                net.zero_grad()
    table = Table(
        title=f"{'WideResNet-38' if arguments.wide else 'voc-animals'}, {arguments.batch} pictures "
        f"at {crop}, {torch.cuda.get_device_name() if DEVICE == 'cuda' else 'CPU'}, "
        f"{torch.get_num_threads()} threads"
    )
    for column in ("step", "seconds", "of plain", "of bare", "outside the backbone", "GiB"):
        table.add_column(column, justify="left" if column == "step" else "right")
    plain = median(seconds["plain, the published way"])
    for name, times in seconds.items():
        base = median(seconds["bare backbone, bfloat16" if "bfloat16" in name else "bare backbone"])
        time = median(times)
        outside = f"{max(0, 1 - base / time):.0%}" if "bare" not in name else ""
        gib = f"{memory[name]:.1f}" if name in memory else ""
        table.add_row(
            name, f"{time:.2f}", f"{time / plain:.2f}", f"{time / base:.2f}", outside, gib
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
