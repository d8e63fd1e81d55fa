"""Dependencies point one way: a module imports only from layers below its own."""

import ast
from pathlib import Path

import pytest

import wsfcn

SOURCE = Path(wsfcn.__file__).parent

LAYERS = [
    {"errors"},
    {"files", "types", "checked", "terminal", "interrupts", "maps", "threads", "notebook"}
    | {"levels", "dicom"},
    {"config", "images", "figures", "markup", "verdicts"},
    {"recipe", "truth"},
    {"data", "models", "refine", "evaluation", "visualize"},
    {"method", "checkpoint", "exchange"},
    {"published"},
    {"training", "inference"},
    {"report"},
    {"comparison"},
    {"deploy"},
    {"scenes", "review", "shortcuts"},
    {"ending"},
    {"app"},
    {"commands"},
    {"cli"},
]
LEVEL = {name: level for level, layer in enumerate(LAYERS) for name in layer}


def imported(path: Path) -> set[str]:
    """Top-level parts of wsfcn that a module imports, anywhere in it."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "wsfcn":
                names = [f"wsfcn.{alias.name}" for alias in node.names]
        else:
            continue
        parts |= {name.split(".")[1] for name in names if name.startswith("wsfcn.")}
    return parts


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE))
)
def test_imports_point_down(path: Path):
    part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if part == "__init__":
        return
    for other in imported(path) - {part}:
        assert LEVEL[other] <= LEVEL[part], f"{part} imports {other}, which stands above it"
        if LEVEL[part] > 0:
            assert LEVEL[other] < LEVEL[part], f"{part} imports its sibling {other}"
