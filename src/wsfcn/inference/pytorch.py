"""A network that PyTorch computes, from a checkpoint."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from wsfcn.checkpoint import Checkpoint
from wsfcn.errors import SettingError
from wsfcn.inference.network import Device, Seen
from wsfcn.models.fusion import GlobalCueInjection
from wsfcn.models.segmenter import Segmenter
from wsfcn.types import Prediction


def on_gpu(device: Device) -> bool:
    """Whether to compute on a GPU. Raises SettingError where one is asked for and there is none."""
    if device == "gpu" and not torch.cuda.is_available():
        raise SettingError("device: PyTorch finds no GPU here; use --device cpu")
    return device != "cpu" and torch.cuda.is_available()


class TorchNetwork:
    """The segmenter of a checkpoint, in evaluation mode. Raises SettingError for want of a GPU."""

    def __init__(self, checkpoint: Checkpoint, device: Device = "auto") -> None:
        model = checkpoint.model.eval().to("cuda" if on_gpu(device) else "cpu")
        self.model = model.to(memory_format=torch.channels_last)
        self.classes = checkpoint.classes
        self.longest_side = checkpoint.settings.data.longest_side
        self.sizes = model.sizes(checkpoint.settings.data.crop)
        self.corrected = checkpoint.corrected
        self.levels = checkpoint.settings.data.levels

    def image(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "1 3 h w"]:
        image = torch.from_numpy(pixels.copy()).to(self.model.mean.device)
        return image.permute(2, 0, 1)[None].float() / 255

    @torch.inference_mode()
    def __call__(self, images: Float[Tensor, "b 3 h w"]) -> Seen:
        return seen(self.model(images))

    def parts(self) -> "TorchParts":
        return TorchParts(self.model)


class TorchParts:
    """The parts of a segmenter."""

    def __init__(self, model: Segmenter) -> None:
        self.model = model

    @torch.inference_mode()
    def features(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, Tensor]:
        return self.model.features(image)

    @torch.inference_mode()
    def context(self, deep: Float[Tensor, "b d y x"]) -> Float[Tensor, "b k y x"]:
        return self.model.context(deep)

    @torch.inference_mode()
    def cues(
        self, shallow: Float[Tensor, "b s h w"], context: Float[Tensor, "b k y x"]
    ) -> Float[Tensor, "b m h w"] | None:
        fusion = self.model.fusion
        if not isinstance(fusion, GlobalCueInjection):
            return None
        found: list[Tensor] = []
        with on_output(fusion.cues, found.append):
            fusion(shallow, context)
        return found[0]

    @torch.inference_mode()
    def logits(
        self,
        shallow: Float[Tensor, "b s h w"],
        context: Float[Tensor, "b k y x"],
        maximum: Float[Tensor, "b m 1 1"] | None,
    ) -> Float[Tensor, "b n h w"]:
        fusion = self.model.fusion
        if maximum is None:
            return self.model.head(fusion(shallow, context))
        assert isinstance(fusion, GlobalCueInjection)
        with on_output(fusion.cues, lambda _: maximum):
            return self.model.head(fusion(shallow, context))

    @torch.inference_mode()
    def seen(self, deep: Float[Tensor, "b d y x"], logits: Float[Tensor, "b n h w"]) -> Seen:
        return seen(self.model.prediction(deep, logits))


def seen(prediction: Prediction) -> Seen:
    """Masks and tags of a segmenter's logits and scores."""
    return Seen(prediction.logits.softmax(1), prediction.scores.sigmoid())


@contextmanager
def on_output(module: nn.Module, function: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
    """Show a module's output to ``function``; what that returns, if anything, takes its place."""

    def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        return function(output)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
