"""Tags changed on the page: one row is written anew, and every other byte stays."""

from pathlib import Path

import pytest
from PIL import Image

from wsfcn.app.tagging import ALL, UNTAGGED, Tagging
from wsfcn.config import DataSettings
from wsfcn.data.forms import read_tags
from wsfcn.errors import TagError

TABLES = {
    "spaces": ("image,tags\n", "images/{}.png,{}\n", " "),
    "commas": ("\ufeffimage,tags,note\r\n", '{}.png,"{}","a ""b"", c"\r\n', ","),
    "semicolons": ("file_name;labels\n", "{};{}\n", "|"),
}
TAGS = {"a": ["cat"], "b": ["cat", "dog"], "c": ["dog"], "d": ["cow", "cat"], "e": ["cow"]}


@pytest.fixture
def root(tmp_path) -> Path:
    for name in TAGS:
        path = tmp_path / "images" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(path)
    (tmp_path / "classes.txt").write_text("background\ncat\ncow\ndog\n")
    return tmp_path


def write(root: Path, form: str = "spaces") -> Path:
    header, row, separator = TABLES[form]
    text = header + "".join(row.format(n, separator.join(tags)) for n, tags in TAGS.items())
    (path := root / "tags.csv").write_bytes(text.encode())
    return path


def tags_in(root: Path) -> dict[str, list[str]]:
    return {p.path.stem: sorted(p.tags) for p in read_tags(root).pictures}


@pytest.mark.parametrize("form", TABLES)
@pytest.mark.parametrize("tags", [["dog"], ["cow", "dog"], []])
def test_one_row_is_written_anew(root, form, tags):
    path = write(root, form)
    before = path.read_bytes().splitlines(keepends=True)
    kept = Tagging(DataSettings(root=root)).change("b", tags)
    after = path.read_bytes().splitlines(keepends=True)
    assert [n for n, (a, b) in enumerate(zip(before, after, strict=True)) if a != b] == [2]
    assert tags_in(root) == {name: sorted(tags if name == "b" else TAGS[name]) for name in TAGS}
    assert kept.read_bytes() == b"".join(before)


def test_a_column_a_class(root):
    (path := root / "tags.csv").write_text("image,cat,dog\na.png,1,0\nb.png,0,1\nc.png,1,1\n")
    (root / "classes.txt").write_text("background\ncat\ndog\n")
    Tagging(DataSettings(root=root)).change("a", ["dog"])
    assert path.read_text() == "image,cat,dog\na.png,0,1\nb.png,0,1\nc.png,1,1\n"


def test_the_first_file_is_kept(root):
    path = write(root)
    first = path.read_bytes()
    tagging = Tagging(DataSettings(root=root))
    one, two = tagging.change("a", ["dog"]), tagging.change("c", ["cow"])
    assert one == two
    assert one.read_bytes() == first
    assert tags_in(root) == {**TAGS, "a": ["dog"], "c": ["cow"], "d": ["cat", "cow"]}


def test_groups(root):
    write(root)
    tagging = Tagging(DataSettings(root=root))
    assert tagging.groups == [ALL, "cat", "cow", "dog", UNTAGGED]
    assert tagging.names("cat") == ["a", "b", "d"]
    assert tagging.names(UNTAGGED) == []
    tagging.change("a", [])
    assert (tagging.names("cat"), tagging.names(UNTAGGED)) == (["b", "d"], ["a"])


def test_what_cannot_be_said_is_refused(root):
    path = write(root)
    (root / "classes.txt").write_text("background\ncat\ncow\ndog\nhot dog, half\n")
    before = path.read_bytes()
    tagging = Tagging(DataSettings(root=root))
    with pytest.raises(TagError, match="cannot say"):
        tagging.change("a", ["hot dog, half", "cat"])
    with pytest.raises(TagError, match="Did you mean 'cat'"):
        tagging.change("a", ["cats"])
    assert path.read_bytes() == before
    assert not list(root.glob(".*"))


def test_a_class_does_not_vanish(root):
    (root / "classes.txt").unlink()
    write(root)
    tagging = Tagging(DataSettings(root=root))
    tagging.change("d", ["cat"])
    with pytest.raises(TagError, match="last picture of 'cow'"):
        tagging.change("e", ["cat"])


@pytest.mark.parametrize(
    ("listed", "untagged", "said"),
    [
        (["cat", "cow", "dog"], None, "without a background"),
        (["background", "cat", "cow", "dog"], False, r"data\.untagged"),
    ],
)
def test_the_last_tag_stays_where_every_picture_needs_one(root, listed, untagged, said):
    (root / "classes.txt").write_text("\n".join(listed))
    path = write(root)
    before = path.read_bytes()
    tagging = Tagging(DataSettings(root=root, untagged=untagged))
    assert tagging.groups == [ALL, "cat", "cow", "dog"]
    with pytest.raises(TagError, match=f"a: .*{said}.*; tick a tag"):
        tagging.change("a", [])
    assert path.read_bytes() == before
    assert not list(root.glob("*.old"))
    tagging.change("a", ["dog"])
    assert tagging.names("dog") == ["a", "b", "c"]


def test_other_forms_are_left_alone(tmp_path):
    for name in ("cat", "dog"):
        for n in range(3):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.new("RGB", (4, 4)).save(tmp_path / name / f"{name}{n}.png")
    tagging = Tagging(DataSettings(root=tmp_path))
    assert "tags.csv" in tagging.refusal
    with pytest.raises(TagError, match=r"tags\.csv"):
        tagging.change(tagging.names("cat")[0], ["dog"])


def test_a_row_a_tag_is_left_alone(root):
    rows = [f"images/{n}.png,{tag}\n" for n, tags in TAGS.items() for tag in tags]
    (path := root / "tags.csv").write_text("".join(["image,tag\n", *rows]))
    before = path.read_bytes()
    with pytest.raises(TagError, match="several rows"):
        Tagging(DataSettings(root=root)).change("b", ["cat"])
    assert path.read_bytes() == before
