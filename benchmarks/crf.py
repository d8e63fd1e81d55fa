"""The dense CRF against pydensecrf: agreement, and time as a ratio, lattices included.

    python benchmarks/crf.py PICTURES...        needs the extra `crf`

Masks are smooth noise over three classes. pydensecrf runs twice: over all 21 classes, as research
code runs it, and over the three alone. Published settings, two threads.
"""

import sys
from time import perf_counter

import numba
import numpy as np
import pydensecrf.densecrf as densecrf
from scipy.ndimage import gaussian_filter

from wsfcn.images import read_picture
from wsfcn.inference.folder import find_pictures
from wsfcn.refine.crf import dense_crf


def masks_of(size: tuple[int, int], seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((3, *size))
    shares = np.exp(60 * gaussian_filter(noise, (0, 12, 12)))
    return (shares / shares.sum(0)).astype(np.float32)


def reference(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    crf = densecrf.DenseCRF2D(image.shape[1], image.shape[0], len(masks))
    crf.setUnaryEnergy(-np.log(masks.clip(1e-5)).reshape(len(masks), -1))
    crf.addPairwiseGaussian(sxy=3, compat=3)
    crf.addPairwiseBilateral(sxy=30, srgb=13, rgbim=image, compat=10)
    return np.array(crf.inference(10)).reshape(masks.shape)


def main() -> None:
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
    pictures = find_pictures(sys.argv[1:])
    seconds = dict.fromkeys(("ours", "21 classes", "like for like"), 0.0)
    equal = []
    dense_crf(np.zeros((9, 9, 3), np.uint8), masks_of((9, 9), 0))  # compiles
    for seed, path in enumerate(pictures):
        image = np.array(read_picture(path))
        masks = masks_of(image.shape[:2], seed)
        padded = np.zeros((21, *image.shape[:2]), np.float32)
        padded[:3] = masks
        found = {}
        for name, function, given in (
            ("ours", dense_crf, masks),
            ("21 classes", reference, padded),
            ("like for like", reference, masks),
        ):
            started = perf_counter()
            found[name] = function(image, given).argmax(0)
            seconds[name] += perf_counter() - started
        equal.append((found["ours"] == found["21 classes"]).mean())
    print(f"{len(pictures)} pictures, equal pixels {100 * np.mean(equal):.4f} %")
    for name in ("21 classes", "like for like"):
        print(f"pydensecrf, {name}: {seconds[name] / seconds['ours']:.2f} times our time")
    print(f"ours: {seconds['ours'] / len(pictures):.3f} s a picture")


if __name__ == "__main__":
    main()
