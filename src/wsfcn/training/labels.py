"""Pseudo-labels of whole pictures, to look at, to measure, or to train another network on."""

from pathlib import Path

import lightning as L
import numpy as np
import torch
from jaxtyping import UInt8
from lightning.pytorch.callbacks import Callback
from PIL import Image
from rich.progress import track
from torch.nn import functional as F

from wsfcn.checkpoint import load_checkpoint
from wsfcn.config import DataSettings, PseudoSettings
from wsfcn.data.dataset import TaggedPictures, ViewingSet, collate, open_data
from wsfcn.errors import SettingError
from wsfcn.files import atomic
from wsfcn.images import write_mask
from wsfcn.models.layers import resize
from wsfcn.models.segmenter import Segmenter
from wsfcn.training.module import SegmentationTraining
from wsfcn.training.step import make_labels, size_of
from wsfcn.types import Batch
from wsfcn.visualize import painted, sheet


@torch.inference_mode()
def labels_of(
    model: Segmenter, batch: Batch, settings: PseudoSettings, own_share: float
) -> tuple[UInt8[np.ndarray, "h w"], UInt8[np.ndarray, "h w"]]:
    """The mask and the pseudo-labels (255: none) of a batch of one picture, at its size."""
    device = model.mean.device
    batch = Batch(batch.image.to(device), batch.tags.to(device), batch.names)
    size = size_of(batch.image)
    prediction = model(batch.image)
    masks = resize(prediction.logits, size, align_corners=True).argmax(1)
    labels = make_labels(batch, prediction, settings, own_share)
    large = F.interpolate(labels[:, None].float(), size, mode="nearest")[:, 0]
    return masks[0].byte().cpu().numpy(), large[0].byte().cpu().numpy()


def write_labels(path: Path, data: DataSettings, out: Path) -> int:
    """Write the pseudo-labels of all training pictures, made from their tags, as indexed PNGs.

    ``path`` is a run folder or checkpoint. Returns the number of pictures. Raises SettingError
    where the data has other classes than the checkpoint.
    """
    checkpoint = load_checkpoint(path)
    pictures = open_data(data)
    if pictures.classes != checkpoint.classes:
        raise SettingError(
            f"{data.root}: its classes are {', '.join(pictures.classes.objects)}, but {path} knows "
            f"{', '.join(checkpoint.classes.objects)}"
        )
    pseudo = checkpoint.settings.pseudo
    view = ViewingSet(pictures.train, pictures.classes)
    for n in track(range(len(view)), "Labelling", transient=True):
        batch = collate([view[n]])
        _, labels = labels_of(checkpoint.model, batch, pseudo, pseudo.own_share)
        write_mask(out / f"{batch.names[0]}.png", labels)
    return len(view)


class Snapshots(Callback):
    """After each epoch a sheet of training pictures: picture, mask, pseudo-labels."""

    def __init__(self, folder: Path, data: TaggedPictures, pseudo: PseudoSettings) -> None:
        step = max(1, len(data.train) // 6)
        self.view = ViewingSet(data.train[::step][:6], data.classes)
        self.folder = folder
        self.pseudo = pseudo

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, SegmentationTraining)
        rows = []
        for sample in (self.view[n] for n in range(len(self.view))):
            masks = labels_of(pl_module.model, collate([sample]), self.pseudo, 0.0)
            image = (sample.image * 255).byte().permute(1, 2, 0).numpy()
            rows.append(painted(Image.fromarray(image), masks))
        with atomic(self.folder / f"epoch-{trainer.current_epoch + 1:03}.jpg") as name:
            sheet(rows, 2).save(name, quality=85)
