"""Masks from a file of `wsfcn export`, with NumPy, Pillow and onnxruntime alone.

python examples/onnx_predict.py model.onnx photo.jpg mask.png
"""

import json
import math
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def main(model: str, photo: str, out: str) -> None:
    session = onnxruntime.InferenceSession(model)
    about = session.get_modelmeta().custom_metadata_map
    classes, palette = json.loads(about["classes"]), json.loads(about["palette"])
    picture = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
    size = picture.size
    # Large pictures are reduced, narrow ones not below the area of a square of three quarters.
    longest, area = json.loads(about["longest_side"]), picture.width * picture.height
    picture.thumbnail([max(longest, 0.75 * longest * max(size) / math.sqrt(area))] * 2)
    # Small pictures are seen better somewhat larger: at the area of a square of so many pixels;
    # and all in sizes that differ from those of training by whole cells of 32 pixels.
    factor = max(1, json.loads(about["least_side"]) / math.sqrt(picture.width * picture.height))
    if crop := json.loads(about["aligned_to"]):  # 0: pictures are seen as they are
        rest = crop % 32
        sides = [rest + 32 * max(1, round((side * factor - rest) / 32)) for side in picture.size]
        picture = picture.resize(sides, Image.Resampling.BICUBIC)
    image = np.asarray(picture).transpose(2, 0, 1)[None]
    if json.loads(about["input"]) == "float":
        image = image.astype(np.float32) / 255
    (masks,), (tags,) = session.run(["probabilities", "tags"], {"image": image})
    masks[1:][tags <= 0.1] = 0  # classes that the picture does not seem to contain
    mask = Image.fromarray(masks.argmax(0).astype(np.uint8))
    mask.putpalette(np.array(palette, np.uint8).tobytes())
    mask.resize(size, Image.Resampling.NEAREST).save(out)
    print(*(f"{name} {tag:.2f}" for name, tag in zip(classes[1:], tags, strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
