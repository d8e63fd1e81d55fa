"""The published training step, written straight from the paper, as slow as it comes.

All classes go through PAMR, whose 48 neighbours are stacked per class; float32. It is what our step
must agree with, and what it is compared to.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from wsfcn.models.segmenter import Segmenter
from wsfcn.types import Batch


def plain_step(model: Segmenter, batch: Batch, lambda_: float = 0.01) -> Tensor:
    """The loss of a batch after the warm-up (VOC's numbers)."""
    logits = model(batch.image).logits
    masks = logits.softmax(1)
    shares = masks[:, 1:].mean((2, 3))
    pooled = (masks * logits).sum((2, 3)) / (1 + masks.sum((2, 3)))
    scores = pooled[:, 1:] + (1 - shares) ** 3 * torch.log(lambda_ + shares)
    tag_loss = F.multilabel_soft_margin_loss(scores, batch.tags)
    refined = plain_pamr(batch.image, masks.detach())
    size = batch.image.shape[2:]
    refined = F.interpolate(refined, size, mode="bilinear", align_corners=True)
    labels = plain_labels(refined, batch.tags)
    large = F.interpolate(logits, size, mode="bilinear", align_corners=True)
    return tag_loss + plain_mask_loss(large, labels, batch.tags)


def plain_pamr(image: Tensor, masks: Tensor, iterations: int = 10) -> Tensor:
    """PAMR with the neighbours of each class in memory at once."""
    image = F.interpolate(image, masks.shape[2:], mode="bilinear", align_corners=True)

    def around(x: Tensor, dilation: int, centre: bool) -> list[Tensor]:
        padded = F.pad(x, (dilation,) * 4, mode="replicate")
        height, width = x.shape[2:]
        return [
            padded[:, :, dilation + dy : dilation + dy + height, dilation + dx :][..., :width]
            for dy in (-dilation, 0, dilation)
            for dx in (-dilation, 0, dilation)
            if centre or dy or dx
        ]

    dilations = (1, 2, 4, 8, 12, 24)
    near = torch.stack([n for d in dilations for n in around(image, d, False)], 2)
    deviation = torch.stack([n for d in dilations for n in around(image, d, True)], 2).std(2)
    distance = (image[:, :, None] - near).abs() / (1e-8 + 0.1 * deviation[:, :, None])
    weights = (-distance).mean(1, keepdim=True).softmax(2)
    for _ in range(iterations):
        stack = torch.stack([n for d in dilations for n in around(masks, d, False)], 2)
        masks = (stack * weights).sum(2)
    return masks


def plain_labels(masks: Tensor, tags: Tensor) -> Tensor:
    """Hard labels by class maxima."""
    masks = masks * torch.cat([torch.ones_like(tags[:, :1]), tags], 1)[..., None, None]
    peak = masks.amax((2, 3), keepdim=True)
    cutoff = 0.6 * peak
    cutoff[:, 0] = 0.7 * peak[:, 0]
    belongs = masks > cutoff.clamp(min=0.2)
    return torch.where(belongs.sum(1) == 1, belongs.float().argmax(1), 255)


def plain_mask_loss(logits: Tensor, labels: Tensor, tags: Tensor) -> Tensor:
    """Balanced cross-entropy, picture by picture."""
    losses = []
    for x, label, tag in zip(logits, labels, tags, strict=True):
        sizes = torch.stack([(label == k).sum() for k in range(len(x))]).float()
        weights = (sizes.sum() - sizes) / (1 + sizes.sum())
        loss = F.cross_entropy(x[None], label[None], weights, ignore_index=255, reduction="none")
        complete = bool((sizes[1:][tag > 0] > 0).all() and sizes[0] > 0)
        losses.append(loss.mean() * complete)
    return torch.stack(losses).mean()
