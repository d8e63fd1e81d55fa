"""Every reader of files that come from elsewhere, with the files it is to be tried on.

A reader is a function from a folder, in which the drawn content lies under the given name. It
returns or raises one of our errors; nothing else.
"""

import io
import json
import pickle
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy.io import savemat

from hostile import VALUES, WORDS, encoded, files, json_like, shaped, table
from wsfcn import checkpoint, config, evaluation, figures, images, published, report
from wsfcn.data import classes, dataset, forms
from wsfcn.data.benchmarks import coco, download, voc
from wsfcn.exchange.convert import FORMS, convert, given_for, write
from wsfcn.exchange.labelled import Collection, Labelled
from wsfcn.types import Classes

CATS = Classes(("background", "cat", "dog"))


class Reader(NamedTuple):
    """What is tried: the name of the file, its contents, and who reads it."""

    name: str
    contents: st.SearchStrategy[bytes]
    read: Callable[[Path], Any]


def picture(suffix: str, **options: Any) -> bytes:
    file = io.BytesIO()
    values = np.arange(12 * 10 * 3, dtype=np.uint8).reshape(10, 12, 3)
    Image.fromarray(values).save(file, suffix, **options)
    return file.getvalue()


def drawn(mode: str, size: tuple[int, int], value: int, kind: str) -> bytes:
    """A picture of one value, where the form knows the mode; else no bytes."""
    file = io.BytesIO()
    try:
        Image.new(mode, size, value if len(mode) == 1 or mode == "I;16" else None).save(file, kind)
    except (OSError, KeyError, ValueError):
        return b""
    return file.getvalue()


def mask() -> bytes:
    file = io.BytesIO()
    shown = Image.fromarray(np.arange(120, dtype=np.uint8).reshape(10, 12) % 3)
    shown.putpalette(images.voc_palette().tobytes())
    shown.save(file, "PNG")
    return file.getvalue()


def exif() -> bytes:
    found = Image.Exif()
    found[0x0112], found[0x010E] = 6, "a picture"
    return found.tobytes()


def saved(write: Callable[..., Any], *content: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    write(file, *content, **options)
    return file.getvalue()


def torch_file(content: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def archive(kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as zipped:
            zipped.writestr("kept/a.txt", "text")
            zipped.writestr("../outside.txt", "text")
        return file.getvalue()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in ("kept/a.txt", "../outside.txt", "/tmp/wsfcn-outside.txt"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            tar.addfile(entry, io.BytesIO(b"text"))
    return file.getvalue()


def zipped(content: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return file.getvalue()


VECTORS = {"a": np.array([1, 0], np.float32), "b": np.array([0, 1], np.float32)}
COCO = {
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "images": [{"id": n, "file_name": f"{n}.jpg", "height": 10, "width": 12} for n in (1, 2)],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "area": 4, "iscrowd": 0,
         "segmentation": [[1, 1, 4, 1, 4, 4]]},
        {"id": 2, "image_id": 2, "category_id": 2, "area": 9.5, "iscrowd": 1,
         "segmentation": {"size": [10, 12], "counts": [0, 30, 90]}},
        {"id": 3, "image_id": 2, "category_id": 1, "area": 9.5, "iscrowd": 0,
         "segmentation": {"size": [10, 12], "counts": "08T3"}},
    ],
}  # fmt: skip
HEADER = checkpoint.header(config.TrainSettings(), CATS)
SETTINGS = config.to_dict(config.TrainSettings())
CURVES = b"step,loss/tags,loss/masks,val/miou\n0,1.5,2,\n1,1.2,1,\n2,1,1,30\n"
METRICS = {
    "miou": 50.0, "pixel_accuracy": 60.0, "iou": {"background": 50.0, "cat": None},
    "precision": {"background": 50.0, "cat": 1.0}, "recall": {"background": 50.0, "cat": 1.0},
    "confusion": [[1, 2], [3, 4]],
}  # fmt: skip
XML = b"<annotation><object><name>cat</name></object><object><name>dog</name></object></annotation>"
BOMB = b"""<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;">]>
<annotation><object><name>&y;&y;</name></object></annotation>"""


def tagged(folder: Path) -> Any:
    return forms.read_tags(folder)


def opened(folder: Path) -> Any:
    """A data set whose tags are whole: its classes and splits."""
    (folder / "images").mkdir()
    for name in ("a", "b", "c"):
        (folder / "images" / f"{name}.jpg").write_bytes(JPEG)
    if not (folder / "tags.csv").exists():
        (folder / "tags.csv").write_text(
            "image,tags\nimages/a.jpg,cat\nimages/b.jpg,dog\nimages/c.jpg,cat dog\n"
        )
    return dataset.open_data(config.DataSettings(root=folder))


def prepared_coco(folder: Path) -> Any:
    (folder / "train2014").mkdir()
    for n in (1, 2):
        (folder / "train2014" / f"{n}.jpg").write_bytes(JPEG)
    coco.prepare_coco(folder, folder / "out", "14", workers=0)
    return dataset.open_data(config.DataSettings(root=folder / "out", untagged=True))


def prepared_voc(folder: Path) -> Any:
    lists = folder / "VOCdevkit/VOC2012/ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for name in ("JPEGImages", "SegmentationClass", "Annotations"):
        (lists.parents[1] / name).mkdir()
    (lists.parents[1] / "JPEGImages" / "a.jpg").write_bytes(JPEG)
    (lists / "train.txt").write_text("a\n")
    (lists / "val.txt").write_text("")
    sbd = folder / "benchmark_RELEASE/dataset"
    (sbd / "cls").mkdir(parents=True)
    for name in ("train", "val"):
        (sbd / f"{name}.txt").write_text("")
    (folder / "a.mat").rename(sbd / "cls" / "a.mat")
    return voc.prepare_voc12(folder, folder / "out")


def soft(folder: Path) -> Any:
    (folder / "truth").mkdir()
    (folder / "truth" / "a.png").write_bytes(MASK)
    return evaluation.background_curve(folder, folder / "truth", CATS, ["a"])


def evaluated(folder: Path) -> Any:
    (folder / "truth").mkdir()
    (folder / "truth" / "a.png").write_bytes(MASK)
    return evaluation.evaluate_folder(folder, folder / "truth", CATS, ["a"])


def unpacked(folder: Path) -> Any:
    inside = folder / "inside"
    inside.mkdir()
    (folder / "a.zip").rename(inside / "a.zip")
    try:
        return download.unpack(inside / "a.zip", ("kept",), inside)
    finally:
        assert {path.name for path in folder.iterdir()} == {"inside"}
        assert not Path("/tmp/wsfcn-outside.txt").exists()


def recipe(folder: Path) -> Any:
    from wsfcn.recipe import read_recipe

    return config.from_dict(config.TrainSettings, read_recipe(folder / "r.yaml"))


def pages(folder: Path) -> Any:
    (folder / "settings.yaml").write_text("seed: 1\n")
    return report.write_report(folder)


JPEG, PNG, MASK = picture("JPEG", exif=exif()), picture("PNG"), mask()
ARRAY = st.builds(
    lambda content, protocol: (
        saved(np.save, np.array(0))[:8]
        + saved(np.save, np.array({}, object), allow_pickle=True)[8:128]
        + pickle.dumps(content, protocol)
    ),
    VALUES,
    st.integers(0, 5),
)

ARRAYS = hnp.arrays(
    st.sampled_from([np.float16, np.float32, np.uint8, np.int64, np.dtype("<U3"), np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
ODD_PICTURES = st.builds(
    lambda mode, size, value, kind: drawn(mode, size, value, kind),
    st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "LAB"]),
    st.tuples(st.integers(1, 14), st.integers(1, 14)),
    st.integers(0, 255),
    st.sampled_from(["PNG", "TIFF", "GIF", "WEBP", "JPEG", "PPM"]),
)
ODD_EXIF = st.binary(max_size=80).map(lambda tags: picture("JPEG", exif=b"Exif\0\0" + tags))


def exported(form: str) -> dict[str, bytes]:
    """The files of two small pictures in a form of labels."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        labels = np.zeros((10, 12), np.uint8)
        labels[2:8, 2:6], labels[4:9, 7:11] = 1, 2
        for name in ("a", "b"):
            Image.new("RGB", (12, 10)).save(root / f"{name}.png")
            (root / f"{name}.pgw").write_text("0.5\n0\n0\n-0.5\n1000\n2000\n")
        pictures = [
            Labelled(name=name, labels=labels, file=f"{name}.png", picture=root / f"{name}.png")
            for name in ("a", "b")
        ]
        out = root / "out" / f"labels{FORMS[form].suffix or ''}"
        given = given_for(form, out, config.ExchangeSettings(), "classes")
        write(form, Collection(CATS, iter(pictures)), given)
        found = out.rglob("*") if out.is_dir() else [out]
        return {
            path.relative_to(root / "out").as_posix(): path.read_bytes()
            for path in found
            if path.is_file() and not path.is_symlink()
        }


def reader_of(form: str, suffixes: tuple[str, ...]) -> Reader:
    """A form of labels, of which the first file with such a name is damaged."""
    others = exported(form)
    name = next(name for suffix in suffixes for name in others if name.endswith(suffix))
    whole = others.pop(name)
    odd = json_like(json.loads(whole)) if name.endswith("json") else None

    def read(folder: Path) -> None:
        for other, content in others.items():
            (folder / other).parent.mkdir(parents=True, exist_ok=True)
            (folder / other).write_bytes(content)
        (folder / "pictures").mkdir()
        for picture in "ab":
            (folder / "pictures" / f"{picture}.png").write_bytes(PNG)
            (folder / "pictures" / f"{picture}.pgw").write_text("0.5\n0\n0\n-0.5\n1000\n2000\n")
        source = folder / name if FORMS[form].suffix else folder / "labels"
        convert(source, "masks", folder / "out", form=form, pictures=folder / "pictures")

    return Reader(name, files(whole, odd=odd), read)


READERS = {
    "tags.csv": Reader(
        "tags.csv",
        files(b"image,tags\na.jpg,cat dog\nb.jpg,dog\n", odd=table(WORDS, "image,tags")),
        tagged,
    ),
    "metadata.jsonl": Reader(
        "metadata.jsonl",
        files(
            b'{"file_name": "a.jpg", "tags": ["cat"]}\n{"file_name": "b.jpg", "tags": "dog"}\n',
            odd=json_like({"file_name": "a.jpg", "tags": ["cat", "dog"]}),
        ),
        tagged,
    ),
    "voc": Reader("Annotations/a.xml", files(XML, BOMB), tagged),
    "coco": Reader(
        "annotations/instances.json",
        files(json.dumps(COCO).encode(), odd=json_like(COCO)),
        tagged,
    ),
    "npy": Reader(
        "cls_labels.npy",
        files(saved(np.save, VECTORS), saved(np.save, np.eye(3)), odd=ARRAY),
        tagged,
    ),
    "open tags.csv": Reader(
        "tags.csv",
        files(
            b"image,tags\nimages/a.jpg,cat dog\nimages/b.jpg,dog\n",
            odd=table(st.one_of(WORDS, st.just("images/a.jpg")), "image,tags"),
        ),
        opened,
    ),
    "classes.txt": Reader("classes.txt", files(b"background\ncat\ndog\n"), opened),
    "train.txt": Reader("train.txt", files(b"a\nb\n"), opened),
    "val.txt": Reader("val.txt", files(b"a\nb\n"), opened),
    "jpeg": Reader(
        "a.jpg", files(JPEG, odd=ODD_EXIF), lambda f: images.read_picture(f / "a.jpg", 8)
    ),
    "png": Reader(
        "a.png",
        files(picture("PNG"), picture("GIF"), picture("WEBP"), odd=ODD_PICTURES),
        lambda f: images.read_picture(f / "a.png"),
    ),
    "tiff": Reader(
        "a.tif", files(picture("TIFF"), picture("BMP")), lambda f: images.read_picture(f / "a.tif")
    ),
    "mask": Reader("a.png", files(MASK, odd=ODD_PICTURES), lambda f: images.read_mask(f / "a.png")),
    "evaluated mask": Reader("a.png", files(MASK, odd=ODD_PICTURES), evaluated),
    "soft mask": Reader(
        "a.npz",
        files(
            saved(
                np.savez,
                classes=np.array(CATS.names),
                probabilities=np.zeros((3, 10, 12), np.float16),
            ),
            odd=st.builds(
                lambda names, masks: saved(np.savez, classes=names, probabilities=masks),
                st.one_of(st.just(np.array(CATS.names)), ARRAYS),
                ARRAYS,
            ),
        ),
        soft,
    ),
    "prepare coco": Reader(
        "annotations/instances_train2014.json",
        files(json.dumps(COCO).encode(), odd=json_like(COCO)),
        prepared_coco,
    ),
    "prepare voc": Reader(
        "a.mat",
        files(
            saved(savemat, {"GTcls": {"Segmentation": np.zeros((10, 12), np.uint8)}}),
            saved(savemat, {"GTcls": {"Segmentation": np.zeros((10, 12))}}, do_compression=True),
        ),
        prepared_voc,
    ),
    "archive": Reader("a.zip", files(archive("zip"), archive("tar")), unpacked),
    "recipe": Reader(
        "r.yaml",
        files(
            yaml.safe_dump(SETTINGS).encode(),
            b"a: &a [*a]\noptim: {epochs: 3}",
            odd=shaped(SETTINGS).map(lambda v: encoded(yaml.safe_dump(v, allow_unicode=True))),
        ),
        recipe,
    ),
    "checkpoint header": Reader(
        "a.ckpt",
        st.builds(
            lambda header, state: torch_file({"wsfcn": header, "state_dict": state}),
            shaped(HEADER),
            st.one_of(st.just({}), VALUES),
        ),
        lambda f: checkpoint.load_checkpoint(f / "a.ckpt"),
    ),
    "checkpoint": Reader(
        "a.ckpt",
        files(
            torch_file({"wsfcn": HEADER, "state_dict": {"a": torch.zeros(3)}}),
            torch_file({"wsfcn": HEADER}, _use_new_zipfile_serialization=False),
        ),
        lambda f: checkpoint.load_checkpoint(f / "a.ckpt"),
    ),
    "weights": Reader(
        "a.pth",
        files(
            torch_file({"fca.a": torch.zeros(3)}),
            odd=shaped({"state_dict": {"a": 1}}).map(torch_file),
        ),
        lambda f: published.import_file(f / "a.pth", f / "out.ckpt"),
    ),
    "metrics.csv": Reader(
        "metrics.csv",
        files(CURVES, odd=table(WORDS, "step,loss/tags,val/miou")),
        lambda f: figures.read_figures(f / "metrics.csv"),
    ),
    "metrics.json": Reader(
        "metrics.json", files(json.dumps(METRICS).encode(), odd=json_like(METRICS)), pages
    ),
    "read_classes": Reader(
        "c.txt",
        files(b"background\ncat\ndog\n"),
        lambda f: classes.read_classes(f / "c.txt"),
    ),
    "picture names": Reader("n.txt", files(b"a\nb\n"), lambda f: voc.read_names(f / "n.txt")),
    "labels in a zip archive": Reader(
        "a.zip",
        files(zipped(exported("cvat"))),
        lambda f: convert(f / "a.zip", "masks", f / "out", form="cvat"),
    ),
}
READERS |= {
    f"labels of {form}": reader_of(form, suffixes)
    for form, suffixes in {
        "yolo": ("a.txt",),
        "coco": (".json",),
        "geojson": (".geojson",),
        "labelstudio": (".json",),
        "cvat": (".xml",),
        "voc": ("labelmap.txt", ".png"),
        "cvat-masks": ("labelmap.txt", ".png"),
        "labelme": (".json",),
        "masks": (".png",),
    }.items()
}
READERS["data.yaml of yolo"] = reader_of("yolo", ("data.yaml",))
READERS["pictures of voc"] = reader_of("voc", (".png",))
