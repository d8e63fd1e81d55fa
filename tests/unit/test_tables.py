"""Tables as people and tools write them: columns, delimiters, separators, and what is refused."""

import json
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from wsfcn.config import DataSettings
from wsfcn.data.dataset import open_data
from wsfcn.data.forms import read_tags
from wsfcn.errors import DataError, TagError

EXPECTED = {"a": ("cat", "dog"), "b": ("dog",), "c": ()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in EXPECTED:
        draw(tmp_path / "images" / f"{name}.jpg")
    return tmp_path


def draw(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6)).save(path)


def found_in(root: Path) -> dict[str, tuple[str, ...]]:
    data = open_data(DataSettings(root=root))
    return {p.name: p.tags for p in sorted((*data.train, *data.val), key=lambda p: p.name)}


TABLES = {
    "semicolons between cells": ("tags.csv", "image;tags\na.jpg;cat dog\nb.jpg;dog\nc.jpg;\n"),
    "tabs": ("labels.tsv", "file\tlabels\na.jpg\tcat,dog\nb.jpg\tdog\nc.jpg\t\n"),
    "commas in a cell": ("tags.csv", 'image,tags\na.jpg,"cat, dog"\nb.jpg,dog\nc.jpg,\n'),
    "bars": ("labels.csv", "file_name,labels\nimages/a.jpg,cat|dog\nb.jpg,dog\nc.jpg,\n"),
    "rows of pairs": ("train.csv", "path,label\na.jpg,cat\nb.jpg,dog\na.jpg,dog\nc.jpg,\n"),
    "ids without suffix": ("labels.csv", "id,classes\na,cat dog\nb,dog\nc,healthy\n"),
    "one-hot": ("_classes.csv", "filename, cat, dog\na.jpg, 1, 1\nb.jpg, 0, 1\nc.jpg, 0, 0\n"),
    "true and false": (
        "x.csv",
        "Image,cat,dog\na.jpg,True,True\nb.jpg,False,True\nc.jpg,False,False\n",
    ),
    "Windows": (
        "tags.csv",
        "image,tags\r\nC:\\p\\images\\a.jpg,cat dog\r\nimages\\b.jpg,dog\r\nc.jpg,\r\n",
    ),
    "Excel": ("tags.csv", "\ufeffsep=;\nimage;tags;;\na.jpg;cat dog;;\nb.jpg;dog;;\nc.jpg;;;\n"),
    "lists as text": ("tags.csv", "image,tags\na.jpg,\"['cat', 'dog']\"\nb.jpg,[dog]\nc.jpg,[]\n"),
    "space around names": ("tags.csv", 'image,tags\na.jpg," cat;  dog "\nb.jpg, dog;\nc.jpg,;\n'),
    "another picture's folder": (
        "metadata.csv",
        "file_name,tags\n/home/x/a.jpg,cat dog\nb.jpg,dog\nc,\n",
    ),
    "Label Studio": (
        "project-1.csv",
        'annotation_id,image,choice\n1,/data/upload/1/0a1b2c3d-a.jpg,"{""choices"":[""cat"",""dog""]}"\n'
        "2,/data/local-files/?d=images/b.jpg,dog\n3,s3://pets/images/c.jpg,none\n",
    ),
    "0 and 1 by name": (
        "metadata.jsonl",
        '{"file_name": "a.jpg", "tags": {"cat": 1, "dog": true}}\n'
        '{"file_name": "b.jpg", "tags": ["dog"]}\n{"file_name": "c.jpg", "tags": []}\n',
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_as_people_write_them(root, kind):
    name, text = TABLES[kind]
    (root / name).write_bytes(text.encode())
    assert found_in(root) == EXPECTED


def test_the_coffee_leaves_of_the_source(tmp_path):
    rows = ["id,predominant_stress,miner,rust,phoma,cercospora,severity"]
    for n, (flags, kind) in enumerate(
        [("0,1,0,0", 2), ("1,1,0,0", 1), ("0,0,0,0", 0), ("0,0,0,1", 4)]
    ):
        draw(tmp_path / "images" / f"{n}.jpg")
        rows.append(f"{n},{kind},{flags},{n}")
    (tmp_path / "dataset.csv").write_text("\n".join(rows) + "\n")
    data = open_data(DataSettings(root=tmp_path))
    assert data.classes.objects == ("miner", "rust", "phoma", "cercospora")
    assert found_in(tmp_path) == {
        "0": ("rust",),
        "1": ("miner", "rust"),
        "2": (),
        "3": ("cercospora",),
    }
    (note,) = data.notes
    assert "'predominant_stress' ('2' in line 2)" in note


def test_splits_of_roboflow(tmp_path):
    for split, tags in (("train", "1,0"), ("valid", "0,1"), ("test", "1,1")):
        draw(tmp_path / split / "same.jpg")
        (tmp_path / split / "_classes.csv").write_text(f"filename,cat,dog\nsame.jpg,{tags}\n")
    data = open_data(DataSettings(root=tmp_path))
    assert [(p.name, p.tags) for p in data.train] == [("train/same", ("cat",))]
    assert [(p.name, p.tags) for p in data.val] == [("valid/same", ("dog",))]
    assert "1 pictures of the split 'test' are not used; `--data.val test`" in data.notes[0]
    test = open_data(DataSettings(root=tmp_path, val="test"))
    assert [p.tags for p in test.val] == [("cat", "dog")]


def test_a_column_may_name_the_split(root):
    (root / "labels.csv").write_text("image,label,split\na,cat,train\nb,dog,validation\nc,,Train\n")
    data = open_data(DataSettings(root=root))
    assert [p.name for p in data.train] == ["a", "c"]
    assert [p.name for p in data.val] == ["b"]


def test_names_with_spaces_are_kept_where_a_cell_holds_one(root):
    (root / "labels.csv").write_text("image,label\na,traffic light\nb,cat dog\nc,cat\n")
    assert found_in(root) == {"a": ("traffic light",), "b": ("cat dog",), "c": ("cat",)}
    draw(root / "images" / "d.jpg")
    (root / "labels.csv").write_text("image,label\na,traffic light\nb,cat dog\nc,cat\nd,dog\n")
    assert found_in(root)["b"] == ("cat", "dog")


def test_names_of_classes_txt_are_never_split(root):
    (root / "classes.txt").write_text("background\ntraffic light\ncat\nsalt, pepper\n")
    (root / "tags.csv").write_text('image,tags\na,cat traffic light\nb,"salt, pepper"\nc,cat\n')
    with pytest.raises(
        TagError, match="line 2"
    ):  # a comma separates, so "cat traffic light" is one
        found_in(root)
    (root / "classes.txt").write_text("background\ntraffic light\ncat\n")
    (root / "tags.csv").write_text("image,tags\na,cat traffic light\nb,traffic light\nc,cat\n")
    assert found_in(root)["a"] == ("cat", "traffic light")


def test_names_are_the_same_in_both_of_unicodes_forms(tmp_path):
    name = "Käse"
    draw(tmp_path / "images" / f"{unicodedata.normalize('NFD', name)}.jpg")
    text = f"image,tags\nimages/{unicodedata.normalize('NFC', name)}.jpg,Tür\n"
    (tmp_path / "tags.csv").write_text(text, encoding="utf-8")
    (tagged,) = read_tags(tmp_path).pictures
    assert tagged.path.exists()
    (tmp_path / "classes.txt").write_text(unicodedata.normalize("NFD", "background\nTür\n"))
    (tmp_path / "train.txt").write_text(unicodedata.normalize("NFD", name))
    data = open_data(DataSettings(root=tmp_path))
    assert [p.name for p in data.train] == [name]


def test_parquet_of_hugging_face(root):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    table = pyarrow.table({"file_name": ["a.jpg", "b.jpg"], "label": [0, 1]})
    parquet.write_table(table.replace_schema_metadata(metadata), root / "metadata.parquet")
    assert found_in(root) == {"a": ("cat",), "b": ("dog",)}
    table = pyarrow.table({"file_name": ["a.jpg", "b.jpg"], "tags": [["cat", "dog"], []]})
    parquet.write_table(table, root / "metadata.parquet")
    assert found_in(root) == {"a": ("cat", "dog"), "b": ()}
    (root / "metadata.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        found_in(root)


REFUSED = {
    "a quote left open": ('image,tags\na,"cat\nb,dog\n', "line 2: not CSV"),
    "a line break in a name": ('image,tags\na,"c\nat"\nb,dog\n', "line 2: the name 'c.nat'"),
    "nan": ("image,tags\na,cat\nb,nan\n", "line 3: 'nan' is no name"),
    "two separators": ('image,tags\na,cat;dog\nb,"cat, dog"\n', "line 3: 'cat, dog' holds another"),
    "no picture": ("image,tags\na,cat\n ,dog\n", "line 3: no picture"),
    "a picture that is not there": ("image,tags\na.png,cat\n", "line 2: .*there is images/a.jpg"),
    "no tags": ("image,notes\na,hello\n", "line 1: no column is called tags.*'hello' in line 2"),
    "a split": ("image,tags,split\na,cat,trian\n", "line 2: the split 'trian'"),
    "two columns of one name": ("image,cat,cat\na,1,0\n", "line 1: two columns are called 'cat'"),
    "names with 0 and 1": ("image,tags\na,cat:1 dog:0\n", "line 2: 'cat:1' is no name"),
    "names in quotation marks": ("image,tags\na,“cat”\n", "line 2: '“cat”' is no name"),
    "signs": ("image,tags\na,cat & dog\n", "line 2: '&' is no name"),
    "nobody has a tag": ("image,tags\na,\nb,\n", "none of 2 pictures has a tag"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_understood_is_an_error(root, kind):
    text, message = REFUSED[kind]
    (root / "tags.csv").write_text(text)
    with pytest.raises(TagError, match=message) as caught:
        open_data(DataSettings(root=root))
    assert "read as a table" in str(caught.value)


def test_an_ambiguous_name_is_an_error(tmp_path):
    for name in ("cat/1.jpg", "dog/1.jpg"):
        draw(tmp_path / "images" / name)
    (tmp_path / "tags.csv").write_text("image,tags\n1.jpg,cat\n")
    with pytest.raises(TagError, match=r"'1\.jpg' may be images/cat/1.jpg or images/dog/1.jpg"):
        read_tags(tmp_path)


def test_a_class_of_another_column_is_told(root):
    (root / "classes.txt").write_text("background\ncat\ndog\n")
    (root / "tags.csv").write_text("image,cat,dog\na,1,0\nb,2,1\n")
    with pytest.raises(TagError, match="line 3: '2' in the column of the class 'cat'"):
        read_tags(root)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("image,tags\na,cat\nb,Cat\n", "'Cat' and 'cat' are 2 classes"),
        ("image,tags\na,cat;dog\nb,cat dog;\n", "'cat dog' is a class beside 'cat' and 'dog'"),
        ("image,tags\na,TRUE\nb,FALSE\n", "'FALSE' is taken for a class"),
        ("image,tags,labels\na,cat,x\nb,dog,y\n", "from 'tags', not from 'labels'"),
    ],
)
def test_what_is_odd_is_told(root, text, note):
    (root / "tags.csv").write_text(text)
    assert note in " ".join(open_data(DataSettings(root=root)).notes)


def test_names_that_are_well_apart_are_not_odd(root):
    (root / "tags.csv").write_text("image,tags\na,hot dog;cat\nb,bird;\n")
    assert not open_data(DataSettings(root=root)).notes
