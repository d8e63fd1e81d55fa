"""Every setting, typed; a field's docstring is its help text on the command line.

``run`` settings cannot change results; all others can. When two runs differ, look there.
Settings stop at the builders: layers and functions take plain arguments. A field's annotation is
its rule, and `checked` holds all of them to it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from wsfcn.checked import (
    AtLeastOne,
    Checked,
    Count,
    NotNegative,
    Positive,
    Rate,
    Share,
    from_dict,
    need,
)
from wsfcn.errors import SettingError, did_you_mean

Fraction = Annotated[float, Meta(gt=0, le=1)]
"""Above 0, up to 1: a part of something."""


Scale = Annotated[float, Meta(gt=0, le=16)]
"""A picture's size in a view, as a factor of its own."""


@dataclass(frozen=True, kw_only=True)
class DataSettings(Checked, group="data"):
    """Which pictures, and how training sees them."""

    root: Path | None = None
    """Folder of the data set: images/, tags.csv (or another form of tags), and optionally
    classes.txt, train.txt, val.txt, masks/ (for evaluation alone), corrected/ (to learn from)."""
    train: str = "train"
    """Split to learn from; without a train.txt, all tagged pictures that are not in `val`."""
    val: str = "val"
    """Split to validate on; without a val.txt, a tenth of the tagged pictures, set aside."""
    tags: Literal[
        "auto",
        "csv",
        "jsonl",
        "npy",
        "mvtec",
        "fiftyone",
        "label-studio",
        "cvat",
        "coco",
        "voc",
        "yolo",
        "folders",
    ] = "auto"
    """Form of the tags: a table (tags.csv, ...), JSON lines, cls_labels.npy, the layout of MVTec
    AD, an export of FiftyOne, Label Studio or CVAT, COCO JSON, VOC XML, YOLO's labels, a folder a
    class; or the first of these that the folder holds."""
    corrected: Path | None = None
    """Folder of masks that people drew or corrected for some of the pictures, 255 where they said
    nothing; `corrected` in the data set by default. Such a picture teaches and is in no figure."""
    untagged: bool | None = None
    """Take pictures without a tag as examples of the background; without a word they are, and
    their number is told. `--data.untagged=false` refuses them."""
    normal: tuple[str, ...] = ()
    """Names of folders or tags that say that nothing is there, beside good, ok, normal, healthy,
    negative, none, free and background."""
    background: Literal["auto", "none"] = "auto"
    """`none`: every pixel belongs to a class, as in land cover; the same as a classes.txt that
    starts with another name than background. Each picture then needs a tag."""
    levels: tuple[float, float] | None = None
    """Values that become black and white in grey pictures of more than 8 bits; without a word,
    those between which the training pictures' lie, which the checkpoint then holds."""
    broken: Count = 10
    """Pictures that cannot be read before a training stops; up to then it passes them over, each
    with a warning (counted by each worker, anew each epoch)."""
    rarest: Share = 0.5
    """Share of an even part of the pictures (one in n, of n classes) that each class has at least
    in what is shown: pictures of rarer classes are shown more often, up to four times; 0 shows all
    alike."""
    corrected_share: Rate = 0.2
    """Share of what is shown that corrected pictures have at least, each shown up to eight times as
    often as others; 0 shows all alike."""
    crop: Annotated[int, Meta(ge=16, le=8192)] = 224
    """Side of the square training crops, in pixels."""
    scale: tuple[Fraction, Fraction] = (0.4, 1.0)
    """Range of the crop's area as a fraction of the picture's."""
    aspect: tuple[Positive, Positive] = (0.75, 4 / 3)
    """Range of the crop's aspect ratio before it is made square."""
    jitter: tuple[Share, Share, Share, Share] = (0.3, 0.3, 0.3, 0.1)
    """Strength of the colour jitter: brightness, contrast, saturation, hue."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("scale", "aspect"):
            low, high = getattr(self, name)
            need(low <= high, f"data.{name}", "the low end, then the high one", (low, high))
        if self.levels:
            rule = "the value of black, then a higher one of white"
            need(self.levels[0] < self.levels[1], "data.levels", rule, self.levels)

    @property
    def longest_side(self) -> int:
        """Pixels to which larger pictures are reduced (`images.reduced_size`) when they are looked
        at as a whole: objects then have sizes that training has shown."""
        return 2 * self.crop


@dataclass(frozen=True, kw_only=True)
class ModelSettings(Checked, group="model"):
    """The network: backbone, context, fusion, head, image scores."""

    backbone: str = "efficientnet_lite0"
    """`wide_resnet38`, or the name of any timm model that offers features."""
    weights: str = "imagenet"
    """Initial weights of the backbone: `imagenet`, `none`, or a file. Or of the whole network: a
    run or one of its checkpoints, from which the training sets out."""
    stride: Literal[8, 16, 32] = 16
    """Output stride of the deep feature: pixels per cell."""
    frozen_stride: Literal[0, 2, 4] = 4
    """Keep all batch norms of the backbone, and its layers up to this stride, as they are (2 in the
    paper); 0 trains everything."""
    frozen: Literal["first", "all"] = "first"
    """What of the backbone never learns: its `first` layers, up to `frozen_stride`, or `all` of it,
    which then needs no gradients and keeps no activations."""
    middle: bool = True
    """Join the feature of stride 8 to the shallow one, of stride 4 (not in the paper), where an
    EfficientNet-Lite or timm's model has both: small things show there."""
    width: Annotated[int, Meta(ge=2, le=8192)] = 48
    """Channels of context, fusion and head (256 in the paper)."""
    context: Literal["fca", "aspp", "none"] = "fca"
    """Context over the deep feature: flexible context aggregation, atrous pyramid, or a 1x1."""
    kernels: tuple[Annotated[int, Meta(ge=1, le=255)], ...] = (1, 3, 5, 7)
    """Kernel sizes of the context branches (FCA)."""
    dilations: tuple[AtLeastOne, ...] = (1, 2, 2, 2)
    """Dilations of the context branches, in cells of the deep grid (1, 12, 24, 36 in the paper)."""
    context_norm: Literal["idle", "learned"] = "learned"
    """Batch norms of the context: `idle` never update their statistics, as published."""
    fusion: Literal["sf2", "gci", "none"] = "sf2"
    """Fusion of shallow and deep features: SF2, global cue injection, or deep alone."""
    align: bool = True
    """Warp the context to the shallow grid along a learned flow (SF2); otherwise interpolate."""
    gate: Rate = 0.3
    """Stochastic gate's share psi of the low path; 0 switches the gate off."""
    drop_path: Rate = 0.1
    """Rate of stochastic depth in the backbone, where timm's model has it (0 in the paper)."""
    dropout: Rate = 0.2
    """Dropout of context and head (0.5 in the paper); the head's last one is a fifth of it."""
    scoring: Literal["masks", "activations"] = "activations"
    """Image scores from the masks, as published, or as means of class activation maps of the deep
    feature, which then are also where the pseudo-labels come from."""
    evidence: bool = True
    """Look for local evidence of each class too (frozen features of strides 4, 8 and 16, where the
    backbone has them). Labels of a class come from it if it tells the class's tags as well as whole
    pictures do; where no picture is without a tag, on the mean of the classes about as well; where
    the pictures are not alike, if far better: of lesions and hats, not of cats."""
    focal_power: NotNegative = 3.0
    """Exponent p of the penalty on small masks, for scores from masks."""
    focal_floor: Positive = 0.01
    """Offset lambda in the logarithm of that penalty."""


@dataclass(frozen=True, kw_only=True)
class PseudoSettings(Checked, group="pseudo"):
    """From soft masks and tags to pseudo-labels."""

    pamr_iterations: Count = 10
    """Iterations of pixel-adaptive mask refinement; 0 for none."""
    pamr_dilations: tuple[AtLeastOne, ...] = (1, 2, 4, 8, 12, 24)
    """Dilations of its neighbourhoods, in cells of the shallow grid."""
    object_cutoff: Share = 0.6
    """Fraction of the class maximum an object pixel must exceed."""
    background_cutoff: Share = 0.7
    """Fraction of the class maximum a background pixel must exceed."""
    low: Share = 0.2
    """Mask value below which no pixel gets a label."""
    own_share: Share = 0.5
    """Labels from activations: share of the network's own masks in them, once those have learnt."""
    own_after: NotNegative = 2
    """Epochs before the network's own masks take that share."""
    known: bool = False
    """Whether the network knows the classes from the start, as that of a run does from whose
    weights a training sets out. Trainings decide and note it themselves: no epochs of tags alone,
    the network's own masks in the labels at once, those of the second round before the first
    epoch, and local evidence as it was."""
    teacher: bool = True
    """Let the moving average of the network, where there is one, make the labels."""
    balance: NotNegative = 0.0
    """How much more the pixels of small classes weigh in the mask loss (1 in the paper)."""
    dice: NotNegative = 0.5
    """Weight of the Dice loss of classes whose labels come from local evidence, and of what people
    drew, beside the mask loss, in which a defect of a few pixels weighs next to nothing; 0 for
    none."""
    corrected_weight: NotNegative = 1.0
    """Weight of what people said of pixels (`data.corrected`) beside labels made from tags: a
    picture that was corrected as a whole weighs so much more than one that was not."""
    local_margin: NotNegative = 1
    """Points of average precision by which local evidence may tell a class's tags worse than the
    whole picture does, and yet make its labels; five at least where pictures without any tag show
    what is usual."""
    relabel_after: Share = 0.6
    """Part of the training after which labels are made anew, once: of whole pictures, from several
    views of the network's average, where it is sure. From then on they are the labels there. 0:
    never, nor of pictures in which local evidence makes the labels of a class."""
    relabel_scales: Annotated[tuple[Scale, ...], Meta(min_length=1)] = (0.75, 1.0, 1.5)
    """Sizes of those views, as factors of the picture's own; the first of them is mirrored."""
    sure: Share = 0.7
    """Mean probability over the views above which a pixel gets such a label."""
    local_dilations: tuple[AtLeastOne, ...] = (1, 2, 4)
    """Dilations of the refinement, in cells of the shallow grid, for such classes."""
    activation_high: Share = 0.55
    """Labels from activations: fraction of the class maximum above which a pixel is an object."""
    activation_low: Share = 0.25
    """Labels from activations: fraction of every maximum below which it is background."""

    def __post_init__(self) -> None:
        super().__post_init__()
        need(self.pamr_dilations, "pseudo.pamr-dilations", "at least one", self.pamr_dilations)
        bands = (self.activation_low, self.activation_high)
        need(bands[0] <= bands[1], "pseudo.activation-low", "at most pseudo.activation-high", bands)


EPOCHS, PICTURES = 8, 3200
"""Epochs, and pictures an epoch shows, where the passes over the training set are not given."""
KNOWN_EPOCHS = 2
"""Epochs then of a training whose network knows the classes from the start."""


@dataclass(frozen=True, kw_only=True)
class OptimSettings(Checked, group="optim"):
    """Optimiser, schedule and length of the training."""

    epochs: AtLeastOne | None = None
    """Epochs. Without a number there are eight of 3,200 pictures each, so that a training takes the
    same time whatever the set; two where it sets out from a run that knows the classes."""
    pictures: Count = 0
    """Pictures that an epoch shows: a small set is gone through several times in one, of a large
    one each shows a part; 0 for the whole set once."""
    warmup: NotNegative = 1
    """Epochs of tag loss alone, before the mask loss sets in."""
    batch: Annotated[int, Meta(ge=2)] = 16
    """Pictures per optimiser step, over all devices."""
    optimizer: Literal["sgd", "adamw"] = "adamw"
    """Stochastic gradient descent with momentum, or AdamW."""
    schedule: Literal["constant", "poly"] = "poly"
    """Learning rate over time: constant, or falling to zero as (1 - t) ** 0.9."""
    ramp: AtLeastOne = 50
    """Steps over which the rate of `poly` first rises."""
    rate: NotNegative = 2e-4
    """Learning rate of pretrained weights."""
    momentum: Rate = 0.9
    """Momentum of SGD."""
    decay: NotNegative = 1e-2
    """Weight decay; biases have none."""
    average: Rate = 0.998
    """Decay a step of the moving average of the weights (EMA) in validation and checkpoints; 0 for
    the weights as they are."""
    best: Literal["score", "miou"] = "score"
    """What chooses best.ckpt on the validation pictures: a score of tags and masks that needs no
    truth (the last epoch with about the highest), or mIoU, which opens it; a figure on them then
    says so."""
    skip_nonfinite: bool = False
    """Pass over a step whose loss is not finite, instead of stopping the training."""
    multipliers: tuple[NotNegative, NotNegative, NotNegative, NotNegative] = (1, 1, 5, 5)
    """Learning-rate factors: pretrained weights, pretrained biases, new weights, new biases."""

    @property
    def all_epochs(self) -> int:
        """Epochs of the whole training."""
        return self.epochs or EPOCHS

    def steps_per_epoch(self, pictures: int) -> int:
        """Optimiser steps of an epoch, for so many training pictures."""
        shown = self.pictures or (pictures if self.epochs else PICTURES)
        return max(shown // self.batch, 1)


@dataclass(frozen=True, kw_only=True)
class RunSettings(Checked, group="run"):
    """Where and how a training runs. None of these should change its results."""

    out: Path = Path("runs/train")
    """Run folder: settings, logs, checkpoints."""
    overwrite: bool = False
    """Start anew in a folder that holds a training: its checkpoints and snapshots are deleted."""
    log_every: AtLeastOne = 10
    """Steps between two lines of the log."""
    save_every: AtLeastOne = 200
    """Steps between two checkpoints within an epoch; its end always leaves one."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """Arithmetic of the network: `auto` is bfloat16 where the device is fast at it, which is most
    GPUs, and processors with bfloat16 instructions if the backbone has no depthwise convolution."""
    workers: Count = 2
    """Processes that decode pictures."""
    devices: AtLeastOne = 1
    """Processes on a machine, each on a GPU of its own or the CPU, that share `optim.batch`."""
    nodes: AtLeastOne = 1
    """Machines."""
    compile: bool = False
    """Compile the network (`torch.compile`); on a CPU this needs a C++ compiler."""
    logger: Literal["none", "wandb", "mlflow"] = "none"
    """Log to Weights & Biases or MLflow too, besides TensorBoard and metrics.csv; each is a package
    to install: wsfcn[wandb], wsfcn[mlflow]."""

    @property
    def processes(self) -> int:
        """Processes on all machines together."""
        return self.devices * self.nodes


@dataclass(frozen=True, kw_only=True)
class TrainSettings(Checked):
    """Everything a training needs."""

    seed: Annotated[int, Meta(ge=0, lt=2**32)] = 0
    """Seed of weights, order and augmentation."""
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    pseudo: PseudoSettings = field(default_factory=PseudoSettings)
    optim: OptimSettings = field(default_factory=OptimSettings)
    run: RunSettings = field(default_factory=RunSettings)


@dataclass(frozen=True, kw_only=True)
class CrfSettings(Checked, group="crf"):
    """Dense CRF (Krähenbühl and Koltun, 2011): a smoothness and an appearance kernel.

    The defaults are the published ones.
    """

    iterations: Count = 10
    """Mean-field iterations."""
    smooth_sxy: Positive = 3.0
    """Reach of the smoothness kernel, in pixels."""
    smooth_compat: NotNegative = 3.0
    """Weight of the smoothness kernel."""
    appearance_sxy: Positive = 30.0
    """Reach of the appearance kernel, in pixels."""
    appearance_srgb: Positive = 13.0
    """Reach of the appearance kernel, in 8-bit colour values."""
    appearance_compat: NotNegative = 10.0
    """Weight of the appearance kernel."""


@dataclass(frozen=True, kw_only=True)
class PredictSettings(Checked):
    """From a network's masks to one mask a picture."""

    scales: tuple[Scale, ...] = (1.0,)
    """Picture sizes to average over, as factors of the picture's own size, or of that to which
    `min_side` enlarges it."""
    flip: bool = False
    """Average over mirrored views too."""
    class_cut: Share = 0.1
    """Smallest probability of a tag, the highest over all views, for its mask to count."""
    background: Share | None = None
    """Constant that replaces the background's mask; None keeps the network's own. With the CRF,
    `background_power` goes before it."""
    refine: Literal["none", "pamr", "crf"] = "none"
    """Clean-up of the masks along the picture's edges: pixel-adaptive mask refinement, which is
    light, or the dense CRF."""
    background_power: Positive | None = None
    """With the CRF, (1 - largest object mask) to this power replaces the background's mask; None
    for what it is without."""
    crf: CrfSettings = field(default_factory=CrfSettings)
    max_side: Count | None = None
    """Longer side, in pixels, to which larger pictures are reduced at first, narrow ones to the
    area of a square of three quarters of it; their masks come back at full size. None is twice the
    training crop, 0 never reduces."""
    min_side: Count | None = None
    """Side of the square, in pixels, up to whose area smaller pictures are enlarged for the
    network. None is one and a half times the training crop, and no enlarging where it learned as
    published; 0 never enlarges."""
    tile: Annotated[int, Meta(ge=288)] = 1024
    """Side, in pixels, of the overlapping tiles in which larger views are computed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        need(self.scales, "scales", "at least one factor", self.scales)
        need(self.tile % 32 == 0, "tile", "a multiple of 32 pixels", self.tile)


FormName = Literal[
    "masks", "coco", "labelstudio", "cvat", "cvat-masks", "labelme", "yolo", "voc", "geojson"
]
"""The forms of labels of `wsfcn.exchange`."""


@dataclass(frozen=True, kw_only=True)
class ExchangeSettings(Checked):
    """How masks go out into other tools' forms."""

    shapes: Literal["auto", "masks", "polygons"] = "auto"
    """Pixel for pixel, or outlines whose points people can drag; auto is what the form is mostly
    used with."""
    tolerance: NotNegative = 0.4
    """Pixels by which an outline may leave its mask; 1 gives a third of the points."""
    smallest: Count = 9
    """Pixels below which a part of a polygon is a speck and dropped, and a hole is filled."""
    url: str = "/data/local-files/?d="
    """What stands before a picture's path in the tasks of Label Studio."""


PRESETS = {
    "fast": PredictSettings(),
    "accurate": PredictSettings(scales=(0.75, 1.0, 1.5), flip=True, refine="crf"),
    "published": PredictSettings(
        scales=(1.0, 0.5, 1.5, 2.0),
        flip=True,
        min_side=0,
        class_cut=0.1,
        background=0.25,
        background_power=5.0,
        refine="crf",
    ),
}
"""Settings by name: one view; several views and the CRF; the paper's own (its figures without CRF
take ``refine="none"``)."""


def preset_settings(name: str, **changes: Any) -> PredictSettings:
    """The settings of a preset, with ``changes`` by field name. Raises SettingError.

    >>> preset_settings("published", refine="none").background
    0.25
    """
    if name not in PRESETS:
        raise SettingError(f"no preset '{name}'.{did_you_mean(name, list(PRESETS))}")
    return from_dict(PredictSettings, to_dict(PRESETS[name]) | to_dict(changes))


SINCE = {"model": {"middle": False}}
"""Settings that networks of earlier versions do not name, as they were built."""


def of_their_time(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in their plain form, as they were noted with a network, with what was added since.

    >>> of_their_time({"model": {"width": 8}})
    {'model': {'middle': False, 'width': 8}}
    """
    complete = dict(settings)
    for name, values in SINCE.items():
        if isinstance(complete.get(name), dict):
            complete[name] = values | complete[name]
    return complete


def to_dict(settings: Any) -> Any:
    """Plain dictionaries, lists, numbers and strings, ready for YAML or JSON."""
    if is_dataclass(settings) and not isinstance(settings, type):
        return {key: to_dict(value) for key, value in asdict(settings).items()}
    if isinstance(settings, dict):
        return {key: to_dict(value) for key, value in settings.items()}
    if isinstance(settings, tuple | list):
        return [to_dict(value) for value in settings]
    return str(settings) if isinstance(settings, Path) else settings
