"""The command line: each command is a thin door to a library function.

Imports that take time stand inside the commands, so that ``--help`` answers at once.
"""

import itertools
import sys
import warnings
from dataclasses import replace
from json import dumps
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.config import Dict

import wsfcn
from wsfcn.config import (
    DataSettings,
    ExchangeSettings,
    FormName,
    PredictSettings,
    TrainSettings,
    preset_settings,
    to_dict,
)
from wsfcn.ending import exit_code
from wsfcn.errors import SettingError
from wsfcn.recipe import find_recipe, read_recipe, run_folder
from wsfcn.terminal import complain, say, warned
from wsfcn.threads import wait_asleep

DATA_DEFAULTS = DataSettings()
TRAIN_DEFAULTS = TrainSettings()
PREDICT_DEFAULTS = PredictSettings()
EXCHANGE_DEFAULTS = ExchangeSettings()

app = App(
    name="wsfcn",
    version=wsfcn.__version__,
    help="Semantic segmentation learned from image-level tags alone: tags in, masks out.",
    default_parameter=Parameter(consume_multiple=True, negative=()),
)
for part in (app, app.meta):
    part.suppress_keyboard_interrupt = False  # a command would end in silence


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Path | None = None,
) -> int | None:
    """Run a command.

    Parameters
    ----------
    config
        YAML file of settings, or the name of a recipe that comes along, such as voc-animals-best;
        options on the command line win over it, key by key.
    """
    given = given_options(tokens)
    resumed = Path(given["--resume"]) if config is None and "--resume" in given else None
    if resumed:
        resumed = run_folder(resumed)
        config = resumed / "settings.yaml"
    elif config:
        config = find_recipe(config)
    recipe = read_recipe(config) if config else {}
    if resumed:
        # The folder may have been moved, or be seen from elsewhere.
        recipe["run"] = recipe.get("run", {}) | {"out": str(resumed), "overwrite": False}
    if "--preset" in given:
        recipe = to_dict(preset_settings(given["--preset"])) | recipe
    recipe = {key: value for key, value in recipe.items() if value is not None}
    source = str(config or given.get("--preset"))
    app.config = Dict(recipe, use_commands_as_keys=False, source=source) if recipe else ()
    return app(tokens, print_error=False, exit_on_error=False, result_action="return_value")


def given_options(tokens: tuple[str, ...]) -> dict[str, str]:
    """What may be an option with its value: `--name value` or `--name=value`.

    >>> given_options(("predict", "--preset=fast", "-o", "masks"))["--preset"]
    'fast'
    """
    values = dict(itertools.pairwise(tokens))
    return values | dict(token.split("=", 1) for token in tokens if "=" in token)


@app.command
def train(
    *,
    resume: Path | None = None,
    settings: Annotated[TrainSettings, Parameter(name="*")] = TRAIN_DEFAULTS,
) -> None:
    """Train on tagged pictures: wsfcn train --data.root DIR [--config RECIPE].

    Parameters
    ----------
    resume
        Run folder to go on with, under its own settings unless a recipe is given; or one of its
        checkpoints.
    """
    from wsfcn.training.run import train

    out = train(settings, resume)
    say(f"trained: {out}")


@app.command
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


@app.command
def export(
    source: str,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    input: Literal["float", "uint8"] = "float",
    precision: Literal["fp32", "fp16", "int8"] = "fp32",
    calibrate: list[str] | None = None,
) -> None:
    """Write a network as one ONNX file: wsfcn export RUN_OR_CHECKPOINT -o model.onnx.

    Parameters
    ----------
    source
        Run folder or checkpoint, hf://user/name, or the name of a ready model.
    out
        File to write; `wsfcn predict` takes it like a checkpoint.
    input
        RGB values in [0, 1], or 8-bit ones.
    precision
        Arithmetic of the network; 8-bit integers need --calibrate.
    calibrate
        Pictures, folders or globs on which the ranges of integers are measured; a hundred will do.
    """
    from wsfcn.deploy.export import export_onnx
    from wsfcn.deploy.load import open_checkpoint
    from wsfcn.inference.folder import find_pictures

    pictures = find_pictures(calibrate) if calibrate else []
    checkpoint = open_checkpoint(source)
    export_onnx(out, checkpoint, input=input, precision=precision, calibrate=pictures)
    say(f"exported: {out}")


@app.command
def convert(
    source: Path,
    *,
    to: FormName,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    form: Annotated[FormName | None, Parameter(name=["--from"])] = None,
    pictures: Path | None = None,
    classes: Path | None = None,
    unlabelled: Literal["background", "ignore"] = "background",
    regions: Literal["classes", "components"] = "classes",
    add: bool = False,
    settings: Annotated[ExchangeSettings, Parameter(name="*")] = EXCHANGE_DEFAULTS,
) -> None:
    """Masks into another tool's form, and back: wsfcn convert SOURCE --to FORM -o OUT.

    Parameters
    ----------
    source
        Folder or file of any of the forms, or a zip archive as tools export it.
    to
        Form to write.
    out
        File or folder to write, whole or not at all. A folder that holds something is left alone
        unless you --add to it; named OUT.zip it becomes an archive.
    form
        Form of the source, which is recognised by itself.
    pictures
        Folder of the pictures: names and sizes are compared with theirs. yolo and geojson cannot
        be read without.
    classes
        Names of the classes, one a line, the background first; those of the source by default.
    unlabelled
        What pixels are that nothing was drawn on: background, or ignored (255), as with scribbles.
    regions
        What an object is: all pixels of a class, or those that touch each other.
    add
        Add to a folder that is there; files of the same name are replaced.
    """
    from wsfcn.exchange.convert import convert

    done = convert(
        source,
        to,
        out,
        form=form,
        pictures=pictures,
        classes=classes,
        unlabelled=unlabelled,
        regions=regions,
        add=add,
        settings=settings,
    )
    for note in done.notes:
        say(note)
    say(f"{done.count} pictures, from {done.form} to {to}: {out}")


@app.command
def push(
    run: Path,
    name: str,
    *,
    license: str = "other",
    private: bool = False,
    onnx: bool = False,
) -> None:
    """Put a network with its card on the Hugging Face Hub: wsfcn push RUN user/name.

    Parameters
    ----------
    run
        Run folder, whose metrics.json (of `wsfcn evaluate --json`) the card shows, or checkpoint.
    name
        Repository; made where there is none. HF_TOKEN or `hf auth login` opens it.
    license
        Licence of the weights, as the Hub names it: apache-2.0, cc-by-4.0, ...
    private
        Make a new repository private.
    onnx
        Put model.onnx there, too.
    """
    from wsfcn.deploy import hub
    from wsfcn.deploy.load import open_checkpoint

    checkpoint = open_checkpoint(run)
    address = hub.push(run, checkpoint, name, license=license, private=private, onnx=onnx)
    say(f"pushed: {address}")


@app.command
def models() -> None:
    """List the ready models, which `wsfcn predict` takes by name."""
    from wsfcn.deploy.models import installed

    for name, model in installed().items():
        say(f"{name}: {model.finds} ({model.how})")


@app.command
def evaluate(
    masks: Path,
    truth: Path,
    *,
    classes: Path,
    names: Path | None = None,
    boundary: bool = False,
    labels: bool = False,
    background_curve: bool = False,
    json: Path | None = None,
) -> None:
    """Compare masks with truth: wsfcn evaluate MASKS TRUTH --classes FILE.

    Parameters
    ----------
    masks
        Folder of predicted masks, indexed PNGs.
    truth
        Folder of true masks of the same names; 255 counts nowhere.
    classes
        Names of the classes, one a line, the background first.
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
    from wsfcn.evaluation import evaluate_folder, print_metrics, write_metrics
    from wsfcn.files import atomic, read_lines

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


@app.command
def prepare(
    name: Literal["voc12", "coco14", "coco17"],
    *,
    root: Path,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    sbd: Path | None = None,
    download: bool = False,
    workers: int = 2,
) -> None:
    """Bring a public data set into the native layout: wsfcn prepare voc12 --root DIR.

    Parameters
    ----------
    name
        PASCAL VOC 2012 with SBD, or MS COCO 2014 or 2017.
    root
        Folder that holds VOCdevkit/VOC2012; or annotations, train2014 and val2014.
    out
        Folder to write; one in the root by default. Pictures are not copied.
    sbd
        The folder benchmark_RELEASE of SBD; found below the root by default.
    download
        Fetch into the root what is not there: 3.4 GB for VOC and SBD, 20 GB for COCO. Where a
        download was cut off, the same command goes on.
    workers
        Processes that draw the masks of COCO.
    """
    from wsfcn.data import coco, voc
    from wsfcn.data.download import fetch

    target = out or root / name
    year = name.removeprefix("coco")
    if download:
        fetch(voc.downloads(sbd) if name == "voc12" else coco.downloads(root, year), root)
    if name == "voc12":
        expected, prepared = voc.EXPECTED, voc.prepare_voc12(root, target, sbd)
    else:
        expected = coco.EXPECTED[name]
        prepared = coco.prepare_coco(root, target, year, workers)
    for split, count in prepared.counts.items():
        whole = "" if count == expected[split] else f" of {expected[split]}"
        say(f"{split}: {count}{whole} pictures")
    if prepared.from_masks:
        say(f"tags read off masks, for want of an XML annotation: {prepared.from_masks} pictures")
    for what in prepared.missing:
        say(f"missing: {what}")
    say(f"prepared: {target}")


@app.command
def inspect(
    root: Path | None = None, *, page: Path | None = None, data: DataSettings = DATA_DEFAULTS
) -> int:
    """Say what a data set holds, and what would stop a training: wsfcn inspect DIR.

    The exit code is 1 where a training would stop, or pictures are broken.

    Parameters
    ----------
    root
        The data set's folder; the same as --data.root.
    page
        Write it all to this HTML file too, with pictures of each class.
    """
    from wsfcn.data.inspect import inspect_data, print_inspection
    from wsfcn.report import write_inspection

    found = inspect_data(replace(data, root=root) if root else data)
    print_inspection(found)
    if page:
        write_inspection(page, found)
        say(f"page: {page}")
    return 1 if found.errors else 0


@app.command
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
    from wsfcn.data.submission import write_submission

    say(f"{write_submission(masks, root, out)} masks: {out}")


@app.command(name="import")
def import_(
    file: Path,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    classes: Path | None = None,
) -> None:
    """Take in published weights: wsfcn import model_enc_X.pth -o wsfcn-voc.ckpt.

    Parameters
    ----------
    file
        Published checkpoint of WS-FCN or AE, or ImageNet weights of WideResNet-38.
    out
        Checkpoint to write; of a backbone alone, a file for --model.weights.
    classes
        Names of the classes, one a line, the background first; needed beside VOC's and COCO's.
    """
    from wsfcn.data.classes import read_classes
    from wsfcn.published import import_file

    names = import_file(file, out, read_classes(classes) if classes else None)
    say(f"used: {len(names.used)}")
    say(f"ignored: {len(names.ignored)}", *names.ignored)
    say(f"missed: {len(names.missed)}", *names.missed)
    say(f"imported: {out}")


@app.command
def report(
    run: Path,
    pictures: list[str] | None = None,
    *,
    masks: Path | None = None,
    truth: Path | None = None,
) -> None:
    """Write a page about a run: wsfcn report RUN [PICTURES... --masks DIR --truth DIR].

    Parameters
    ----------
    run
        Run folder; the page is its report.html. A metrics.json in it, as `wsfcn evaluate --json`
        writes it, is shown.
    pictures
        Pictures of which the worst and the best are shown, with masks and truth.
    masks
        Folder of their masks.
    truth
        Folder of their true masks.
    """
    from wsfcn.checkpoint import load_checkpoint
    from wsfcn.inference.folder import named_pictures
    from wsfcn.report import worst_and_best, write_report

    groups = None
    if pictures:
        if not masks or not truth:
            raise SettingError("report: pictures need --masks DIR and --truth DIR")
        classes = load_checkpoint(run).classes
        groups = worst_and_best(named_pictures(pictures), masks, truth, classes)
    say(f"report: {write_report(run, groups)}")


@app.command
def label(
    source: Path,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    device: Literal["auto", "cpu", "gpu"] = "auto",
    data: DataSettings = DATA_DEFAULTS,
) -> int:
    """Write the pseudo-labels of tagged pictures: wsfcn label RUN --data.root DIR -o DIR.

    Parameters
    ----------
    source
        Run folder or checkpoint.
    out
        Folder for the labels of the training pictures: indexed PNGs, 255 where there is none.
    device
        Where to compute.
    """
    from wsfcn.inference.pytorch import on_gpu
    from wsfcn.training.labels import write_labels

    count, broken = write_labels(source, data, out, gpu=on_gpu(device))
    for error in broken:
        complain(error)
    say(f"{count} pseudo-labels: {out}")
    return 1 if broken else 0


@app.command
def demo(*, out: Path = Path("runs/demo"), seed: int = 0) -> None:
    """Draw scenes, learn them from their tags alone, and report how well.

    Parameters
    ----------
    out
        Folder for scenes, run, metrics.json and report.html.
    seed
        Seed of scenes and training.
    """
    from wsfcn.demo import demo
    from wsfcn.evaluation import print_metrics

    print_metrics(demo(out, seed))
    say(f"report: {out / 'report.html'}")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; an error of the user is one line and exit code 2."""
    wait_asleep()
    warnings.showwarning = warned
    tokens = sys.argv[1:] if arguments is None else arguments
    sys.exit(
        exit_code(
            lambda: app.meta(
                tokens, print_error=False, exit_on_error=False, result_action="return_value"
            )
        )
    )


if __name__ == "__main__":
    main()
