"""Research code's dictionaries of vectors are read, and nothing they may ask for is done."""

import pickle
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from wsfcn.data.pickled import read_pickled
from wsfcn.errors import TagError

SHAPE = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }"
HEADER = b"\x93NUMPY\x01\x00v\x00" + SHAPE.ljust(117) + b"\n"
VECTORS = {
    "a": np.array([1, 0], np.float32),
    "2007_000032": np.array([0, 1], ">i8"),
    5: np.array([True, False]),
    "list": [1, 0.5],
}


def written(path: Path, content: object, protocol: int = 4) -> Path:
    path.write_bytes(HEADER + pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", range(5))
def test_each_form_of_pickle_is_read(tmp_path, protocol):
    path = written(tmp_path / "a.npy", np.array(VECTORS, object), protocol)
    found = read_pickled(path)
    assert list(found) == list(VECTORS)
    for name, vector in VECTORS.items():
        assert ((found[name] > 0) == (np.array(vector) > 0)).all()


def test_what_numpy_writes_is_read(tmp_path):
    np.save(tmp_path / "a.npy", VECTORS)
    assert len(read_pickled(tmp_path / "a.npy")) == 4
    np.save(tmp_path / "a.npy", {np.int64(7): np.eye(2)[0], np.str_("x"): np.eye(2)[1]})
    assert list(read_pickled(tmp_path / "a.npy")) == [7, "x"]


def test_the_vectors_of_coco_are_read_in_seconds(tmp_path):
    np.save(tmp_path / "a.npy", {f"{n:012}": np.zeros(80, np.float32) for n in range(20_000)})
    started = time.process_time()
    assert len(read_pickled(tmp_path / "a.npy")) == 20_000
    assert time.process_time() - started < 10  # a third of a second on a free machine


def module(name: str, attribute: str) -> bytes:
    return f"c{name}\n{attribute}\n".encode()


def test_no_module_is_imported_for_a_name(tmp_path):
    (tmp_path / "a.npy").write_bytes(HEADER + module("numpy.f2py.__main__", "dtype") + b".")
    code = (
        "import sys; from pathlib import Path; from wsfcn.data.pickled import read_pickled\n"
        "from wsfcn.errors import TagError\n"
        "try: read_pickled(Path(sys.argv[1]))\n"
        "except TagError: sys.exit('numpy.f2py' in sys.modules and 'imported')"
    )
    assert (
        subprocess.run([sys.executable, "-c", code, tmp_path / "a.npy"], check=False).returncode
        == 0
    )


EXPLOSIONS = {
    "code": module("builtins", "print") + b"(Vrun\ntR.",
    "another module of numpy": module("numpy.testing", "dtype") + b".",
    "an attribute of an allowed module": module("numpy", "load") + b".",
    "an array of a terabyte": module("numpy", "ndarray") + b"(L1000000000000L\ntR.",
    "a memo of gigabytes": b"}r\xff\xff\xff\xffN.",
    "bytes that are not there": b"\x8e" + b"\xff" * 7 + b"\x0f.",
    "a number of a million digits": b"}L" + b"9" * 10**6 + b"L\nNs.",
    "a tuple of tuples as a name": b"})" + b"2\x86" * 60 + b"Ns.",
    "a tuple that holds itself as a module": b"})" + b"\x86" * 3 + b"Vx\n\x93.",
    "objects made of bytes": (
        module("numpy.core.multiarray", "_reconstruct")
        + module("numpy", "ndarray")
        + b"(I0\ntVb\n\x87R(I1\n(I1\nt"
        + module("numpy", "dtype")
        + b"(VO\nI0\nI1\ntR(I3\nV|\nNNNI-1\nI-1\nI0\ntbI00\nC\x08AAAAAAAAtb."
    ),
    "nothing": b"",
    "no end": b"}",
}


@pytest.mark.parametrize("name", EXPLOSIONS)
def test_a_program_in_a_file_does_nothing(tmp_path, capsys, name):
    (tmp_path / "a.npy").write_bytes(HEADER + EXPLOSIONS[name])
    started = time.perf_counter()
    with pytest.raises(TagError, match=r"a\.npy: no dictionary of"):
        read_pickled(tmp_path / "a.npy")
    assert time.perf_counter() - started < 5
    assert not capsys.readouterr().out


def test_text_cannot_be_made_into_bytes_for_ever(tmp_path):
    text = b"V" + b"a" * 10**5 + b"\n"
    loop = b"h\x01(h\x00Vlatin1\ntR" * 10**4
    program = b"}" + text + b"q\x00" + module("_codecs", "encode") + b"q\x01" + loop + b"."
    (tmp_path / "a.npy").write_bytes(HEADER + program)
    with pytest.raises(TagError, match="more bytes than the file is long"):
        read_pickled(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "value", ["text", None, {"b": 1}, [[1]], np.eye(2), np.array(["x"]), np.array([None]), 3]
)
def test_what_is_no_vector_is_named(tmp_path, value):
    with pytest.raises(TagError, match="'cat': expected a vector with a number for each class"):
        read_pickled(written(tmp_path / "a.npy", {"cat": value}))


@pytest.mark.parametrize("content", [[1], np.eye(2), "text", None, SimpleNamespace(a=1)])
def test_what_is_no_dictionary_is_refused(tmp_path, content):
    with pytest.raises(TagError, match="no dictionary of"):
        read_pickled(written(tmp_path / "a.npy", content))
