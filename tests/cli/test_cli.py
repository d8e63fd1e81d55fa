"""The command line: mistakes are one line and exit code 2; the whole road works."""

import csv
import inspect
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

from wsfcn.cli import main
from wsfcn.commands.app import COMMANDS
from wsfcn.scenes.scenes import write_scenes


def run(*arguments: str | Path) -> int:
    """Exit code of ``wsfcn ARGUMENTS``, in this process."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return exit_.value.code or 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "--data.root"),
        (["train", "--data.root", "nowhere"], "nowhere: no such folder"),
        (["train", "--data.crp", "3"], "Did you mean --data.crop?"),
        (["train", "--config", "nowhere.yaml"], "nowhere.yaml: no such file; a recipe is"),
        (["predict", "nowhere", "picture.jpg", "-o", "out"], "no such"),
        (["predict", "run", "p.jpg", "-o", "out", "--preset=fats"], "Did you mean 'fast'?"),
        (["predict", "run", "p.jpg", "-o", "out", "--part", "3/2"], "p.jpg: no such picture"),
        (["predict", "run", "p.jpg", "-o", "out", "--shapes", "polygons"], "need --to"),
        (["predict", "run", "p.jpg", "-o", "out", "--to", "coco", "--overlays"], "no masks"),
        (["convert", "nowhere", "--to", "coco", "-o", "out.json"], "nowhere: no such file"),
        (["convert", "nowhere", "--to", "coco", "-o", "out"], "coco is one file; name it out.json"),
        (["convert", "nowhere", "--to", "yolo", "-o", "out", "--tolerance", "-1"], "at least 0"),
        (["evaluate", "masks", "truth", "--classes", "nowhere.txt"], "nowhere.txt"),
        (["report", "nowhere"], "nowhere"),
        (["review", "nowhere", "--data.root", "x", "-o", "out"], "no such run"),
        (["review", "run", "-o", "out", "--url", "x"], "need --to"),
        (["review", "run", "-o", "out", "--first", "0"], "one picture is the least"),
    ],
)
def test_mistakes_are_one_line(monkeypatch, capsys, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_recipe_with_a_misspelt_setting_is_refused(capsys, tmp_path):
    (tmp_path / "recipe.yaml").write_text("optim: {epoch: 3}\n")
    assert run("train", "--config", tmp_path / "recipe.yaml") == 2
    assert "Did you mean 'epochs'?" in capsys.readouterr().err


def loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter has after running some code."""
    code = f"import sys\n{code}\nprint('\\n', *sys.modules, sep=' ')"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_and_import_load_nothing_heavy():
    bare = {name for name in loaded("import wsfcn") if name.startswith("wsfcn")}
    assert bare == {"wsfcn"}
    help = loaded(
        "from wsfcn.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert not end.code"
    )
    assert {"wsfcn.cli", "wsfcn.commands.app"} <= help
    slow = {"torch", "numpy", "PIL", "yaml", "msgspec", "rich.markdown", "pygments"}
    assert not slow & help
    assert "wsfcn.commands.learning" not in help


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_with_the_head_of_its_own_text(name):
    place, text = COMMANDS[name]
    module, function = place.split(":")
    found = getattr(import_module(f"wsfcn.commands.{module}"), function)
    assert inspect.getdoc(found).split("\n\nParameters")[0] == text


def test_inspect_takes_the_folder_as_it_stands(tmp_path, capsys):
    write_scenes(tmp_path / "scenes", train=4, val=1, size=32)
    assert run("inspect", tmp_path / "scenes") == 0
    named = capsys.readouterr().out
    assert "5 pictures from 32 x 32 to 32 x 32" in named
    assert run("inspect", "--data.root", tmp_path / "scenes") == 0
    assert capsys.readouterr().out == named
    assert run("inspect", tmp_path / "nowhere") == 1


def test_train_resume_predict_evaluate_report(tmp_path):
    scenes, out = tmp_path / "scenes", tmp_path / "run"
    write_scenes(scenes, train=16, val=4, size=64)
    (tmp_path / "recipe.yaml").write_text(
        "data: {crop: 64}\nmodel: {width: 8, weights: none}\n"
        "optim: {epochs: 1, warmup: 0.5, batch: 8}\nrun: {workers: 0, device: cpu}\n"
    )
    train = ["train", "--config", tmp_path / "recipe.yaml", "--data.root", scenes]
    assert run(*train, "--run.out", out) == 0
    assert run("train", "--resume", out, "--optim.epochs", "2") == 0
    with (out / "metrics.csv").open(newline="") as file:
        epochs = [row["val/score"] for row in csv.DictReader(file) if row["val/score"]]
    assert len(epochs) == 2, "both epochs are in the table"
    held_out = [
        scenes / "images" / f"{name}.jpg" for name in (scenes / "val.txt").read_text().split()
    ]
    assert run("predict", out, *held_out, "-o", tmp_path / "masks") == 0
    measure = [
        "evaluate",
        tmp_path / "masks",
        scenes / "masks",
        "--classes",
        scenes / "classes.txt",
    ]
    assert run(*measure, "--json", out / "metrics.json") == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics) >= {"miou", "iou", "precision", "recall", "pixel_accuracy"}
    again = ["evaluate", tmp_path / "masks", "--data.root", scenes, "--json", out / "again.json"]
    assert run(*again) == 0
    assert json.loads((out / "again.json").read_text()) == metrics
    assert run(*again, "--classes", scenes / "classes.txt") == 2
    shown = ["--masks", tmp_path / "masks", "--truth", scenes / "masks"]
    assert run("report", out, *held_out, *shown) == 0
    page = (out / "report.html").read_text()
    for title in ("Quality per class", "Confusion", "Pseudo-labels over time", "Worst pictures"):
        assert title in page
    assert run("label", out, "--data.root", scenes, "-o", tmp_path / "labels") == 0
    assert len(list((tmp_path / "labels").iterdir())) == 16


def test_names_are_shown_not_obeyed(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    pictures = {"a\x1b[2Jb.jpg": "[/]cat", "c.jpg": "[bold]cat"}  # alike, so both are named
    rows = []
    for name, tag in pictures.items():
        Image.new("RGB", (8, 6)).save(tmp_path / name)
        rows.append(json.dumps({"file_name": name, "tags": [tag]}))
    (tmp_path / "metadata.jsonl").write_text("\n".join(rows))
    assert run("inspect", tmp_path) == 1  # one picture to learn from, so that its tag tells nothing
    found = capsys.readouterr().out
    for name in ("[/]cat", "[bold]cat", r"a\x1b[2Jb.jpg"):
        assert name in found
    assert "tagged '[bold]cat'" in found or "tagged '[/]cat'" in found
    assert all(line.isprintable() for line in found.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "data", "--page", "data/tags.csv"],
        ["evaluate", "masks", "masks", "--classes", "classes.txt", "--json", "classes.txt"],
        ["submit", "masks", "--root", "data", "-o", "masks/a.png"],
        ["export", "animals", "-o", "masks/a.png"],
        ["import", "published.pth", "-o", "masks/a.png"],
    ],
)
def test_a_slip_replaces_nothing(tmp_path, capsys, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    for name in ("data/images/a.png", "data/images/b.png", "masks/a.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 6)).save(name)
    Path("data/tags.csv").write_text("image,tags\nimages/a.png,cat\nimages/b.png,cat\n")
    Path("classes.txt").write_text("background\ncat\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert run(*arguments) == 2
    assert "would not be told by its name" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
