"""The benchmark of fields and the ceiling, on scenes that take seconds."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny
from wsfcn.config import DataSettings
from wsfcn.data.dataset import open_data
from wsfcn.files import write_lines
from wsfcn.images import read_mask, write_mask
from wsfcn.scenes.scenes import write_scenes

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
QUICK = (
    *("--data.crop", "64", "--model.width", "8", "--model.weights", "none"),
    *("--model.backbone", "test_resnet", "--optim.batch", "4"),
    *("--run.workers", "0", "--run.device", "cpu"),
)


@pytest.fixture
def benchmark(monkeypatch):
    """The module of a benchmark, by name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load(name):
        spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Scenes to learn from, without truth, and more to measure."""
    folder = tmp_path_factory.mktemp("sets") / "scenes"
    write_scenes(folder, train=8, val=18, size=tiny.SIZE)
    return folder


@pytest.mark.slow
def test_a_panel_and_the_ceiling_beside_it(benchmark, root, tmp_path):
    fields, ceiling = benchmark("fields"), benchmark("ceiling")
    top, out = tmp_path / "top", tmp_path / "out"
    ceiling.main([str(root), "-o", str(top), "--epochs", "1", *QUICK])
    found = json.loads((top / "ceiling.json").read_text())
    assert (found["learned"], found["measured"]) == (9, 9)
    assert found["data"] == str(root.resolve())
    fields.main([str(root), "-o", str(out), "--optim.epochs", "1", *QUICK])
    run = out / "scenes"
    before = (run / "settings.yaml").stat().st_mtime_ns
    again = tmp_path / "again"
    fields.main(["--only-evaluate", str(run), "-o", str(again), "--ceilings", str(top)])
    assert (run / "settings.yaml").stat().st_mtime_ns == before
    first, second = (
        (folder / "panel.md").read_text().splitlines()[2].split(" | ") for folder in (out, again)
    )
    figures = json.loads((run / "field.json").read_text())
    assert first[3] == second[3] == f"{figures['miou']:.1f}"
    assert (first[5], second[5]) == ("–", f"{found['miou']:.1f}")
    assert float(second[7]) > 0  # minutes
    assert float(second[8]) > 0.1  # GiB
    for folder in (out, again):
        assert (folder / "scenes.jpg").stat().st_size > 1000


def test_without_truth_to_learn_from_every_second_measured_picture_gives_the_ceiling(
    benchmark, tmp_path
):
    ceiling = benchmark("ceiling")
    root = tmp_path / "set"
    (root / "images").mkdir(parents=True)
    tags = {f"p{n:02}": "traffic light;" if n % 3 else ";" for n in range(24)}
    for name in tags:
        Image.new("RGB", (40, 30), "grey").save(root / "images" / f"{name}.png")
    rows = [f"images/{name}.png,{tag}" for name, tag in tags.items()]
    write_lines(root / "tags.csv", ["image,tags", *rows])
    names = list(tags)
    write_lines(root / "train.txt", names[:4])
    write_lines(root / "val.txt", names[4:])
    for n, name in enumerate(names[4:]):
        write_mask(root / "masks" / f"{name}.png", np.full((30, 40), n % 2, np.uint8))
    data = open_data(DataSettings(root=root))
    train, val = ceiling.divided(data)
    ceiling.write_set(tmp_path / "links", data, train, val)
    links = open_data(DataSettings(root=tmp_path / "links"))
    assert [p.name for p in links.train] == names[4::2] == list(links.corrected)
    assert [p.name for p in links.val] == names[5::2]
    assert [p.tags for p in links.val] == [p.tags for p in val]
    assert links.classes == data.classes
    for picture in (*links.train, *links.val):
        true = data.truth(picture.name).read()
        folder = "corrected" if picture in links.train else "masks"
        assert np.array_equal(read_mask(tmp_path / "links" / folder / f"{picture.name}.png"), true)
