"""Pictures as they come: every mode becomes upright RGB."""

import os
import struct
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from wsfcn.errors import MaskError, PictureError
from wsfcn.images import (
    overlay,
    pictures_in,
    read_mask,
    read_picture,
    to_rgb,
    voc_palette,
    write_mask,
)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "CMYK", "1", "I;16", "I"])
@pytest.mark.parametrize("suffix", ["png", "webp", "jpg", "tif"])
def test_every_mode_becomes_rgb(tmp_path, mode, suffix):
    values = np.tile(np.linspace(0, 255, 20), (10, 1)).astype(np.uint8)
    if mode.startswith("I"):
        picture = Image.fromarray(values.astype(np.uint16) * 257)
        picture = picture.convert("I") if mode == "I" else picture
    else:
        picture = Image.fromarray(values).convert(mode)
    path = tmp_path / f"picture.{suffix}"
    try:
        picture.save(path)
    except (OSError, KeyError):
        pytest.skip(f"{suffix} has no {mode}")
    found = read_picture(path)
    assert (found.mode, found.size) == ("RGB", (20, 10))
    grey = np.asarray(found).mean((0, 2))
    assert grey[0] < 60 < 190 < grey[-1]


def test_exif_orientation_is_followed(tmp_path):
    picture = Image.new("RGB", (20, 10), "white")
    picture.paste((0, 0, 0), (0, 0, 4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = read_picture(tmp_path / "a.jpg")
    assert found.size == (10, 20)
    assert found.getpixel((8, 1))[0] < 90


def test_transparency_lies_on_white(tmp_path):
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").getpixel((1, 1)) == (255, 255, 255)


def test_one_pixel(tmp_path):
    Image.new("L", (1, 1), 7).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").getpixel((0, 0)) == (7, 7, 7)


def test_broken_files_get_one_line(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    with pytest.raises(PictureError, match=r"a\.jpg: cannot be read"):
        read_picture(tmp_path / "a.jpg")
    with pytest.raises(PictureError, match="no such picture"):
        read_picture(tmp_path / "b.jpg")
    Image.new("RGB", (4, 4)).save(tmp_path / "c.png")
    with pytest.raises(MaskError, match="this one is RGB"):
        read_mask(tmp_path / "c.png")


def test_a_mask_comes_back_with_vocs_colours(tmp_path):
    mask = np.array([[0, 1], [15, 255]], np.uint8)
    write_mask(tmp_path / "a.png", mask)
    assert (read_mask(tmp_path / "a.png") == mask).all()
    colours = Image.open(tmp_path / "a.png").convert("RGB")
    assert colours.getpixel((1, 0)) == (128, 0, 0)
    assert tuple(voc_palette()[15].tolist()) == colours.getpixel((0, 1)) == (192, 128, 128)


def test_an_overlay_leaves_the_background_alone():
    picture = Image.new("RGB", (2, 1), (10, 20, 30))
    found = overlay(picture, np.array([[0, 1]], np.uint8), opacity=1.0)
    assert found.getpixel((0, 0)) == (10, 20, 30)
    assert found.getpixel((1, 0)) == (128, 0, 0)


def test_a_large_jpeg_is_decoded_smaller_on_request(tmp_path):
    stripes = np.zeros((1200, 1600, 3), np.uint8)
    stripes[:, 800:] = 200
    Image.fromarray(stripes).save(tmp_path / "large.jpg", quality=95)
    Image.fromarray(stripes).save(tmp_path / "large.png")
    assert read_picture(tmp_path / "large.jpg").size == (1600, 1200)
    # Half would be 600 pixels high: too few.
    assert read_picture(tmp_path / "large.jpg", 601).size == (1600, 1200)
    small = read_picture(tmp_path / "large.jpg", 300)
    assert small.size == (400, 300)
    assert small.getpixel((390, 150)) == pytest.approx((200, 200, 200), abs=3)
    assert read_picture(tmp_path / "large.png", 300).size == (1600, 1200)


@pytest.mark.parametrize(
    "tags", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01", b"Exif\0\0MM\0*"]
)
def test_garbage_in_exif_costs_no_picture(tmp_path, tags):
    Image.new("RGB", (20, 10), "white").save(tmp_path / "a.jpg", exif=tags)
    found = read_picture(tmp_path / "a.jpg")
    assert found.size == (20, 10)
    assert not found.info
    assert to_rgb(found).size == (20, 10), "it can be looked at again"


def test_only_ordinary_files_are_pictures(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "folder.jpg").mkdir()
    long = tmp_path / ("a" * 300 + ".jpg")
    for path in (*tmp_path.iterdir(), long, tmp_path / "nul\0.jpg"):
        for read, error in ((read_picture, PictureError), (read_mask, MaskError)):
            with pytest.raises(error, match=r"cannot be read"):
                read(path)


def test_no_program_is_started_for_a_picture(tmp_path, monkeypatch):
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("a program ran"))
    page = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    (tmp_path / "a.jpg").write_text(page)
    with pytest.raises(PictureError, match="cannot be read"):
        read_picture(tmp_path / "a.jpg")


def test_a_picture_of_a_few_bytes_cannot_take_gigabytes(tmp_path):
    for size in ((60_000, 60_000), (2**31 - 1, 2**31 - 1)):
        head = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
        chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", crc32(b"IHDR" + head))
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
        with pytest.raises(PictureError):
            read_picture(tmp_path / "a.png")


def test_hidden_files_are_no_pictures(tmp_path):
    for name in (".a.jpg", "b.jpg", "._c.jpg"):
        (tmp_path / name).touch()
    assert [path.name for path in pictures_in(tmp_path)] == ["b.jpg"]
