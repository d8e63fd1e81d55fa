"""Tags from anywhere: each form is recognised, read, and refused with one clear line."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsfcn.config import DataSettings
from wsfcn.data.dataset import open_data
from wsfcn.data.forms import FORMS, read_tags
from wsfcn.data.forms.names import join_tags, split_cell
from wsfcn.errors import TagError

COCO128 = Path(__file__).parents[3] / "shared/data/coco128"
EXPECTED = {"a": ("cat", "dog"), "b": ("dog",), "c": ("cat",)}
"""What every form below says."""


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6)).save(path)


def as_csv(root: Path) -> None:
    rows = [f"images/{name}.jpg,{' '.join(tags)}" for name, tags in EXPECTED.items()]
    (root / "tags.csv").write_text("\n".join(["image,tags", *rows]))


def as_jsonl(root: Path) -> None:
    rows = [
        json.dumps({"file_name": f"images/{name}.jpg", "tags": list(tags)})
        for name, tags in EXPECTED.items()
    ]
    (root / "metadata.jsonl").write_text("\n".join(rows))


def as_npy(root: Path) -> None:
    (root / "classes.txt").write_text("background\ncat\ndog\n")
    vectors = {
        name: np.array(["cat" in tags, "dog" in tags], np.float32)
        for name, tags in EXPECTED.items()
    }
    np.save(root / "cls_labels.npy", vectors)


def as_coco(root: Path) -> None:
    ids = {"cat": 17, "dog": 90}
    content = {
        "categories": [{"id": k, "name": name} for name, k in ids.items()],
        "images": [{"id": n, "file_name": f"{name}.jpg"} for n, name in enumerate(EXPECTED)],
        "annotations": [
            {"image_id": n, "category_id": ids[tag], "id": 10 * n + k}
            for n, tags in enumerate(EXPECTED.values())
            for k, tag in enumerate([*tags, *tags])
        ],
    }
    (root / "annotations").mkdir()
    (root / "annotations" / "instances.json").write_text(json.dumps(content))


def as_voc(root: Path) -> None:
    (root / "Annotations").mkdir()
    for name, tags in EXPECTED.items():
        boxes = "".join(f"<object><name>{tag}</name></object>" for tag in [*tags, *tags])
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{boxes}</annotation>")


def as_fiftyone(root: Path) -> None:
    labels = {name: list(tags) for name, tags in EXPECTED.items()}
    content = {"classes": ["cat", "dog"], "labels": labels}
    (root / "labels.json").write_text(json.dumps(content))


def as_label_studio(root: Path) -> None:
    tasks = [
        {
            "data": {"image": f"/data/upload/1/0a1b2c3d-{name}.jpg"},
            "annotations": [{"result": [{"type": "choices", "value": {"choices": list(tags)}}]}],
        }
        for name, tags in EXPECTED.items()
    ]
    (root / "project-1.json").write_text(json.dumps(tasks))


def as_cvat(root: Path) -> None:
    images = "".join(
        f'<image id="{n}" name="images/{name}.jpg" width="8" height="6">'
        + "".join(f'<tag label="{tag}"/><box label="{tag}" xtl="0"/>' for tag in tags)
        + "</image>"
        for n, (name, tags) in enumerate(EXPECTED.items())
    )
    (root / "annotations.xml").write_text(f"<annotations>{images}</annotations>")


def as_yolo(root: Path) -> None:
    (root / "data.yaml").write_text("names: [cat, dog]\n")
    (root / "labels").mkdir()
    for name, tags in EXPECTED.items():
        lines = [f"{['cat', 'dog'].index(tag)} 0.5 0.5 0.1 0.1\n" for tag in [*tags, *tags]]
        (root / "labels" / f"{name}.txt").write_text("".join(lines))


WRITERS = {
    "csv": as_csv,
    "jsonl": as_jsonl,
    "npy": as_npy,
    "coco": as_coco,
    "voc": as_voc,
    "fiftyone": as_fiftyone,
    "label-studio": as_label_studio,
    "cvat": as_cvat,
    "yolo": as_yolo,
}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("named", [False, True])
def test_each_form_is_recognised_and_read(tmp_path, form, named):
    for name in EXPECTED:
        picture(tmp_path / "images" / f"{name}.jpg")
    WRITERS[form](tmp_path)
    tags = read_tags(tmp_path, form if named else "auto")
    assert {tagged.path.stem: tagged.tags for tagged in tags.pictures} == EXPECTED
    assert all(tagged.path.exists() for tagged in tags.pictures)
    assert open_data(DataSettings(root=tmp_path)).classes.names == ("background", "cat", "dog")


def test_class_folders(tmp_path):
    for name in ("cat/a.jpg", "dog/b.jpg", "background/c.jpg"):
        picture(tmp_path / name)
    (tmp_path / "masks").mkdir()
    tags = read_tags(tmp_path)
    assert [(tagged.path.stem, tagged.tags) for tagged in tags.pictures] == [
        ("c", ()),
        ("a", ("cat",)),
        ("b", ("dog",)),
    ]
    with pytest.raises(TagError, match=r"--data\.untagged"):
        open_data(DataSettings(root=tmp_path, untagged=False))
    data = open_data(DataSettings(root=tmp_path))
    assert data.classes.names == ("background", "cat", "dog")


def test_folders_of_truth_and_pictures_are_no_classes(tmp_path):
    for name in ("cat/a.jpg", "dog/b.jpg", "masks/a.png", ".thumbnails/a.jpg"):
        picture(tmp_path / name)
    data = open_data(DataSettings(root=tmp_path))
    assert data.classes.names == ("background", "cat", "dog")
    assert data.masks == tmp_path / "masks"


def test_captions_beside_the_instances_are_left_alone(tmp_path):
    for name in EXPECTED:
        picture(tmp_path / f"{name}.jpg")
    as_coco(tmp_path)
    (tmp_path / "annotations" / "captions.json").write_text('{"images": [], "annotations": []}')
    assert {tagged.path.stem for tagged in read_tags(tmp_path).pictures} == set(EXPECTED)


def test_integers_stand_for_vocs_names(tmp_path):
    picture(tmp_path / "JPEGImages" / "2007_000032.jpg")
    np.save(tmp_path / "cls_labels.npy", {np.int64(2007000032): np.eye(20)[0]})
    (found,) = read_tags(tmp_path).pictures
    assert found.path.exists()
    assert found.tags == ("aeroplane",)


def test_the_background_as_a_tag_is_no_object(tmp_path):
    rows = [f"images/{name}.jpg,background cat" for name in "ab"]
    for name in "ab":
        picture(tmp_path / "images" / f"{name}.jpg")
    (tmp_path / "tags.csv").write_text("\n".join(["image,tags", *rows]))
    assert open_data(DataSettings(root=tmp_path)).classes.names == ("background", "cat")


def test_every_form_has_a_test():
    assert {*WRITERS, "folders", "mvtec"} == set(FORMS)  # the last two: test_folders.py


@pytest.mark.skipif(not COCO128.exists(), reason="needs the 128 COCO pictures")
def test_real_coco_annotations():
    tags = read_tags(COCO128)
    assert len(tags.pictures) == 128
    assert tags.objects
    assert len(tags.objects) == 80
    assert sum(not tagged.tags for tagged in tags.pictures) == 2
    assert all(tagged.path.exists() for tagged in tags.pictures)


@pytest.mark.parametrize(("separator", "tags"), [(" ", ("a", "b")), (";", ("hot dog",)), (";", ())])
def test_joined_tags_split_again(separator, tags):
    assert split_cell(join_tags(tags, separator), separator, ()) == tags


def test_a_form_can_be_forced(tmp_path):
    as_csv(tmp_path)
    with pytest.raises(TagError, match="form 'jsonl'"):
        read_tags(tmp_path, "jsonl")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("metadata.jsonl", "{", "line 1: not JSON"),
        ("metadata.jsonl", '\n["a.jpg"]', "line 2: expected an object"),
        (
            "metadata.jsonl",
            '{"file_name": "a.jpg", "tags": null}',
            "line 1: no tags; write an empty",
        ),
        ("metadata.jsonl", '{"file_name": "a.jpg", "tags": [null]}', "line 1: None is no name"),
        ("metadata.jsonl", '{"file_name": "a.jpg", "tags": [["cat"]]}', r"line 1: \['cat'\] is no"),
        ("metadata.jsonl", '{"file_name": "a.jpg", "tags": {"cat": 3}}', "nor 0 and 1 by name"),
        ("metadata.jsonl", '{"file_name": "a.jpg"}', "line 1: no column of tags"),
        (
            "metadata.jsonl",
            '{"file_name": "a.jpg", "tags": ["cat"], "tags": ["dog"]}',
            "line 1: not JSON .'tags' stands there twice",
        ),
        ("metadata.jsonl", '{"file_name": "a.jpg", "tags": ["?"]}', "line 1: .* no letter"),
        (
            "annotations/x.json",
            '{"categories": [{"id": 0, "name": "cat"}, {"id": 0, "name": "dog"}],'
            ' "images": [], "annotations": []}',
            "categories: 0 is the id of 2",
        ),
        (
            "annotations/x.json",
            '{"categories": [], "annotations": [],'
            ' "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}]}',
            "images: 1 is the id of 2",
        ),
        (
            "Annotations/a.xml",
            "<annotation><object><name>cat</name><name>dog</name></object></annotation>",
            "a.xml, object 1: two names",
        ),
        ("metadata.jsonl", '{"file_name": "a.jpg", "tags": "nan"}', "line 1: 'nan' is no name"),
        ("annotations/x.json", "[", "no COCO annotations"),
        (
            "annotations/x.json",
            '{"categories": [], "images": [{"id": 1, "file_name": "a.jpg"}],'
            ' "annotations": [{"image_id": 1, "category_id": 7}]}',
            "no COCO annotations .nothing for image 1 or category 7",
        ),
        ("annotations/x.json", '{"images": []}', "no COCO annotations"),
        ("Annotations/a.xml", "<annotation>", "a.xml: broken annotation"),
        ("annotations.xml", "<annotations><image name='z.jpg'/></annotations>", "image .: no such"),
        ("data.yaml", "names: 3", "no `names` of classes .read as a data set of YOLO"),
        ("data.yaml", "names: {1: cat}", "must number the classes from 0"),
        ("x.json", "[3]", "no list of tasks"),
        ("x.json", '[{"data": {"image": "a.jpg"}, "annotations": []}]', "none of 1 tasks is annot"),
        ("cls_labels.npy", "no array", "no dictionary of numbers"),
    ],
)
def test_what_cannot_be_read_gets_one_line(tmp_path, file, text, message):
    picture(tmp_path / "a.jpg")
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    with pytest.raises(TagError, match=message) as caught:
        read_tags(tmp_path)
    assert "(read as" in str(caught.value)
    assert "\n" not in str(caught.value)


class Evil:
    def __reduce__(self):
        return (print, ("code has run",))


def test_a_dictionary_that_holds_code_is_refused(tmp_path, capsys):
    np.save(tmp_path / "cls_labels.npy", {"a": Evil()}, allow_pickle=True)
    with pytest.raises(TagError, match="no dictionary of numbers"):
        read_tags(tmp_path)
    assert "code has run" not in capsys.readouterr().out
