"""DICOM, which hospitals keep their pictures in, through pydicom.

Standard: https://www.dicomstandard.org. Of several frames the first is taken; stored values become
those that the file says they mean (modality LUT: Hounsfield units of CT), and films whose smallest
value is white are inverted.
"""

from io import BufferedReader, BytesIO
from typing import Any

import numpy as np
from PIL import Image

SUFFIXES = frozenset({".dcm", ".dicom"})

NEEDED = "needs pydicom; pip install 'wsfcn[dicom]'"


def read_dicom(file: BufferedReader | BytesIO) -> Image.Image:
    """The picture in a DICOM file: RGB, or grey values as they are (mode ``F``).

    Raises ValueError for want of pydicom, and whatever pydicom does for a broken file.
    """
    try:
        import pydicom
        from pydicom.pixels import apply_modality_lut, pixel_array
    except ImportError:
        raise ValueError(NEEDED) from None
    about: Any = pydicom.dcmread(file)
    rows, columns = int(about.Rows), int(about.Columns)
    if rows * columns > (Image.MAX_IMAGE_PIXELS or 2**31):
        raise ValueError(f"{columns} x {rows} pixels are more than is read")
    frames = int(about.get("NumberOfFrames", None) or 1)
    values = pixel_array(about, index=0)
    if values.ndim == 3:
        picture = Image.fromarray(values.astype(np.uint8))
    else:
        grey = apply_modality_lut(values, about).astype(np.float32)
        if about.PhotometricInterpretation == "MONOCHROME1":
            grey = grey.max() + grey.min() - grey
        picture = Image.fromarray(grey)
    picture.info["frames"] = frames
    return picture
