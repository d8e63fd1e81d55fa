"""Pseudo-labels of whole pictures, to look at, to measure, or to train another network on."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import lightning as L
import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from lightning.pytorch.callbacks import Callback
from PIL import Image
from rich.progress import track
from torch import Tensor

from wsfcn.checkpoint import load_checkpoint
from wsfcn.config import DataSettings, PseudoSettings, TrainSettings
from wsfcn.data.classes import unlike
from wsfcn.data.dataset import TaggedPictures, ViewingSet, collate, open_data, tag_vector
from wsfcn.data.splits import spread
from wsfcn.data.telling import prior_of, told
from wsfcn.data.transforms import at_size, to_tensor
from wsfcn.errors import PictureError, SettingError
from wsfcn.files import atomic, keep_inputs
from wsfcn.images import overlay, read_mask, reduced, write_mask
from wsfcn.maps import Sizes, nearest, resize, size_of
from wsfcn.method.pseudo import beyond
from wsfcn.method.step import cut, local_masks, refined_masks
from wsfcn.models.segmenter import Segmenter
from wsfcn.training.checks import check_corrected
from wsfcn.training.module import SegmentationTraining
from wsfcn.training.relabel import labels_anew, second_round, sure_labels
from wsfcn.types import IGNORE, Batch, Sample
from wsfcn.visualize import beside, sheet

SHOWN = 6
"""Pictures of an epoch's sheet."""


class Labelled(NamedTuple):
    """From the mask of a picture to its pseudo-labels, all at the picture's size, by channel."""

    mask: UInt8[np.ndarray, "h w"]
    """What the network sees."""
    strongest: UInt8[np.ndarray, "h w"]
    """The class of the largest refined mask."""
    strength: Float32[np.ndarray, "h w"]
    """The largest refined mask."""
    labels: UInt8[np.ndarray, "h w"]
    """255 where there is none."""


@torch.inference_mode()
def labels_of(
    model: Segmenter,
    batch: Batch,
    settings: PseudoSettings,
    own_share: float,
    sizes: Sizes,
    prior: Float[Tensor, "n"],
) -> Labelled:
    """The pseudo-labels of a batch of one picture, and what they were made from."""
    device, size = model.mean.device, size_of(batch.image)
    image = at_size(batch.image.to(device), sizes._replace(least=0).best(size))
    batch = Batch(image, batch.tags.to(device), batch.names)
    prediction = beyond(model(batch.image), prior)
    mask = resize(prediction.logits, size, align_corners=True).argmax(1)
    refined = refined_masks(batch, prediction, settings, own_share, local_masks(model, batch))
    labels = cut(
        refined,
        size_of(image),
        settings,
        banded=prediction.activations is not None,
        background=prediction.background,
    )
    strength, place = resize(refined.masks, size, align_corners=True).max(1)
    strength = strength.nan_to_num()  # a network that has failed is shown too
    strongest = refined.classes[0, place[0]]
    shown = nearest(labels[0].byte(), size, align_corners=True)
    maps = (mask[0].byte(), strongest.byte(), strength[0].float(), shown)
    return Labelled(*(values.cpu().numpy() for values in maps))


def write_labels(
    path: Path, data: DataSettings, out: Path, *, gpu: bool = False
) -> tuple[int, list[PictureError]]:
    """Write the pseudo-labels of all training pictures, made from their tags, as indexed PNGs.

    They are made as the training last made them: from several views, where it had a second round.
    Where people corrected a pixel, its label is theirs.

    ``path`` is a run folder or checkpoint. Returns the number of pictures, and errors for those
    that cannot be read, which are left out. Raises CheckpointError, DataError, and SettingError
    where the data has other classes than the checkpoint or ``out`` holds the truth masks.
    """
    checkpoint = load_checkpoint(path)
    pictures = open_data(replace(data, levels=checkpoint.settings.data.levels))
    check_corrected(pictures)
    if pictures.classes != checkpoint.classes:
        others = unlike(pictures.classes, checkpoint.classes, str(path))
        raise SettingError(f"{data.root}: its classes are {others}")
    if pictures.masks and out.resolve() == pictures.masks.resolve():
        raise SettingError(f"{out}: holds the truth masks; name another folder for the labels")
    targets = [out / f"{picture.name}.png" for picture in pictures.train]
    keep_inputs(targets, [picture.path for picture in (*pictures.train, *pictures.val)])
    model = checkpoint.model.to("cuda" if gpu else "cpu")
    settings = checkpoint.settings
    pictures = pictures if settings.pseudo.known else told(pictures)
    prior = prior_of(pictures.train, pictures.classes)
    pseudo, side = settings.pseudo, settings.data.longest_side
    sizes = model.sizes(settings.data.crop)
    has_second = second_round(settings, len(pictures.train)) is not None
    broken = []
    for picture in track(pictures.train, "Labelling", transient=True):
        try:
            opened = picture.open()
        except PictureError as error:
            broken.append(error)
            continue
        tags = tag_vector(picture.tags, pictures.classes)
        batch = collate([Sample(to_tensor(reduced(opened, side)), tags, picture.name)])
        if has_second and labels_anew(model, tags):
            device = model.mean.device
            image, known = batch.image.to(device), batch.tags.to(device)
            labels, _ = sure_labels(model, image, known, pseudo)
            labels = labels.cpu()
        else:
            made = labels_of(model, batch, pseudo, pseudo.own_share, sizes, prior)
            labels = torch.from_numpy(made.labels)
        labels = nearest(labels, (opened.height, opened.width)).numpy()
        classes = pictures.classes
        mask = classes.of_channels(labels)
        said = pictures.corrected.get(picture.name)
        if said:
            corrected = read_mask(said)
            mask = np.where(corrected == IGNORE, mask, corrected)
        target = out / f"{picture.name}.png"
        write_mask(target, mask, background=classes.background, taught=said is not None)
    return len(pictures.train) - len(broken), broken


class Snapshots(Callback):
    """After each epoch a sheet of training pictures: picture, mask, refined masks, labels.

    The labels are those that a step makes, and in the second round those that were made for it.
    """

    def __init__(self, folder: Path, data: TaggedPictures, settings: TrainSettings) -> None:
        some = spread(data.train, SHOWN)
        self.view = ViewingSet(some, data.classes, settings.data.longest_side)
        self.folder = folder
        self.pseudo = settings.pseudo

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, SegmentationTraining)
        model = pl_module.teacher or pl_module.model
        rows = []
        for sample in filter(None, (self.view[n] for n in range(len(self.view)))):
            batch = collate([sample])
            share, sizes, prior = pl_module.own_share, pl_module.sizes, pl_module.prior
            found = labels_of(model, batch, self.pseudo, share, sizes, prior)
            picture = Image.fromarray((sample.image * 255).byte().permute(1, 2, 0).numpy())
            refined = overlay(picture, found.strongest, found.strength)
            made = self._made(pl_module, sample, trainer.current_epoch)
            labels = found.labels if made is None else made
            tiles = [overlay(picture, found.mask), refined, overlay(picture, labels)]
            rows.append(beside([picture, *tiles]))
        if not rows:
            return
        with atomic(self.folder / f"epoch-{trainer.current_epoch + 1:03}.jpg") as name:
            sheet(rows, 2).save(name, quality=85)

    def _made(
        self, training: SegmentationTraining, sample: Sample, epoch: int
    ) -> UInt8[np.ndarray, "h w"] | None:
        """The labels of the second round, by channel, at the size of a sample; None without any."""
        made = training.second.labels(sample.name, epoch) if training.second else None
        if made is None:
            return None
        labels = torch.from_numpy(self.view.classes.to_channels(made, IGNORE))
        return nearest(labels, size_of(sample.image)).numpy()
