"""The dense CRF against brute force, and against pydensecrf where it is installed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsfcn.refine.crf import dense_crf
from wsfcn.refine.kernels import blur, sum_of_weights
from wsfcn.refine.lattice import build

PICTURES = Path(__file__).parents[3] / "shared/data/voc-devkit-mini/VOCdevkit/VOC2012/JPEGImages"


def soft_masks(size: tuple[int, int], seed: int = 0, classes: int = 3) -> np.ndarray:
    """Smooth random masks that sum to one."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).standard_normal((classes, *size))
    logits = 60 * gaussian_filter(noise, (0, 12, 12))
    shares = np.exp(logits - logits.max(0))
    return (shares / shares.sum(0)).astype(np.float32)


def test_the_lattice_filters_like_a_gaussian():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 4, (400, 3)).astype(np.float32)
    distance = ((points[:, None] - points[None]) ** 2).sum(-1)
    exact = np.exp(-distance / 2).sum(1)
    found = sum_of_weights(*build(points), 1)
    # The lattice is an approximation; its scale is free, as kernels are normalised.
    assert np.corrcoef(found, exact)[0, 1] > 0.98


def test_weights_are_shares_and_neighbours_mutual():
    points = np.random.default_rng(1).uniform(-9, 9, (500, 5)).astype(np.float32)
    lattice = build(points)
    assert np.allclose(lattice.weights.sum(1), 1, atol=1e-4)
    assert lattice.weights.min() > -1e-4
    assert len(np.unique(lattice.vertices)) == lattice.size
    for up, down in ((0, 1), (1, 0)):
        there = lattice.neighbours[..., up]
        for axis in range(6):
            exists = there[axis] < lattice.size
            back = lattice.neighbours[axis, there[axis][exists], down]
            assert (back == np.flatnonzero(exists)).all()


def test_blur_keeps_a_lone_vertex_and_shares_with_neighbours():
    # One axis, three vertices in a row; the last row stands for those that do not exist.
    neighbours = np.array([[[1, 3], [2, 0], [3, 1]]], np.int32)
    values = np.array([[0.0], [2.0], [0.0], [0.0]], np.float32)
    assert blur(values, neighbours, 1)[:, 0].tolist() == [1, 2, 1, 0]


def test_threads_do_not_change_the_result():
    import numba

    image = np.random.default_rng(2).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    masks = soft_masks((40, 50))
    results = []
    before = numba.get_num_threads()
    for threads in (1, before):
        numba.set_num_threads(threads)
        results.append(dense_crf(image, masks))
    assert np.allclose(results[0], results[1], atol=1e-4)


def test_pytorch_gives_the_same():
    image = np.random.default_rng(2).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    masks = soft_masks((40, 50))
    by_torch = dense_crf(image, masks, device="cpu:0")
    assert np.allclose(dense_crf(image, masks), by_torch, atol=1e-4)


def test_no_iterations_change_nothing():
    masks = soft_masks((8, 9))
    assert (dense_crf(np.zeros((8, 9, 3), np.uint8), masks, iterations=0) == masks).all()


def test_agrees_with_pydensecrf():
    densecrf = pytest.importorskip("pydensecrf.densecrf", reason="needs `pip install wsfcn[crf]`")
    if not PICTURES.exists():
        pytest.skip("needs the devkit pictures")
    for seed, path in enumerate(sorted(PICTURES.iterdir())[:20]):
        image = np.array(Image.open(path).convert("RGB"))
        masks = soft_masks(image.shape[:2], seed)
        reference = densecrf.DenseCRF2D(image.shape[1], image.shape[0], len(masks))
        reference.setUnaryEnergy(-np.log(masks.clip(1e-5)).reshape(len(masks), -1))
        reference.addPairwiseGaussian(sxy=3, compat=3)
        reference.addPairwiseBilateral(sxy=30, srgb=13, rgbim=image, compat=10)
        expected = np.array(reference.inference(10)).reshape(masks.shape)
        found = dense_crf(image, masks)
        assert (found.argmax(0) == expected.argmax(0)).mean() > 0.999
        assert np.abs(found - expected).max() < 0.01
