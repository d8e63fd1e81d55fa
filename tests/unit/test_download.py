"""Archives from a server of this process: fetched, gone on with, checked, unpacked."""

import contextlib
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from wsfcn.cli import main
from wsfcn.data.benchmarks import coco, voc
from wsfcn.data.benchmarks.download import Archive, fetch
from wsfcn.errors import DataError


class Server(HTTPServer):
    """Serves ``files``; breaks off after ``limit`` bytes of an answer."""

    files: dict[str, bytes]
    limit: int | None = None
    asked: list[str]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        span = self.headers.get("Range", "")
        self.server.asked.append(span)
        start = int(span.removeprefix("bytes=").removesuffix("-") or 0)
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.server.limit])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.files, server.asked = {}, []
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def tar_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def offered(server: Server, name: str, content: bytes, *holds: str) -> Archive:
    server.files[f"/{name}"] = content
    url = f"http://127.0.0.1:{server.server_port}/{name}"
    return Archive(url, hashlib.md5(content).hexdigest(), holds)


def test_an_archive_is_unpacked_and_only_what_is_asked_for_kept(server, tmp_path):
    content = tar_of({"kit/a.txt": b"a", "other.txt": b"b"})
    archive = offered(server, "set.tgz", content, "kit")
    fetch([archive], tmp_path)
    assert (tmp_path / "kit" / "a.txt").read_bytes() == b"a"
    assert [path.name for path in tmp_path.iterdir()] == ["kit"]
    fetch([archive], tmp_path)
    assert len(server.asked) == 1, "what is there is not fetched again"


def test_a_download_that_broke_off_goes_on(server, tmp_path):
    archive = offered(server, "set.tgz", tar_of({"kit/a.txt": b"a"}), "kit")
    server.limit = 40
    with pytest.raises(DataError, match=r"cut off after 40 of .* the same command goes on"):
        fetch([archive], tmp_path)
    assert (tmp_path / "set.tgz.part").stat().st_size == 40
    server.limit = None
    fetch([archive], tmp_path)
    assert server.asked == ["", "bytes=40-"]
    assert (tmp_path / "kit" / "a.txt").exists()


def test_a_whole_part_is_not_fetched_again(server, tmp_path):
    content = tar_of({"kit/a.txt": b"a"})
    archive = offered(server, "set.tgz", content, "kit")
    (tmp_path / "set.tgz.part").write_bytes(content)
    fetch([archive], tmp_path)
    assert (tmp_path / "kit" / "a.txt").exists()


def test_a_wrong_checksum_is_told_and_nothing_kept(server, tmp_path):
    archive = offered(server, "set.tgz", b"something else", "kit")._replace(md5="0" * 32)
    with pytest.raises(DataError, match="checksum"):
        fetch([archive], tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_archive_that_lies_there_is_checked_too(server, tmp_path):
    content = tar_of({"kit/a.txt": b"a"})
    archive = offered(server, "set.tgz", content, "kit")
    (tmp_path / "set.tgz").write_bytes(tar_of({"kit/a.txt": b"another"}))
    with pytest.raises(DataError, match=r"set\.tgz: the checksum is .*delete the file"):
        fetch([archive], tmp_path)
    assert not (tmp_path / "kit").exists()
    (tmp_path / "set.tgz").write_bytes(content)
    fetch([archive], tmp_path)
    assert not server.asked
    assert (tmp_path / "kit" / "a.txt").read_bytes() == b"a"


@pytest.mark.parametrize(
    "name", ["../outside.txt", "kit/../../outside.txt", "/tmp/wsfcn-outside.txt"]
)
@pytest.mark.parametrize("form", ["tar", "zip"])
def test_an_archive_writes_nowhere_else(server, tmp_path, name, form):
    root = tmp_path / "root"
    root.mkdir()
    content = tar_of({"kit/a.txt": b"a", name: b"b"})
    if form == "zip":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as file:
            file.writestr("kit/a.txt", "a")
            file.writestr(name, "b")
        content = stream.getvalue()
    with contextlib.suppress(DataError):
        fetch([offered(server, f"set.{form}", content, "kit")], root)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
    assert not Path("/tmp/wsfcn-outside.txt").exists()
    assert {path.name for path in root.iterdir()} <= {"kit", f"set.{form}"}


def test_what_is_no_archive_is_told(server, tmp_path):
    archive = offered(server, "set.zip", b"no zip file", "kit")
    with pytest.raises(DataError, match=r"set\.zip: cannot be unpacked"):
        fetch([archive], tmp_path)


def test_prepare_downloads_voc_in_one_command(server, tmp_path, monkeypatch, capsys):
    lists = "VOCdevkit/VOC2012/ImageSets/Segmentation"
    kit = {f"{lists}/train.txt": b"", f"{lists}/val.txt": b""}
    archives = [
        offered(server, "voc.tar.gz", tar_of(kit), "VOCdevkit/VOC2012"),
        offered(server, "voc.tgz", b"", "benchmark_RELEASE"),
    ]
    monkeypatch.setattr(voc, "downloads", lambda sbd: archives[: 1 if sbd else 2])
    with pytest.raises(SystemExit) as stop:
        main(["prepare", "voc12", "--root", str(tmp_path), "--download"])
    assert stop.value.code == 2
    assert (tmp_path / lists).is_dir(), "the first archive is there, whatever the second is"
    assert "voc.tgz" in capsys.readouterr().err


def test_each_public_archive_has_its_checksum(tmp_path):
    everything = voc.downloads() + coco.downloads(tmp_path, "14") + coco.downloads(tmp_path, "17")
    assert len({archive.md5 for archive in everything}) == 8
    assert all(len(archive.md5) == 32 for archive in everything)
    (tmp_path / "images" / "train2014").mkdir(parents=True)
    assert len(coco.downloads(tmp_path, "14")) == 2, "pictures that are there are not fetched"


def test_a_zip_file_of_coco_brings_its_annotations(server, tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("annotations/instances_train2014.json", "{}")
        file.writestr("annotations/captions_train2014.json", "{}")
    kept = "annotations/instances_train2014.json"
    archive = offered(server, "annotations.zip", stream.getvalue(), kept)
    fetch([archive], tmp_path)
    assert [p.name for p in (tmp_path / "annotations").iterdir()] == [Path(kept).name]
