"""Pictures of more than 8 bits or one page, of hospitals and telephones, and out of memory."""

import io
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tiny
import wsfcn
from wsfcn import images
from wsfcn.checkpoint import load_checkpoint
from wsfcn.config import DataSettings
from wsfcn.data.dataset import open_data
from wsfcn.data.inspect import inspect_data
from wsfcn.deploy.pretrained import save_pretrained
from wsfcn.errors import PictureError, PictureWarning
from wsfcn.images import read_picture, size_of
from wsfcn.inference.given import open_picture
from wsfcn.training.run import train


def ramp(high: float, dtype: type, size: int = 64) -> np.ndarray:
    """Grey values from 0 to ``high``, from left to right."""
    return np.tile(np.linspace(0, high, size), (48, 1)).astype(dtype)


def ends(picture: Image.Image) -> tuple[int, int]:
    """Brightness at the left and the right end."""
    grey = np.asarray(picture.convert("L"))
    return int(grey[0, 0]), int(grey[0, -1])


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (ramp(4095, np.uint16), "a.png"),
        (ramp(4095, np.uint16), "a.tif"),
        (ramp(65535, np.uint16), "a.tif"),
        (ramp(1, np.float32), "a.tif"),
        (ramp(2000, np.float32) - 1000, "a.tif"),
    ],
    ids=str,
)
def test_one_deep_picture_shows_what_it_holds(tmp_path, values, name):
    Image.fromarray(values).save(tmp_path / name)
    dark, bright = ends(read_picture(tmp_path / name))
    assert dark == 0
    assert bright >= 250


def deep_set(root: Path, high: int = 3000) -> Path:
    """Two pictures of 12 bits, the second darker, and one of 8."""
    (root / "images").mkdir(parents=True)
    Image.fromarray(ramp(high, np.uint16)).save(root / "images" / "a.tif")
    Image.fromarray(ramp(high // 2, np.uint16)).save(root / "images" / "b.tif")
    Image.fromarray(ramp(200, np.uint8)).save(root / "images" / "c.png")
    (root / "tags.csv").write_text("image,tags\na,cat\nb,dog\nc,\n")
    (root / "val.txt").write_text("b\n")
    return root


def test_one_rule_for_a_whole_data_set(tmp_path):
    root = deep_set(tmp_path)
    data = open_data(DataSettings(root=root))
    assert data.levels == pytest.approx((0, 3000), abs=5)
    shown = {picture.name: ends(picture.open()) for picture in (*data.train, *data.val)}
    assert shown["a"] == (0, 255)
    assert shown["b"][1] == pytest.approx(127, abs=2)  # darker, as it is
    assert shown["c"] == (0, 200)  # 8 bits stay as they are
    own = open_data(DataSettings(root=root, levels=(0, 6000)))
    assert ends(own.train[0].open())[1] == pytest.approx(127, abs=2)
    assert "0 becomes black, 3000 white" in " ".join(inspect_data(DataSettings(root=root)).notes)


def test_eight_bits_need_no_levels(tmp_path):
    tiny.scenes(tmp_path, 1)
    assert open_data(DataSettings(root=tmp_path)).levels is None


def test_prediction_scales_as_training_did(tmp_path):
    root = tiny.scenes(tmp_path / "scenes", 1)
    for path in sorted((root / "images").iterdir()):
        grey = np.asarray(Image.open(path).convert("L")).astype(np.uint16)
        path.unlink()
        Image.fromarray(grey * 12).save(path.with_suffix(".tif"))
    table = root / "tags.csv"
    suffix = ".jpg" if ".jpg" in table.read_text() else ".png"
    table.write_text(table.read_text().replace(suffix, ".tif"))
    run = train(tiny.settings(root, tmp_path / "run", optim={"epochs": 1}))
    levels = load_checkpoint(run).settings.data.levels
    assert levels is not None
    assert 2000 < levels[1] <= 255 * 12
    save_pretrained(tmp_path / "hub", load_checkpoint(run))
    about = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert about["settings"]["data"]["levels"] == list(levels)
    dark = ramp(700, np.uint16)
    Image.fromarray(dark).save(tmp_path / "dark.tif")
    found = wsfcn.load(tmp_path / "hub", device="cpu").predict(tmp_path / "dark.tif").picture
    assert ends(found)[1] == pytest.approx(255 * (700 - levels[0]) / (levels[1] - levels[0]), abs=2)


def test_of_several_pages_the_first_is_taken_and_said_once(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "TOLD", set())
    first, second = Image.new("L", (9, 6), 200), Image.new("L", (9, 6), 10)
    for name in ("a.tif", "b.tif", "c.gif"):
        first.save(tmp_path / name, save_all=True, append_images=[second])
    with pytest.warns(PictureWarning, match=r"a\.tif has several pages"):
        assert ends(read_picture(tmp_path / "a.tif")) == (200, 200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_picture(tmp_path / "b.tif")
        read_picture(tmp_path / "c.gif")


def dicom(path: Path, photometric: str = "MONOCHROME2") -> Path:
    """A slice of a CT: stored values 0 to 2000, which mean -1000 to 1000."""
    pydicom = pytest.importorskip("pydicom")
    about = pydicom.Dataset()
    about.file_meta = pydicom.dataset.FileMetaDataset()
    about.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    about.SOPClassUID = about.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    about.SOPInstanceUID = about.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    values = ramp(2000, np.uint16)
    about.Rows, about.Columns = values.shape
    about.SamplesPerPixel, about.PhotometricInterpretation = 1, photometric
    about.BitsAllocated, about.BitsStored, about.HighBit, about.PixelRepresentation = 16, 12, 11, 0
    about.RescaleIntercept, about.RescaleSlope = -1000, 1
    about.PixelData = values.tobytes()
    about.save_as(path, enforce_file_format=True)
    return path


def test_dicom(tmp_path):
    path = dicom(tmp_path / "a.dcm")
    assert size_of(path) == (64, 48)
    assert ends(read_picture(path)) == (0, 255)
    dark, bright = ends(read_picture(path, levels=(-2000, 2000)))
    assert (dark, bright) == pytest.approx((64, 191), abs=1)
    assert ends(open_picture(path.read_bytes())) == (0, 255)
    assert ends(read_picture(dicom(tmp_path / "b.dcm", "MONOCHROME1"))) == (255, 0)
    (tmp_path / "c.dcm").write_bytes(path.read_bytes()[:400])
    with pytest.raises(PictureError, match=r"c\.dcm: cannot be read as a picture"):
        read_picture(tmp_path / "c.dcm")


def test_dicom_in_a_data_set(tmp_path):
    for name in ("sick/a.dcm", "sick/b.dcm", "healthy/c.dcm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        dicom(tmp_path / name)
    data = open_data(DataSettings(root=tmp_path))
    assert data.classes.objects == ("sick",)
    assert data.levels == pytest.approx((-1000, 1000), abs=5)


def test_heic(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    picture = Image.new("RGB", (64, 48), (200, 10, 10))
    heif.from_pillow(picture).save(tmp_path / "a.heic")
    found = read_picture(tmp_path / "a.heic")
    assert found.size == (64, 48)
    assert found.getpixel((9, 9))[0] > 180
    assert open_picture((tmp_path / "a.heic").read_bytes()).size == (64, 48)


def plain() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8))


def in_memory() -> dict[str, object]:
    pixels = np.asarray(plain())
    file = io.BytesIO()
    plain().save(file, "PNG")
    opaque = np.full((20, 30, 1), 255, np.uint8)
    return {
        "array": pixels,
        "RGBA": np.concatenate([pixels, opaque], 2),
        "fractions": pixels.astype(np.float32) / 255,
        "floats to 255": pixels.astype(np.float64) * (255 / max(pixels.max(), 1)),
        "integers": pixels.astype(np.int64),
        "tensor": torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255,
        "half tensor on a batch axis": torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None],
        "bytes": file.getvalue(),
        "open file": io.BytesIO(file.getvalue()),
        "image": plain(),
    }


@pytest.mark.parametrize("kind", [*in_memory()])
def test_whatever_people_have_in_memory(kind):
    found = np.asarray(open_picture(in_memory()[kind])).astype(int)
    assert np.abs(found - np.asarray(plain())).max() <= 1


def test_grey_arrays_are_scaled_as_files_are():
    assert ends(open_picture(ramp(255, np.uint8))) == (0, 255)
    assert ends(open_picture(ramp(4095, np.uint16)[..., None])) == (0, 255)
    assert ends(open_picture(ramp(3000, np.uint16), (0, 6000)))[1] == pytest.approx(127, abs=1)
    assert ends(open_picture(ramp(1, np.float32) > 0.5)) == (0, 255)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "expected a path, the bytes of a file or an open one, .* got dict"),
        (None, "got NoneType"),
        (np.zeros((3, 20, 30)), r"got an array of \(3, 20, 30\)"),
        (torch.zeros(2, 20, 30), r"got a tensor of \(2, 20, 30\)"),
        (np.zeros((0, 4)), "no pixels"),
        (np.array([["a"]]), "numbers"),
        (b"no picture", "10 bytes cannot be read as a picture"),
        (io.StringIO("text"), "mode 'rb'"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_picture_is_told_what_would_be(given, message):
    with pytest.raises(PictureError, match=message):
        open_picture(given)
