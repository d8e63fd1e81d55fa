"""Seconds and memory of a training step: the published way, ours, and the bare backbone.

    python benchmarks/step.py                      voc-animals settings
    python benchmarks/step.py --wide --batch 2     WideResNet-38 at crops of 321

All variants run in this one process, in turn, with random pictures; times are the median of the
rounds. Memory is what a step adds to a process of its own (on a GPU, what is allocated at most).
The plain step and the bare backbone run batch norms and convolutions as they come, with the same
layers frozen as in our step beside them. Ratios matter: seconds depend on the machine.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from plain_step import plain_step
from wsfcn.config import ModelSettings, PseudoSettings, TrainSettings, from_dict
from wsfcn.method.step import training_losses
from wsfcn.models.segmenter import Segmenter, build_segmenter
from wsfcn.recipe import read_recipe
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


def network(settings: ModelSettings, classes: int, *, plain: bool = False) -> Segmenter:
    """A network of random weights, whose masks and labels are neither empty nor full.

    ``plain`` leaves out what makes our backbone quick; the same layers are frozen.
    """
    torch.manual_seed(0)
    frozen = settings.frozen_stride
    settings = replace(settings, weights="none", frozen_stride=0 if plain else frozen)
    net = build_segmenter(settings, classes).to(DEVICE)
    if plain:
        net.idle = [m for m in net.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        for module in (*net.backbone.first_layers(frozen), *net.idle):
            module.requires_grad_(False)
    torch.nn.init.constant_(net.head[-1].bias, 1.0)
    return net.train()


def added_memory(step: Callable[[], Tensor]) -> float:
    """GiB that three steps add to the size of this process at most."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the largest size so far
    before = resident("VmRSS")
    for _ in range(3):
        step().backward()
    return (resident("VmHWM") - before) / 2**20


def resident(field: str) -> int:
    """A size of this process in KiB, as Linux tells it."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(field))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wide", action="store_true", help="WideResNet-38 at 321")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", help="print the memory of this step alone")
    arguments = parser.parse_args()

    published = from_dict(TrainSettings, read_recipe(RECIPES / "voc12-wsfcn.yaml"))
    default = from_dict(TrainSettings, read_recipe(RECIPES / "voc-animals-best.yaml"))
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
    plain = network(paper, classes, plain=True)
    as_published = network(paper, classes).to(memory_format=torch.channels_last)
    fast = network(ours, classes).to(memory_format=torch.channels_last)
    still = network(replace(ours, frozen="all"), classes).to(memory_format=torch.channels_last)
    unhurried = network(ours, classes, plain=True).to(memory_format=torch.channels_last)

    def bare() -> Tensor:
        features = unhurried.features(last.image)
        return features.deep.square().mean() + features.shallow.square().mean()

    def ours_as_published() -> Tensor:
        return training_losses(as_published, last, PseudoSettings(balance=1.0), warm=True).total

    def ours_by_default() -> Tensor:
        return training_losses(fast, last, PseudoSettings(), warm=True, own_share=0.5).total

    def ours_frozen() -> Tensor:
        return training_losses(still, last, PseudoSettings(), warm=True, own_share=0.5).total

    def in_bfloat16(step: Callable[[], Tensor]) -> Callable[[], Tensor]:
        def wrapped() -> Tensor:
            with torch.autocast(DEVICE, torch.bfloat16):
                return step()

        return wrapped

    variants: dict[str, Callable[[], Tensor]] = {
        "plain, the published way": lambda: plain_step(plain, batch),
        "ours, published settings": ours_as_published,
    }
    if not arguments.wide:
        variants["ours, default settings"] = ours_by_default
        variants["ours, frozen backbone"] = ours_frozen
    variants["bare backbone"] = bare
    last_ours = ours_as_published if arguments.wide else ours_by_default
    variants["ours, bfloat16"] = in_bfloat16(last_ours)
    variants["bare backbone, bfloat16"] = in_bfloat16(bare)

    if arguments.memory:
        print(added_memory(variants[arguments.memory]))
        return
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
            for net in (plain, as_published, fast, still, unhurried):
                net.zero_grad()
    if DEVICE == "cpu":
        for name in variants:
            command = [sys.executable, *sys.argv, "--memory", name]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            memory[name] = float(done.stdout)
    table = Table(
        title=f"{'WideResNet-38' if arguments.wide else 'voc-animals'}, {arguments.batch} pictures "
        f"at {crop}, {torch.cuda.get_device_name() if DEVICE == 'cuda' else 'CPU'}, "
        f"{torch.get_num_threads()} threads"
    )
    for column in ("step", "seconds", "of plain", "of bare", "GiB", "of plain's"):
        table.add_column(column, justify="left" if column == "step" else "right")
    slowest = median(seconds["plain, the published way"])
    for name, times in seconds.items():
        base = median(seconds["bare backbone, bfloat16" if "bfloat16" in name else "bare backbone"])
        time = median(times)
        share = memory[name] / memory["plain, the published way"]
        ratios = (time / slowest, time / base, memory[name], share)
        table.add_row(name, f"{time:.2f}", *(f"{ratio:.2f}" for ratio in ratios))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
