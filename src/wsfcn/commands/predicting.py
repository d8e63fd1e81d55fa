"""Commands that segment pictures and judge the masks."""

from json import dumps
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from wsfcn.config import DataSettings, ExchangeSettings, FormName, PredictSettings
from wsfcn.errors import SettingError
from wsfcn.terminal import complain, say

PREDICT_DEFAULTS = PredictSettings()
EXCHANGE_DEFAULTS = ExchangeSettings()
DATA_DEFAULTS = DataSettings()


def predict(
    source: str,
    pictures: list[str],
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    overlays: bool = False,
    probabilities: bool = False,
    coco: Path | None = None,
    regions: Literal["classes", "components"] = "classes",
    skip_existing: bool = False,
    part: str | None = None,
    to: FormName | None = None,
    add: bool = False,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    preset: Literal["fast", "accurate", "published"] = "fast",
    settings: Annotated[PredictSettings, Parameter(name="*")] = PREDICT_DEFAULTS,
    exchange: Annotated[ExchangeSettings, Parameter(name="*")] = EXCHANGE_DEFAULTS,
) -> int:
    """Segment pictures: wsfcn predict RUN_OR_CHECKPOINT PICTURES... -o DIR.

    Parameters
    ----------
    source
        Run folder, checkpoint, ONNX file of `wsfcn export`, hf://user/name, or the name of a ready
        model (`wsfcn models`).
    pictures
        Picture files, folders with all that are in them, or globs.
    out
        Folder for the masks: indexed PNGs named like the pictures, in the same folders. With --to,
        that form's file or folder.
    overlays
        Write each picture with its mask painted over it, too.
    probabilities
        Write the soft masks as NAME.npz, too: `classes` and `probabilities` (float16).
    coco
        Write all objects to this COCO JSON file, too.
    regions
        What an object of that file, or of --to, is: all pixels of a class, or those that touch
        each other.
    skip_existing
        Leave pictures alone that have a mask in the folder: go on where a run stopped.
    part
        `2/8` takes the second of eight parts of the pictures; under torchrun, its process's part.
    to
        Write no masks, but the form of another tool, as `wsfcn convert` does; --shapes,
        --tolerance, --smallest and --url belong to it.
    add
        With --to: add to a folder that is there; files of the same name are replaced.
    device
        Where to compute.
    preset
        One view; several views and the CRF; or the paper's views and CRF. Further options win.
    """
    from wsfcn.deploy.load import open_network
    from wsfcn.inference.folder import named_pictures, part_of, predict_folder
    from wsfcn.inference.predictor import Predictor

    if to is None and (add or exchange != EXCHANGE_DEFAULTS):
        raise SettingError("predict: --add, --shapes, --tolerance, --smallest and --url need --to")
    if to and (overlays or probabilities or coco or skip_existing):
        raise SettingError(
            "predict: --to writes no masks, with which --overlays, --probabilities, --coco and "
            "--skip-existing go"
        )
    if to:
        from wsfcn.inference.folder import find_pictures
        from wsfcn.inference.forms import predict_form

        found, named = part_of(find_pictures(pictures), out, part)
        out = named or out
        predictor = Predictor(open_network(source, device), settings)
        done = predict_form(predictor, found, to, out, regions=regions, settings=exchange, add=add)
        for line in (*done.notes, *done.broken):
            complain(line)
        say(f"{done.count} pictures: {out}")
        return 1 if done.broken else 0
    names = named_pictures(pictures, out)
    found, coco = part_of([*names], coco, part)
    predictor = Predictor(open_network(source, device), settings)
    broken = predict_folder(
        predictor,
        found,
        out,
        overlays=overlays,
        probabilities=probabilities,
        coco=coco,
        regions=regions,
        skip_existing=skip_existing,
        inputs=[*names],
        names=names,
    )
    for error in broken:
        complain(error)
    say(f"{len(found) - len(broken)} masks: {out}")
    return 1 if broken else 0


def evaluate(
    masks: Path,
    truth: Path | None = None,
    *,
    classes: Path | None = None,
    names: Path | None = None,
    boundary: bool = False,
    labels: bool = False,
    background_curve: bool = False,
    json: Path | None = None,
    data: DataSettings = DATA_DEFAULTS,
) -> None:
    """Compare masks with truth: wsfcn evaluate MASKS TRUTH --classes FILE.

    Or with what a data set holds for its validation pictures: wsfcn evaluate MASKS --data.root DIR.

    Parameters
    ----------
    masks
        Folder of predicted masks, indexed PNGs.
    truth
        Folder of true masks of the same names; 255 counts nowhere.
    classes
        Names of the classes, one a line, the background first, if there is one.
    names
        File of picture names, one a line, to compare these alone.
    boundary
        Add the boundary IoU (Cheng et al., 2021).
    labels
        The masks are pseudo-labels: 255 in them is left out, and the rest's share told; pictures
        without a truth are left out too.
    background_curve
        The masks are soft (NAME.npz of `wsfcn predict --probabilities`): tell the mIoU over the
        value of a constant background.
    json
        Write the numbers to this file, too.
    """
    from wsfcn import evaluation
    from wsfcn.data.classes import read_classes
    from wsfcn.evaluation import (
        evaluate_folder,
        evaluate_truths,
        print_metrics,
        write_metrics,
    )
    from wsfcn.files import atomic, read_lines

    if data.root and (truth or classes or names or labels or background_curve):
        raise SettingError("evaluate: TRUTH and its options, or --data.root DIR; not both")
    if data.root:
        from wsfcn.data.dataset import open_data

        pictures = open_data(data)
        found = evaluate_truths(masks, pictures.val_truths(), pictures.classes, boundary=boundary)
        print_metrics(found)
        if json:
            write_metrics(json, found)
        return
    if truth is None or classes is None:
        raise SettingError("evaluate: name TRUTH and --classes FILE, or --data.root DIR")
    listed = read_lines(names) if names else None
    if background_curve:
        curve = evaluation.background_curve(masks, truth, read_classes(classes), listed)
        for value, miou in curve.items():
            say(f"background {value:.2f}   mIoU {miou:.2f}")
        if json:
            with atomic(json) as name:
                name.write_text(dumps({"background_curve": [*curve.items()]}) + "\n")
        return
    metrics = evaluate_folder(
        masks, truth, read_classes(classes), listed, boundary=boundary, labels=labels
    )
    print_metrics(metrics)
    if json:
        write_metrics(json, metrics)


def submit(
    masks: Path,
    *,
    root: Path,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("results.tgz"),
) -> None:
    """Pack VOC test masks for its evaluation server: wsfcn submit MASKS --root DIR.

    Parameters
    ----------
    masks
        Folder with the masks of all test pictures.
    root
        Folder that holds VOCdevkit/VOC2012.
    out
        Archive to write.
    """
    from wsfcn.data.benchmarks.submission import write_submission

    say(f"{write_submission(masks, root, out)} masks: {out}")
