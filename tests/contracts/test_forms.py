"""Every form of labels: what goes out comes back, streamed, checked, whole or not at all."""

import gc
import json
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from wsfcn.config import ExchangeSettings, FormName
from wsfcn.errors import MaskError, PictureError, SettingError, TagError, WsfcnError
from wsfcn.exchange.convert import FORMS, convert, given_for, write
from wsfcn.exchange.labelled import Collection, Labelled, Wanted
from wsfcn.exchange.pictures import Pictures
from wsfcn.files import write_lines
from wsfcn.types import Classes

CLASSES = Classes(("background", "cat", "traffic light", "Gänseblümchen"))
ALL = [(name, shapes) for name, form in FORMS.items() for shapes in form.shapes]
NAMES = ["empty", "one/two/000", "one/two/001", "öäü & <x>"]
KEEP_SCORES = {"coco", "labelstudio", "labelme", "geojson"}
KEEP_IGNORE = {"masks", "voc"}


def mask_of(name: str) -> np.ndarray:
    """Regions that touch, with holes and an island; everywhere of some size."""
    mask = np.zeros((40 + len(name), 52), np.uint8)
    if name == "empty":
        return mask
    mask[2:20, 2:30] = 1
    mask[7:15, 6:20] = 0
    mask[9:13, 9:16] = 3
    mask[20:40, 10:45] = 2
    mask[0:12, 40:52] = 3
    return mask


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Pictures that lie on a map."""
    folder = tmp_path / "pictures"
    for number, name in enumerate(NAMES):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", mask_of(name).shape[::-1]).save(path)
        place = (0.5, 0, 0, -0.5, 1000 * number, 2000)
        path.with_suffix(".pgw").write_text("\n".join(map(str, place)))
    return folder


def labelled(pictures: Path, names: list[str] = NAMES) -> Iterator[Labelled]:
    for name in names:
        yield Labelled(
            name=name,
            labels=mask_of(name),
            file=f"{name}.png",
            picture=pictures / f"{name}.png",
            scores={} if name == "empty" else {1: 0.75, 2: 0.5, 3: 0.25},
        )


def path_for(form: str, folder: Path) -> Path:
    return folder / f"there{FORMS[form].suffix or ''}"


@pytest.fixture(params=ALL, ids="-".join)
def written(request, pictures, tmp_path) -> tuple[str, str, Path, list[str]]:
    """A form's name, what it holds, its file or folder, and what was said of it."""
    form, shapes = request.param
    out = path_for(form, tmp_path)
    given = given_for(form, out, ExchangeSettings(shapes=shapes), "classes")
    count, notes = write(form, Collection(CLASSES, labelled(pictures)), given)
    assert count == len(NAMES)
    return form, shapes, out, notes


def read(form: str, path: Path, pictures: Path | None, classes: Classes | None = CLASSES):
    wanted = Wanted(classes, Pictures(pictures) if pictures else None)
    return {p.name: p for p in FORMS[form].read(path, wanted).pictures}


def test_what_goes_out_comes_back(written, pictures):
    form, _, path, notes = written
    found = read(form, path, pictures)
    assert sorted(found) == sorted(NAMES)
    for name, picture in found.items():
        # All outlines here are straight, so that polygons leave out nothing either.
        assert (picture.labels == mask_of(name)).all(), name
        assert picture.picture == pictures / f"{name}.png"
        if form in KEEP_SCORES and name != "empty":
            assert picture.scores == {1: 0.75, 2: 0.5, 3: 0.25}
    if form in ("yolo", "cvat"):
        assert "pictures whose scores this form has no room for: 3" in notes


def test_holes_without_room_are_told(written):
    form, shapes, _, notes = written
    told = any("seam" in note for note in notes)
    assert told == (shapes == "polygons" and form != "geojson")


def test_without_pictures_it_works_or_says_why(written):
    form, _, path, _ = written
    if form == "geojson":
        with pytest.raises(PictureError, match="--pictures DIR"):
            read(form, path, None)
        return
    found = read(form, path, None)
    assert sorted(found) == sorted(NAMES)


def test_the_classes_come_with_it(written, pictures):
    form, _, path, _ = written
    found = FORMS[form].read(path, Wanted(None, Pictures(pictures))).classes
    assert set(found.names) == set(CLASSES.names)
    if form not in ("labelme", "geojson"):  # which list no classes: by name
        assert found == CLASSES


def test_its_form_is_recognised(written, pictures, tmp_path):
    form, _, path, _ = written
    done = convert(path, "masks", tmp_path / "masks", pictures=pictures)
    assert done.count == len(NAMES)
    assert done.form == {"cvat-masks": "voc"}.get(form, form)


def test_an_unknown_class_is_told(written, pictures):
    form, _, path, _ = written
    (path / "classes.txt").unlink() if form == "masks" else None
    known = Classes(("background", "cats", "traffic light"))
    expected = MaskError if form == "masks" else TagError
    with pytest.raises(expected, match=r"cat|value 3"):
        read(form, path, pictures, known)


def test_other_pictures_are_told(written, pictures):
    form, _, path, _ = written
    for file in pictures.rglob("*.png"):
        file.rename(file.with_stem(f"other{file.stem}"))
    for file in pictures.rglob("*.pgw"):
        file.rename(file.with_stem(f"other{file.stem}"))
    with pytest.raises(PictureError, match="is none of the pictures in"):
        read(form, path, pictures)


def test_another_size_is_told(written, pictures):
    form, _, path, _ = written
    if form in ("yolo", "geojson"):
        pytest.skip("the form tells no sizes")
    Image.new("RGB", (7, 7)).save(pictures / "one/two/001.png")
    with pytest.raises(MaskError, match=r"52 x 51 there, but .*001.png is 7 x 7"):
        read(form, path, pictures)


def test_pixels_without_a_label(written, pictures, tmp_path):
    form, shapes, _, _ = written
    labels = mask_of(NAMES[1])
    labels[30:, :5] = 255
    picture = Labelled(
        name=NAMES[1], labels=labels, file=f"{NAMES[1]}.png", picture=pictures / f"{NAMES[1]}.png"
    )
    out = path_for(form, tmp_path / "more")
    given = given_for(form, out, ExchangeSettings(shapes=shapes), "classes")
    _, notes = write(form, Collection(CLASSES, iter([picture])), given)
    (found,) = [p for p in read(form, out, pictures).values() if p.labels.any()]
    if form in KEEP_IGNORE:
        assert (found.labels == labels).all()
    else:
        assert (found.labels == np.where(labels == 255, 0, labels)).all()
        assert any("no label" in note for note in notes)


@pytest.fixture(scope="module")
def frozen_heap():
    """What lives before the test is no garbage, and is not gone through again and again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("frozen_heap")
@pytest.mark.parametrize(("form", "shapes"), ALL)
def test_pictures_pass_one_by_one(form, shapes, pictures, tmp_path):
    """100,000 pictures in bounded memory: none is kept, neither writing nor reading."""
    alive: list[weakref.ref] = []

    def watched(stream: Iterator[Labelled]) -> Iterator[Labelled]:
        for picture in stream:
            alive.append(weakref.ref(picture))
            yield picture
            del picture
            gc.collect()
            assert sum(ref() is not None for ref in alive) <= 1

    out = path_for(form, tmp_path)
    given = given_for(form, out, ExchangeSettings(shapes=shapes), "classes")
    write(form, Collection(CLASSES, watched(labelled(pictures))), given)
    for _ in watched(FORMS[form].read(out, Wanted(CLASSES, Pictures(pictures))).pictures):
        pass
    assert len(alive) == 2 * len(NAMES)


@pytest.mark.parametrize(("form", "shapes"), ALL)
def test_nothing_is_written_where_a_picture_fails(form, shapes, pictures, tmp_path):
    def broken() -> Iterator[Labelled]:
        yield from labelled(pictures, NAMES[:2])
        raise MaskError("the third is broken")

    out = path_for(form, tmp_path / "out")
    given = given_for(form, out, ExchangeSettings(shapes=shapes), "classes")
    with pytest.raises(MaskError, match="third"):
        write(form, Collection(CLASSES, broken()), given)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("form", [name for name in FORMS if FORMS[name].suffix is None])
def test_a_folder_is_added_to_on_request_alone(form, pictures, tmp_path):
    out = tmp_path / "out"
    given = given_for(form, out, ExchangeSettings(), "classes")
    write(form, Collection(CLASSES, labelled(pictures, NAMES[:2])), given)
    with pytest.raises(SettingError, match="--add"):
        write(form, Collection(CLASSES, labelled(pictures)), given)
    write(form, Collection(CLASSES, labelled(pictures, NAMES[2:])), given, add=True)
    assert sorted(read(form, out, pictures)) == sorted(NAMES)


@pytest.mark.parametrize("form", [name for name in FORMS if FORMS[name].suffix is None])
def test_a_folder_may_be_an_archive(form, pictures, tmp_path):
    out = tmp_path / "out.zip"
    given = given_for(form, out, ExchangeSettings(), "classes")
    write(form, Collection(CLASSES, labelled(pictures)), given)
    assert convert(out, "masks", tmp_path / "masks", pictures=pictures).count == len(NAMES)


GARBAGE = [
    b"",
    b"[",
    b"{}",
    b"[{}]",
    b"[1]",
    b"\xff\xfe",
    b"<a/>",
    b'{"images": 3}',
    b'{"shapes": 1}',
]
GARBAGE += [json.dumps({"type": "FeatureCollection", "features": [{"geometry": 1}]}).encode()]
GARBAGE += [b'{"images": [], "annotations": [{}], "categories": []}', b"[" * 100_000]


@pytest.mark.parametrize("form", [name for name in FORMS if FORMS[name].suffix])
@pytest.mark.parametrize("content", GARBAGE, ids=lambda content: repr(content[:20]))
def test_garbage_is_one_line(form, content, pictures, tmp_path):
    path = path_for(form, tmp_path)
    path.write_bytes(content)
    for source_form in (form, None):
        with pytest.raises(WsfcnError, match=r"^[^\n]+$"):
            convert(path, "masks", tmp_path / "masks", form=source_form, pictures=pictures)
    assert not (tmp_path / "masks").exists()


def test_part_of_a_file_is_one_line(written, pictures):
    """Cut off anywhere, a file is refused, or what is left of it can be read."""
    form, _, path, _ = written
    files = [p for p in ([path] if path.is_file() else path.rglob("*")) if p.is_file()]
    for file in files:
        whole = file.read_bytes()
        for part in range(1, 8):
            file.write_bytes(whole[: len(whole) * part // 8])
            with suppress(WsfcnError):
                read(form, path, pictures)
        file.write_bytes(whole)


def test_the_command_line_knows_all_forms():
    assert sorted(get_args(FormName)) == sorted(FORMS)


def test_what_a_form_cannot_hold_is_told(tmp_path):
    with pytest.raises(SettingError, match="yolo holds polygons alone, no masks"):
        given_for("yolo", tmp_path / "out", ExchangeSettings(shapes="masks"), "classes")
    with pytest.raises(SettingError, match=r"name it out.json"):
        given_for("coco", tmp_path / "out", ExchangeSettings(), "classes")
    with pytest.raises(SettingError, match="Did you mean 'labelme'"):
        given_for("lableme", tmp_path / "out", ExchangeSettings(), "classes")


def test_a_source_is_named(tmp_path):
    with pytest.raises(WsfcnError, match="no such file"):
        convert(tmp_path / "none", "coco", tmp_path / "out.json")
    write_lines(tmp_path / "notes.txt", ["hello"])
    with pytest.raises(WsfcnError, match="of no form that is known"):
        convert(tmp_path / "notes.txt", "coco", tmp_path / "out.json")
