"""Which picture is worth a person's next minute: where the masks are most probably wrong, and why.

Nothing here looks at truth. A picture's masks are computed at its size, mirrored and smaller; what
is told about them is what a person would look for: masks that disagree, masks of which the network
itself is not sure, tags without a mask, masks without a tag, and objects of unusual size.
`benchmarks/review.py` compares the order with truth.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from PIL import Image

from wsfcn.config import DataSettings, ExchangeSettings
from wsfcn.data.classes import unlike
from wsfcn.data.dataset import TaggedPicture, TaggedPictures, open_data
from wsfcn.errors import DataError, PictureError, SettingError
from wsfcn.exchange.convert import given_for, named_for
from wsfcn.files import atomic, keep_inputs
from wsfcn.images import read_picture, reduced
from wsfcn.inference.folder import pictures_per_second, read
from wsfcn.inference.forms import predict_form
from wsfcn.inference.multiscale import look
from wsfcn.inference.network import Network
from wsfcn.inference.predictor import Predictor
from wsfcn.maps import as_array, resize
from wsfcn.report import Example, write_review
from wsfcn.threads import ahead
from wsfcn.types import Classes

SMALLER = 0.7
"""The second size at which a picture is looked at."""

CONFIDENT = 0.5
"""Probability of an untagged class from which its tag may have been forgotten."""

VISIBLE = 0.01
"""Share of the picture below which a mask without a tag is but a speck."""

ODD = 3.0
"""Deviations from the usual size of a class from which a size is odd."""

MANY = 10
"""Pictures with a class from which its usual size is known."""

WORTH_SAYING = 0.2
"""How strong a sign must be to be told."""


class Signs(NamedTuple):
    """What tells that a picture's masks may be wrong; each from 0 to 1."""

    disagreement: float
    """1 - IoU of what the views say, the mean over the classes."""
    doubt: float
    """1 - the IoU that the network's own probabilities, and the tags, let expect."""
    odd: float = 0.0
    """How unusual the sizes of the objects are; at most 0.5, as it says less than the others."""

    @property
    def worth(self) -> float:
        """The probability that any of it is right, as if each were one and knew nothing of others.

        >>> Signs(0.5, 0.5).worth
        0.75
        """
        return 1 - float(np.prod([1 - sign for sign in self]))


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """One picture, and why a person should look at it."""

    name: str
    path: Path
    split: str
    """``train`` or ``val``."""
    tags: tuple[str, ...]
    worth: float
    reasons: tuple[str, ...]
    """In words, the strongest first."""
    signs: Signs


class Views(NamedTuple):
    """A picture's masks in several views, on the grid of the first."""

    masks: Float[np.ndarray, "v c h w"]
    tags: Float[np.ndarray, "c-1"]
    """Probability of each tag, the highest of the views."""


class Seen(NamedTuple):
    """What is kept of a picture until all have been seen."""

    signs: Signs
    reasons: list[tuple[float, str]]
    """Each with how strong it is."""
    areas: Mapping[int, float]
    """Share of the picture of each tagged class that has a mask."""


def review(network: Network, data: TaggedPictures) -> tuple[list[Reviewed], list[PictureError]]:
    """The training and validation pictures that nobody has corrected, the most worth first.

    Pictures that cannot be read are left out and returned as errors. Raises SettingError where the
    data has other classes than the network, DataError where no picture is left.
    """
    inside = data.classes.with_background  # names by the channels of soft masks
    if data.classes != network.classes:
        raise SettingError(f"the data's classes are {unlike(data.classes, network.classes)}")
    pictures = [
        (split, picture)
        for split, group in (("train", data.train), ("val", data.val))
        for picture in group
        if picture.name not in data.corrected
    ]
    if not pictures:
        raise DataError("every picture has been corrected: none is left to review")
    found: list[tuple[str, TaggedPicture, Seen]] = []
    broken: list[PictureError] = []
    with ThreadPoolExecutor(2) as pool, pictures_per_second() as progress:
        opened = ahead(pool, read, [picture.path for _, picture in pictures])
        for (split, picture), (_, image) in progress.track(
            zip(pictures, opened, strict=True), total=len(pictures), description="Reviewing"
        ):
            if isinstance(image, PictureError):
                broken.append(image)
                continue
            tagged = [inside.index(tag) for tag in picture.tags]
            views = views_of(network, reduced(image, network.longest_side))
            found.append((split, picture, judged(views, sorted({*tagged} - {0}), data.classes)))
    seen = with_odd_sizes([seen for _, _, seen in found], inside)
    reviewed = [
        Reviewed(
            name=picture.name,
            path=picture.path,
            split=split,
            tags=picture.tags,
            worth=round(each.signs.worth, 4),
            reasons=in_words(each.reasons),
            signs=each.signs,
        )
        for (split, picture, _), each in zip(found, seen, strict=True)
    ]
    return sorted(reviewed, key=lambda one: (-one.worth, one.name)), broken


def views_of(network: Network, picture: Image.Image) -> Views:
    """What the network sees in a picture, in its mirror image, and at `SMALLER`."""
    picture = picture.resize(network.sizes.best(picture.size), Image.Resampling.BICUBIC)
    plain = network.image(np.asarray(picture))
    mirrored = network.image(np.ascontiguousarray(np.asarray(picture)[:, ::-1]))
    first, second = network(plain), network(mirrored)
    third = look(network, picture, SMALLER, tile=max(picture.size) + 1)
    masks = as_array(first.masks)
    size = (masks.shape[-2], masks.shape[-1])
    smaller = resize(as_array(third.masks), size, align_corners=True)
    masks = np.concatenate([masks, as_array(second.masks)[..., ::-1], smaller])
    tags = np.stack([as_array(first.tags)[0], as_array(second.tags)[0], as_array(third.tags)])
    return Views(masks.astype(np.float32), tags.max(0).astype(np.float32))


def judged(views: Views, tagged: Sequence[int], classes: Classes) -> Seen:
    """The signs of one picture whose tags are ``tagged``, all but those that need other pictures.

    Raises DataError where the masks of a network that has failed are not numbers.
    """
    if not (np.isfinite(views.masks).all() and np.isfinite(views.tags).all()):
        raise DataError("the network has failed: its masks are not finite")
    mean = views.masks.mean(0)
    winner = mean.argmax(0)
    shares = np.bincount(winner.ravel(), minlength=len(mean)) / winner.size
    agreement = agreement_of(views.masks.argmax(1))
    expected = expected_iou(mean, tagged, background=classes.background)
    names = classes.with_background.names
    reasons = [
        (1 - agreement, f"scales and mirror images agree by {100 * agreement:.0f} % alone"),
        (1 - expected, f"by its own probabilities the mask is right to {100 * expected:.0f} %"),
        *((1.0, f"the tag {names[k]} got no mask") for k in tagged if not shares[k]),
    ]
    for k in np.flatnonzero(shares[1:] >= VISIBLE) + 1:
        if k in tagged:
            continue
        said = f"{100 * shares[k]:.0f} % of the picture is {names[k]}, which is no tag"
        probability = float(views.tags[k - 1])
        if probability >= CONFIDENT:
            said += f": forgotten? (probability {probability:.2f})"
        reasons.append((max(float(shares[k] / shares[1:].sum()), probability), said))
    signs = Signs(1 - agreement, 1 - expected)
    return Seen(signs, reasons, {k: float(shares[k]) for k in tagged if shares[k]})


def expected_iou(
    masks: Float[np.ndarray, "c h w"], tagged: Sequence[int], *, background: bool = True
) -> float:
    """The IoU that soft masks let expect of their winners, the mean over the classes.

    A pixel is of its class with the probability that its mask has among those of the background, if
    there is one, and the tags, and of a class without a tag with none. So a tag without a mask
    counts as 0, and so does a mask without a tag.

    >>> masks = np.array([[[0.8, 0.2]], [[0.2, 0.6]], [[0.0, 0.2]]])
    >>> round(expected_iou(masks, [1]), 3)  # background 0.8 of 1.25, object 0.75 of 1.2
    0.632
    """
    present = [0, *tagged] if background else [*tagged]
    winner = masks.argmax(0)
    likely = np.zeros_like(masks)
    likely[present] = masks[present] / masks[present].sum(0).clip(min=1e-9)
    found = []
    for k in sorted({*present, *np.unique(winner).tolist()}):
        inside = winner == k
        right = float(likely[k][inside].sum())
        found.append(ratio(right, float(inside.sum()) + float(likely[k][~inside].sum())))
    return float(np.mean(found))


def agreement_of(labels: Int[np.ndarray, "v h w"]) -> float:
    """IoU of what all views call a class and what any does, the mean over the classes.

    >>> agreement_of(np.array([[[0, 1, 1]], [[0, 0, 1]]]))
    0.5
    """
    found = []
    for k in np.unique(labels):
        is_k: Bool[np.ndarray, "v h w"] = labels == k
        found.append(is_k.all(0).sum() / is_k.any(0).sum())
    return float(np.mean(found))


def ratio(part: float, whole: float) -> float:
    """A share; 0 of nothing."""
    return float(part / whole) if whole else 0.0


def with_odd_sizes(seen: Sequence[Seen], classes: Classes) -> list[Seen]:
    """The same with the signs of sizes far from the usual ones of their class.

    Sizes are compared by their logarithms: median, and 1.48 times the median deviation from it.
    """
    logs: dict[int, list[float]] = defaultdict(list)
    for each in seen:
        for k, area in each.areas.items():
            logs[k].append(np.log(area))
    usual = {}
    for k, values in logs.items():
        if len(values) >= MANY:
            middle = float(np.median(values))
            usual[k] = middle, max(1.48 * float(np.median(np.abs(np.array(values) - middle))), 0.1)
    result = []
    for each in seen:
        odd, reasons = 0.0, list(each.reasons)
        for k, area in each.areas.items():
            if k not in usual:
                continue
            middle, deviation = usual[k]
            away = abs(np.log(area) - middle) / deviation
            if away >= ODD:
                strength = (1 - ODD / float(away)) / 2
                odd = max(odd, strength)
                reasons.append(
                    (
                        strength,
                        f"{classes.names[k]} takes {100 * area:.2g} % of the picture, usually "
                        f"about {100 * np.exp(middle):.2g} %",
                    )
                )
        result.append(each._replace(signs=each.signs._replace(odd=odd), reasons=reasons))
    return result


def in_words(reasons: Iterable[tuple[float, str]]) -> tuple[str, ...]:
    """The reasons worth saying, the strongest first; one of them in any case."""
    ordered = sorted(reasons, key=lambda reason: -reason[0])
    return tuple(
        said for n, (strength, said) in enumerate(ordered) if strength >= WORTH_SAYING or n == 0
    )


class Written(NamedTuple):
    """What `write_reviewed` did."""

    count: int
    """Pictures in the list."""
    batch: int
    """Pictures in the batch for the labelling tool."""
    notes: list[str]
    broken: list[PictureError]


def review_data(
    network: Network,
    settings: DataSettings,
    out: Path,
    *,
    first: int = 100,
    to: str | None = None,
    exchange: ExchangeSettings | None = None,
) -> Written:
    """Write ``review.csv``, ``review.json`` and ``review.html`` into ``out``.

    The page shows the ``first`` pictures; with ``to`` their masks are written for that labelling
    tool, as ``batch`` beside the list, named like the pictures of the data set. Raises SettingError
    before anything is computed where a batch is there already, or a picture would be replaced.
    """
    data = open_data(settings)
    exchange = exchange or ExchangeSettings()
    batch = named_for(to, out / "batch") if to else None
    if to and batch:
        given_for(to, batch, exchange, "classes")
    files = [out / f"review.{kind}" for kind in ("csv", "json", "html")]
    keep_inputs(files, [picture.path for picture in (*data.train, *data.val)])
    reviewed, broken = review(network, data)
    shown, notes = reviewed[:first], []
    if to and batch:
        names = {one.path: f"{one.name}{one.path.suffix}" for one in shown}
        predictor = Predictor(network)
        notes = predict_form(predictor, [*names], to, batch, settings=exchange, files=names).notes
    write_csv(files[0], reviewed)
    write_json(files[1], reviewed)
    write_review(files[2], [example_of(one, network) for one in shown], len(reviewed))
    return Written(len(reviewed), len(shown) if to else 0, notes, broken)


def example_of(one: Reviewed, network: Network) -> Example:
    """A picture with its mask and its reasons, as the page shows it."""
    picture = reduced(read_picture(one.path), network.longest_side)
    found = Predictor(network).predict(picture)
    said = "; ".join(one.reasons)
    tags = ", ".join(one.tags) or "no tag"
    return Example(
        f"{one.name} ({one.split}; {tags}): {said}",
        picture,
        found.mask,
        background=network.classes.background,
    )


def write_csv(path: Path, reviewed: Sequence[Reviewed]) -> None:
    """The list as a table, a picture a line, whole or not at all."""
    with atomic(path) as name, name.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(
            ("rank", "name", "image", "split", "tags", "worth", "reasons", *Signs._fields)
        )
        for rank, one in enumerate(reviewed, start=1):
            signs = (f"{sign:.4f}" for sign in one.signs)
            table.writerow(
                (rank, one.name, one.path, one.split, ";".join(one.tags), one.worth,
                 "; ".join(one.reasons), *signs)
            )  # fmt: skip


def write_json(path: Path, reviewed: Sequence[Reviewed]) -> None:
    """The list as JSON, whole or not at all."""
    content = [
        asdict(one)
        | {
            "path": str(one.path),
            "signs": {name: round(sign, 4) for name, sign in one.signs._asdict().items()},
        }
        for one in reviewed
    ]
    with atomic(path) as name:
        name.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
