"""Files are written whole or not at all, and nothing but ordinary files is read."""

import os
import stat
from pathlib import Path

import pytest

from wsfcn.errors import DataError
from wsfcn.files import atomic, read_bytes, read_text, write_lines


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_failed_write_leaves_the_older_file(tmp_path):
    write_lines(tmp_path / "a.txt", ["old"])
    with pytest.raises(UnicodeEncodeError):
        write_lines(tmp_path / "a.txt", ["new", "\ud800"])
    assert read_text(tmp_path / "a.txt") == "old\n"
    assert names_in(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("name", ["a" * 251 + ".txt", "a" * 255, "a." + "b" * 253, "." + "x" * 254])
def test_the_longest_names_can_be_written(tmp_path, name):
    write_lines(tmp_path / name, ["text"])
    assert names_in(tmp_path) == [name]


def test_the_temporary_name_is_new_each_time_and_there_before_the_writer(tmp_path):
    seen: set[Path] = set()
    for _ in range(20):
        with atomic(tmp_path / "a.png") as name:
            assert name.suffix == ".png"
            assert stat.S_ISREG(name.lstat().st_mode)
            seen.add(name)
    assert len(seen) == 20


def test_a_planted_link_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("kept")
    monkeypatch.setattr("wsfcn.files.token_hex", lambda count: "guessed")
    (tmp_path / ".guessed.txt").symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_lines(tmp_path / "a.txt", ["over"])
    assert victim.read_text() == "kept"


def test_a_link_at_the_target_is_replaced_not_written_through(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / "a.txt").symlink_to(victim)
    write_lines(tmp_path / "a.txt", ["mine"])
    assert victim.read_text() == "kept"
    assert not (tmp_path / "a.txt").is_symlink()


def test_new_files_have_the_usual_rights(tmp_path):
    old = os.umask(0o022)
    try:
        write_lines(tmp_path / "a.txt", ["x"])
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644


def test_only_ordinary_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "folder").mkdir()
    others = [tmp_path / "pipe", tmp_path / "loop", tmp_path / "folder", tmp_path / "absent"]
    others += [Path("/dev/zero"), tmp_path / ("a" * 300), tmp_path / "nul\0"]
    for path in others:
        with pytest.raises(DataError, match=r"no such file|cannot be read"):
            read_bytes(path)


def test_no_file_is_read_beyond_its_limit(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", 5) == b"12345"
    with pytest.raises(DataError, match="5 bytes, but 4 are the most"):
        read_bytes(tmp_path / "a", 4)


def test_what_is_written_is_open_to_whom_the_mask_of_the_process_lets(tmp_path):
    with atomic(tmp_path / "a.bin") as name:
        name.unlink()
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o600))  # as safetensors does
    (tmp_path / "b.bin").touch()
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "b.bin").stat().st_mode
