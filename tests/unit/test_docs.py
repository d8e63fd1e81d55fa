"""What the pages print works: marked blocks run, commands are understood, examples stay short."""

import re
import shlex
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest
from cyclopts import CycloptsError
from nbclient import NotebookClient
from PIL import Image

import wsfcn
from wsfcn.checked import rules
from wsfcn.cli import main
from wsfcn.commands.app import app
from wsfcn.config import CrfSettings
from wsfcn.files import write_lines
from wsfcn.images import write_mask
from wsfcn.recipe import find_recipe
from wsfcn.shortcuts import homes_of_settings, train

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"<!-- tested(?:: (\w+))? -->\n```(\w+)\n(.*?)```", re.DOTALL)
LONGEST = 30
"""Lines of an example that shows how to add a part."""

SMALL = {"crop": 32, "batch": 4, "width": 8, "weights": "none", "workers": 0, "device": "cpu"}
SMALL |= {"evidence": False, "epochs": 1, "warmup": 0.5}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """The folders that pages speak of: pets with tags and truth, new pictures, a trained run."""
    root = tmp_path_factory.mktemp("docs")
    rng = np.random.default_rng(0)
    for folder, truth, names in (
        ("pets/images", "pets/masks", [f"p{n}" for n in range(12)]),
        ("new", "truth", ["rex", "tom"]),
    ):
        (root / folder).mkdir(parents=True)
        for name in names:
            noise = rng.integers(0, 255, (6, 8, 3), np.uint8)
            Image.fromarray(noise).resize((48, 40)).save(root / folder / f"{name}.jpg")
            write_mask(root / truth / f"{name}.png", rng.integers(0, 4, (40, 48)).astype(np.uint8))
    Image.new("RGB", (32, 32), "teal").save(root / "rex.png")
    tags = ["dog", "dog person", "cat", ""]
    rows = [f"images/p{n}.jpg,{tags[n % 4]}" for n in range(12)]
    write_lines(root / "pets/tags.csv", ["image,tags", *rows])
    write_lines(root / "pets/classes.txt", ["background", "cat", "dog", "person"])
    wsfcn.train(data=root / "pets", out=root / "runs/pets", **SMALL)
    return root


@pytest.mark.parametrize(
    "page", [page for page in PAGES if BLOCK.search(page.read_text())], ids=lambda page: page.stem
)
def test_marked_blocks_run_in_order(page, world, tmp_path, monkeypatch):
    folder = shutil.copytree(world, tmp_path / "world")
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    for kind, language, code in BLOCK.findall(page.read_text()):
        if language == "bash":
            for line in commands(code):
                assert run(line) == 0, line
        elif kind == "train":
            with monkeypatch.context() as patch:
                patch.setattr(wsfcn, "train", train_a_little)
                exec(code, names)
        elif kind:
            with pytest.raises(getattr(wsfcn.errors, kind)) as caught:
                exec(code, names)
            assert f"# {kind}: {caught.value}" in code
        else:
            exec(code, names)


def train_a_little(**given: object) -> Path:
    """As printed, but in a second."""
    return train(**given | SMALL | {"overwrite": True})


def commands(code: str) -> list[str]:
    """The lines of a block that call us, joined where a backslash ends them."""
    lines = re.sub(r"\\\n\s*", "", code).splitlines()
    return [line for line in lines if line.startswith("wsfcn ")]


def run(line: str) -> int:
    tokens = shlex.split(line, comments=True)[1:]
    expanded = [name for token in tokens for name in (matching(token) or [token])]
    with pytest.raises(SystemExit) as exit_:
        main(expanded)
    return exit_.value.code or 0


def matching(token: str) -> list[str]:
    """The files that a shell would put in place of a word."""
    return sorted(map(str, Path().glob(token))) if "*" in token else []


PRINTED = [
    (page, line)
    for page in PAGES
    for code in re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)
    for line in commands(code)
]


@pytest.mark.parametrize(("page", "line"), PRINTED, ids=[line for _, line in PRINTED])
def test_printed_commands_are_understood(page, line):
    tokens = [token for token in shlex.split(line, comments=True)[1:] if token != "..."]
    if "--config" in tokens:
        at = tokens.index("--config")
        assert find_recipe(Path(tokens[at + 1])).name
        del tokens[at : at + 2]
    if tokens == ["--version"]:
        return
    app.config = ()
    try:
        app.parse_args(tokens, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        pytest.fail(f"{page}: {error}")


def test_settings_that_are_named_exist():
    known = {f"{group}.{name.replace('_', '-')}" for name, group in homes_of_settings().items()}
    known |= {f"crf.{name.replace('_', '-')}" for name in rules(CrfSettings)}
    for page in PAGES:
        if page.stem != "log":  # which tells of earlier ones too
            named = set(
                re.findall(r"--((?:data|model|pseudo|optim|run|crf)\.[a-z-]+)", page.read_text())
            )
            assert not named - known, page


def test_examples_of_parts_stay_short():
    page = (ROOT / "docs/research/extend.md").read_text()
    blocks = [code.strip().splitlines() for _, _, code in BLOCK.findall(page)]
    assert len(blocks) == 4
    assert max(map(len, blocks)) <= LONGEST


@pytest.mark.slow
def test_the_notebook_runs_and_its_outputs_are_kept(tmp_path):
    kept = nbformat.read(ROOT / "examples/quickstart.ipynb", as_version=4)
    code = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert sum(bool(cell.outputs) for cell in code) >= len(code) - 1
    where = {"metadata": {"path": tmp_path}}
    fresh = NotebookClient(kept, timeout=1800, resources=where)
    fresh.execute()  # raises where a cell does, but for those that should
    shown = str([cell.outputs for cell in fresh.nb.cells if cell.cell_type == "code"])
    assert "SettingError: train has no setting 'epoch'. Did you mean 'epochs'?" in shown
    assert "mIoU" in shown
    assert "data:image/jpeg" in shown
