"""Is the order of `wsfcn review` right? The first tenth of its list against random ones, by truth.

    python benchmarks/review.py RUN DATA -o OUT

Only pictures of DATA that have truth are listed and measured. Masks are those of `wsfcn predict`,
of one view. Printed for each split: mIoU of all pictures, of the first, second and last tenth, and
of 1000 random tenths; and the rank correlation of worth and a picture's own mIoU. OUT/order.csv has
a line a picture.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Int
from rich.progress import track
from scipy.stats import spearmanr

from wsfcn.config import DataSettings
from wsfcn.data.dataset import TaggedPicture, TaggedPictures, open_data
from wsfcn.deploy.load import open_network
from wsfcn.evaluation import ConfusionMatrix
from wsfcn.files import write_table
from wsfcn.inference.predictor import Predictor
from wsfcn.review import Signs, review

DRAWS = 1000


def with_truth(data: TaggedPictures) -> TaggedPictures:
    """The pictures whose truth is known."""

    def known(pictures: tuple[TaggedPicture, ...]) -> tuple[TaggedPicture, ...]:
        return tuple(picture for picture in pictures if data.truth(picture.name))

    return replace(data, train=known(data.train), val=known(data.val))


def miou(counts: ConfusionMatrix, matrices: Int[np.ndarray, "n c c"]) -> float:
    """The mIoU of pictures together."""
    counts.matrix = matrices.sum(0)
    return counts.compute().miou


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("root", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    network = open_network(given.run, "cpu")
    data = with_truth(open_data(DataSettings(root=given.root)))
    reviewed, _ = review(network, data)
    predictor, counts = Predictor(network), ConfusionMatrix(data.classes)
    matrices = []
    for one in track(reviewed, "Measuring", transient=True):
        truth = data.truth(one.name)
        assert truth
        counts.matrix = np.zeros_like(counts.matrix)
        counts.update(truth.read(), predictor.predict(one.path).mask)
        matrices.append(counts.matrix)
    own = [miou(counts, matrix[None]) for matrix in matrices]
    rows = [
        (one.name, one.split, f"{one.worth}", f"{value:.2f}", *(f"{s:.4f}" for s in one.signs))
        for one, value in zip(reviewed, own, strict=True)
    ]
    write_table(
        given.out / "order.csv", [("name", "split", "worth", "miou", *Signs._fields), *rows]
    )
    for split in ("train", "val"):
        places = [n for n, one in enumerate(reviewed) if one.split == split]
        if not places:
            continue
        found = np.array([matrices[n] for n in places])
        tenth, rng = max(len(places) // 10, 1), np.random.default_rng(0)
        draws = [
            miou(counts, found[rng.choice(len(places), tenth, replace=False)]) for _ in range(DRAWS)
        ]
        rank = spearmanr([reviewed[n].worth for n in places], [own[n] for n in places]).statistic
        first, second, last = (
            miou(counts, part) for part in (found[:tenth], found[tenth : 2 * tenth], found[-tenth:])
        )
        print(
            f"{split}: {len(places)} pictures, mIoU {miou(counts, found):.1f}; first tenth "
            f"({tenth}) {first:.1f}, second {second:.1f}, last {last:.1f}; random tenths "
            f"{np.mean(draws):.1f} (deviation {np.std(draws):.1f}, lowest {min(draws):.1f}); rank "
            f"correlation {rank:.2f}"
        )


if __name__ == "__main__":
    main()
