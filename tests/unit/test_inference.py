"""From a network to masks, files and COCO objects."""

import copy
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wsfcn.checkpoint import Checkpoint
from wsfcn.config import DataSettings, ModelSettings, PredictSettings, TrainSettings
from wsfcn.errors import CheckpointError, PictureError, SettingError
from wsfcn.exchange.convert import convert
from wsfcn.files import read_lines
from wsfcn.images import read_mask
from wsfcn.inference.folder import find_pictures, named_pictures, part_of, predict_folder
from wsfcn.inference.forms import predict_form
from wsfcn.inference.multiscale import average, look
from wsfcn.inference.outputs import annotations
from wsfcn.inference.predictor import Predictor
from wsfcn.inference.pytorch import TorchNetwork
from wsfcn.inference.tiles import windows
from wsfcn.maps import Sizes
from wsfcn.models.segmenter import build_segmenter
from wsfcn.types import Classes

CLASSES = Classes(("background", "cat", "dog", "cow"))
NETWORK = ModelSettings(weights="imagenet", width=16)
TRAINED = (TrainSettings(model=NETWORK, data=DataSettings(crop=64)), CLASSES)


@pytest.fixture(scope="module")
def network() -> TorchNetwork:
    """A network of random weights that sees objects."""
    torch.manual_seed(0)
    model = build_segmenter(TRAINED[0].model, len(CLASSES)).eval()
    with torch.no_grad():
        model.head[-1].weight.mul_(30)
        model.head[-1].bias.fill_(1.0)
        model.tag_head.bias.fill_(2.0)
    return TorchNetwork(Checkpoint(model, *TRAINED), "cpu")


def picture(size: tuple[int, int] = (100, 70), seed: int = 0) -> Image.Image:
    """Coloured blobs."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("size", [(100, 70), (33, 161), (1, 1), (500, 320)])
@pytest.mark.parametrize("refine", ["none", "pamr", "crf"])
def test_masks_have_the_pictures_size(network, size, refine):
    settings = PredictSettings(scales=(1.0, 0.5), flip=True, refine=refine)
    found = Predictor(network, settings).predict(picture(size))
    assert found.mask.shape == (size[1], size[0])
    assert found.mask.max() < len(CLASSES)
    assert next(iter(found.probabilities)) == "background"
    assert set(found.tags) == set(CLASSES.objects)


@pytest.mark.parametrize("part", ["head.4.bias", "tag_head.bias"])
def test_a_network_that_has_failed_makes_no_mask(network, part):
    broken = copy.deepcopy(network)
    broken.model.get_parameter(part).data.fill_(torch.nan)
    with pytest.raises(CheckpointError, match="its masks are not finite"):
        Predictor(broken).predict(picture())


def test_a_path_a_picture_and_an_array_give_the_same(network, tmp_path):
    predictor = Predictor(network)
    picture().save(tmp_path / "a.png")
    masks = [
        predictor.predict(image).mask
        for image in (tmp_path / "a.png", str(tmp_path / "a.png"), picture(), np.array(picture()))
    ]
    assert all((mask == masks[0]).all() for mask in masks)
    with pytest.raises(PictureError, match=r"expected a path, .* got an array of \(4, 4, 2\)"):
        predictor.predict(np.zeros((4, 4, 2), np.uint8))


def test_flipped_views_make_the_mask_symmetric(network):
    predictor = Predictor(network, PredictSettings(flip=True))
    one = predictor.predict(picture()).probabilities["cat"]
    other = predictor.predict(picture().transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert np.allclose(one, other.probabilities["cat"][:, ::-1], atol=2e-3)


def test_views_are_averaged(network):
    views = [look(network, picture(), scale, tile=1024) for scale in (1.0, 0.5)]
    mean = average(views, range(4), (70, 100))
    apart = [average([view], range(4), (70, 100)) for view in views]
    assert torch.allclose(mean, (apart[0] + apart[1]) / 2, atol=1e-6)


def sizes_seen(network, picture, monkeypatch, **settings):
    """Sizes, (width, height), in which a network sees a picture."""
    seen = []
    monkeypatch.setattr(network.model, "forward", watched(network.model.forward, seen))
    found = Predictor(network, PredictSettings(**settings)).predict(picture)
    assert found.mask.shape == picture.size[::-1]
    monkeypatch.undo()
    return seen


def watched(forward, seen):
    def see(image):
        seen.append((image.shape[3], image.shape[2]))
        return forward(image)

    return see


def test_views_have_sizes_in_which_the_network_sees_well(network, monkeypatch):
    small, large = picture((60, 40)), picture((120, 90))
    assert network.sizes == (64, 96)  # enlarged to one and a half crops; in steps of a cell
    assert sizes_seen(network, small, monkeypatch) == [(128, 64)]
    assert sizes_seen(network, small, monkeypatch, scales=(0.5, 1.0)) == [(64, 32), (128, 64)]
    assert sizes_seen(network, small, monkeypatch, min_side=0) == [(64, 32)]
    assert sizes_seen(network, large, monkeypatch) == [(128, 96)]
    assert sizes_seen(network, large, monkeypatch, min_side=200, max_side=60) == [(224, 160)]


def test_sizes_differ_from_the_crops_by_whole_cells():
    assert Sizes(100).best((100, 333)) == (100, 324)
    assert Sizes(100).best((1, 17)) == (36, 36)
    assert Sizes(321).best((500, 375), 0.5) == (257, 193)


def test_networks_as_published_see_pictures_as_they_are():
    model = build_segmenter(ModelSettings(weights="none", width=16, scoring="masks"), 4)
    assert model.sizes(64) == Sizes() == (0, 0)
    assert model.sizes(64).best((33, 70)) == (33, 70)


def test_classes_below_the_cut_get_no_pixel(network):
    found = Predictor(network, PredictSettings(class_cut=1.0)).predict(picture())
    assert not found.mask.any()
    assert list(found.probabilities) == ["background"]


def test_the_background_can_be_a_constant(network):
    low = Predictor(network, PredictSettings(background=0.0)).predict(picture())
    high = Predictor(network, PredictSettings(background=1.0)).predict(picture())
    assert (low.mask > 0).all()
    assert not high.mask.any()


def test_tiles_cover_and_show_no_seam(network):
    covered = np.zeros((700, 900), int)
    for top, left, height, width in windows((700, 900), 512):
        covered[top : top + height, left : left + width] += 1
    assert covered.min() >= 1
    large = picture((640, 448))
    whole = look(network, large, tile=4096).masks
    tiled = look(network, large, tile=416).masks
    assert whole.shape == tiled.shape
    assert (whole - tiled).abs().mean() < 0.01
    assert (whole.argmax(1) == tiled.argmax(1)).float().mean() > 0.99


def test_predictions_in_another_tools_form(network, tmp_path):
    for name in ("a/1", "b/1"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        picture(seed=len(name) + ord(name[0])).save(tmp_path / "in" / f"{name}.jpg")
    (tmp_path / "in" / "a" / "2.jpg").write_bytes(b"no picture")
    pictures = find_pictures([tmp_path / "in" / "a", tmp_path / "in" / "b"])
    predictor = Predictor(network, PredictSettings(background=0.2))
    done = predict_form(predictor, pictures, "labelstudio", tmp_path / "tasks.json")
    assert done.count == 2
    assert ["a/2.jpg" in str(error) for error in done.broken] == [True]
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert [task["data"]["file"] for task in tasks] == ["a/1.jpg", "b/1.jpg"]
    assert 0 < tasks[0]["predictions"][0]["score"] < 1
    convert(tmp_path / "tasks.json", "masks", tmp_path / "back", pictures=tmp_path / "in")
    mask = predictor.predict(pictures[0]).mask
    assert mask.any()
    present = {CLASSES.names[k] for k in np.unique(mask)} - {"background"}
    names = read_lines(tmp_path / "back" / "classes.txt")
    found = read_mask(tmp_path / "back" / "a" / "1.png")
    for name in present:
        assert ((found == names.index(name)) == (mask == CLASSES.index(name))).all()
    own = tmp_path / "own" / "1.png"
    own.parent.mkdir()
    picture().save(own)
    with pytest.raises(SettingError, match="would replace"):
        predict_form(predictor, [own], "masks", own.parent, add=True)


def test_annotations_by_class_and_by_component():
    mask = np.array([[1, 0, 1], [0, 0, 0], [2, 2, 0]], np.uint8)
    by_class = annotations(mask, 4)
    assert [(item["category_id"], item["area"]) for item in by_class] == [(1, 2), (2, 2)]
    parts = annotations(mask, 4, "components")
    assert [(item["category_id"], item["area"]) for item in parts] == [(1, 1), (1, 1), (2, 2)]


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    (tmp_path / "in").mkdir()
    for n in range(3):
        picture(seed=n).save(tmp_path / "in" / f"p{n}.jpg")
    return find_pictures([tmp_path / "in"])


def test_a_folder_of_masks_and_what_goes_with_them(network, pictures, tmp_path, capsys):
    from pycocotools.coco import COCO

    predictor = Predictor(network, PredictSettings(background=0.2))
    out, coco = tmp_path / "out", tmp_path / "objects.json"
    predict_folder(predictor, pictures, out, overlays=True, probabilities=True, coco=coco)
    for path in pictures:
        mask = read_mask(out / f"{path.stem}.png")
        soft = np.load(out / f"{path.stem}.npz")
        assert soft["probabilities"].dtype == np.float16
        index = [CLASSES.index(name) for name in soft["classes"]]
        assert (np.array(index)[soft["probabilities"].argmax(0)] == mask).mean() > 0.99
        assert Image.open(out / f"{path.stem}-overlay.jpg").size == (100, 70)
    loaded = COCO(str(coco))
    for number, path in enumerate(pictures, start=1):
        mask = read_mask(out / f"{path.stem}.png")
        for item in loaded.loadAnns(loaded.getAnnIds(number)):
            assert (loaded.annToMask(item) == (mask == item["category_id"])).all()
            assert 0 <= item["score"] <= 1
    results = json.loads(coco.read_text())["annotations"]
    assert len(loaded.loadRes(results).anns) == len(results) > 0


def test_folders_are_kept(network, tmp_path):
    for n, name in enumerate(("cat/1.jpg", "dog/1.jpg", "masks/cat/1.png")):
        path = tmp_path / "in" / "images" / name
        path = path if n < 2 else tmp_path / "in" / name
        path.parent.mkdir(parents=True)
        picture(seed=n).save(path)
    out, coco = tmp_path / "in" / "out", tmp_path / "o.json"
    for _ in range(2):  # what was written is no picture, the second time
        names = named_pictures([tmp_path / "in"], out)
        assert [*names.values()] == ["cat/1", "dog/1"]
        predict_folder(
            Predictor(network),
            [*names],
            out,
            overlays=True,
            probabilities=True,
            coco=coco,
            names=names,
        )
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*"))
    assert written == [
        f"{k}/1{end}" for k in ("cat", "dog") for end in ("-overlay.jpg", ".npz", ".png")
    ]
    files = [item["file_name"] for item in json.loads(coco.read_text())["images"]]
    assert files == ["cat/1.jpg", "dog/1.jpg"]


def test_an_interrupted_run_goes_on(network, pictures, tmp_path):
    predictor = Predictor(network)
    predict_folder(predictor, pictures[:2], tmp_path / "out")
    first = tmp_path / "out" / "p0.png"
    before = first.stat().st_mtime_ns
    coco = tmp_path / "o.json"
    predict_folder(predictor, pictures, tmp_path / "out", skip_existing=True, coco=coco)
    assert first.stat().st_mtime_ns == before
    assert (tmp_path / "out" / "p2.png").exists()
    assert len(json.loads(coco.read_text())["images"]) == 3


def test_broken_pictures_are_reported_and_the_others_done(network, pictures, tmp_path):
    pictures[1].write_bytes(b"no picture")
    broken = predict_folder(Predictor(network), pictures, tmp_path / "out")
    assert [str(pictures[1]) in str(error) for error in broken] == [True]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["p0.png", "p2.png"]


def test_a_picture_is_looked_at_once_whatever_stands_in_its_exif(network, pictures, tmp_path):
    picture().save(pictures[1].with_suffix(".jpg"), exif=b"Exif\0\0garbage")
    predictor = Predictor(network)
    garbage = [pictures[0], pictures[1].with_suffix(".jpg"), pictures[2]]
    assert predict_folder(predictor, garbage, tmp_path / "out") == []
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_pipes_links_and_long_names_cost_only_themselves(network, pictures, tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    long = tmp_path / f"{'n' * 251}.jpg"
    picture().save(long)
    odd = [tmp_path / "pipe.jpg", tmp_path / "loop.jpg", long]
    found = find_pictures([*pictures, *odd])
    predictor = Predictor(network)
    broken = predict_folder(predictor, found, tmp_path / "out")
    assert len(broken) == 2
    assert len(list((tmp_path / "out").iterdir())) == 4
    broken = predict_folder(predictor, found, tmp_path / "more", overlays=True)
    assert [str(long) in str(error) for error in broken] == [False, False, True]
    assert len(list((tmp_path / "more").iterdir())) == 2 * len(pictures)


def test_what_is_asked_for_anew_is_written_and_an_empty_mask_is_none(network, pictures, tmp_path):
    predictor, out = Predictor(network), tmp_path / "out"
    predict_folder(predictor, pictures, out)
    (out / "p1.png").write_bytes(b"")
    (out / "p2.png").write_bytes((out / "p2.png").read_bytes()[:-5])
    kept = (out / "p0.png").stat().st_mtime_ns
    predict_folder(predictor, pictures, out, skip_existing=True)
    assert (out / "p0.png").stat().st_mtime_ns == kept
    assert read_mask(out / "p1.png").shape == read_mask(out / "p2.png").shape
    wanted = {"overlays": True, "probabilities": True, "skip_existing": True}
    predict_folder(predictor, pictures, out, **wanted)
    assert len(list(out.iterdir())) == 9
    times = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    (out / "p0.npz").write_bytes(b"")
    predict_folder(predictor, pictures, out, **wanted)
    changed = {path.name for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert changed == {"p0.png", "p0.npz", "p0-overlay.jpg"}


def test_no_picture_is_ever_replaced(network, tmp_path):
    for name in ("a.jpg", "a-overlay.jpg", "b.png"):
        picture().save(tmp_path / name)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    predictor = Predictor(network)
    jpegs = find_pictures([tmp_path / "*.jpg"])
    for options in (
        {"overlays": True},
        {"coco": tmp_path / "a.jpg"},
        {"coco": tmp_path / "a.png"},  # a mask
        {"coco": tmp_path / "b.png", "inputs": [tmp_path / "b.png"]},
    ):
        with pytest.raises(SettingError, match=r"would replace what is read|told by its name"):
            predict_folder(predictor, jpegs, tmp_path, **options)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    predict_folder(predictor, jpegs, tmp_path)
    assert all(path.read_bytes() == content for path, content in before.items())


def test_what_cannot_be_written_or_found_is_refused(network, pictures, tmp_path):
    predictor = Predictor(network)
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="is a file"):
        predict_folder(predictor, pictures, tmp_path / "file")
    with pytest.raises(SettingError, match="two pictures are named 'p0'"):
        predict_folder(predictor, [pictures[0], tmp_path / "p0.png"], tmp_path / "out")
    picture().save(tmp_path / "own.png")
    with pytest.raises(SettingError, match=r"own\.png: would replace what is read"):
        predict_folder(predictor, [tmp_path / "own.png"], tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PictureError, match="no pictures"):
        find_pictures([tmp_path / "empty"])
    with pytest.raises(PictureError, match="no such picture"):
        find_pictures([tmp_path / "*.gif"])


def test_a_truncated_picture_object_is_a_broken_picture(network, tmp_path):
    picture().save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:-60])
    with Image.open(tmp_path / "b.png") as half, pytest.raises(PictureError, match="decoded"):
        Predictor(network).predict(half)


@pytest.mark.parametrize("change", [{"tile": 256}, {"tile": 1000}, {"scales": ()}])
def test_settings_that_cannot_work_are_refused(change):
    with pytest.raises(SettingError, match=f"{next(iter(change))}: "):
        PredictSettings(**change)


def test_parts_hold_each_picture_once(monkeypatch):
    pictures = [Path(f"{n}.jpg") for n in range(11)]
    parts = [part_of(pictures, None, f"{n}/4")[0] for n in range(1, 5)]
    assert sorted(path for part in parts for path in part) == sorted(pictures)
    monkeypatch.setenv("WORLD_SIZE", "4")
    for rank, part in enumerate(parts):
        monkeypatch.setenv("RANK", str(rank))
        assert part_of(pictures, Path("all.json"), None) == (part, Path(f"all-{rank + 1}of4.json"))
    for wrong in ("0/4", "5/4", "4", "x/y"):
        with pytest.raises(SettingError, match="the second of eight parts is 2/8"):
            part_of(pictures, None, wrong)
