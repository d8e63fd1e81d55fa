"""Speed of training and prediction by how threads wait, on a quiet machine and beside busy ones.

    python benchmarks/threads.py [--busy 1] [--seconds 10] [--threads 2]

Each line is a process of its own, in this one run: steps of the default network a second (4 crops
of 160 x 160), and pictures of that size a second. ``--busy`` processes compute beside it.
"""

import argparse
import os
import subprocess
import sys
from time import perf_counter

from rich.console import Console
from rich.table import Table

SETTINGS = {
    "spinning (OpenMP's default)": {},
    "spinning 1,000 times": {"GOMP_SPINCOUNT": "1000"},
    "asleep (our default)": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}


def measure(seconds: float) -> None:
    """Print steps and pictures a second of this process."""
    import torch

    from wsfcn.config import ModelSettings
    from wsfcn.models.segmenter import build_segmenter

    torch.manual_seed(0)
    model = build_segmenter(ModelSettings(weights="none"), 7).train()
    learns = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learns, 1e-4)
    image = torch.rand(4, 3, 160, 160).to(memory_format=torch.channels_last)

    def step() -> None:
        prediction = model(image)
        optimizer.zero_grad()
        (prediction.logits.square().mean() + prediction.scores.square().mean()).backward()
        optimizer.step()

    def look() -> None:
        with torch.inference_mode():
            model(image[:1])

    for function in (step, look):
        function()
        started, done = perf_counter(), 0
        while perf_counter() - started < seconds:
            function()
            done += 1
        print(done / (perf_counter() - started))
        model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--busy", type=int, default=1, help="processes that compute beside it")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--threads", default="2")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(arguments.seconds)
        return
    table = Table(title=f"{arguments.threads} threads beside {arguments.busy} busy processes")
    for column in ("threads wait", "steps/s", "pictures/s"):
        table.add_column(column, justify="left" if column == "threads wait" else "right")
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(arguments.busy)
    ]
    try:
        for name, setting in SETTINGS.items():
            done = subprocess.run(
                [sys.executable, __file__, "--one", "--seconds", str(arguments.seconds)],
                env=os.environ | {"OMP_NUM_THREADS": arguments.threads} | setting,
                check=True,
                capture_output=True,
                text=True,
            )
            table.add_row(name, *(f"{float(rate):.2f}" for rate in done.stdout.split()))
    finally:
        for process in busy:
            process.kill()
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
