"""What the site needs beyond Markdown: figures, the source they point at, tables from the code.

A page asks for it in a comment: `<!-- figure: network -->`, `<!-- settings -->`,
`<!-- commands -->`, `<!-- errors -->`. Elsewhere, where Markdown is shown, comments are invisible.
"""

import ast
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))
import figures
import tables

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "wsfcn"

LATER = {"data.md", "corrections.md", "app.md", "security.md"}
"""Pages that may not be there yet: they and the links to them are then left out."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave pages that are not written yet out of the navigation."""
    missing = {name for name in LATER if not (Path(config.docs_dir) / name).exists()}
    config.nav = _without(config.nav, missing)
    return config


def _without(nav: Any, missing: set[str]) -> Any:
    if isinstance(nav, list):
        parts = [_without(item, missing) for item in nav]
        return [part for part in parts if part]
    if isinstance(nav, dict):
        left = {title: _without(item, missing) for title, item in nav.items()}
        return {title: item for title, item in left.items() if item}
    return None if nav in missing else nav


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add a page of each source file that a figure or a page points at."""
    pages = "".join(
        Path(file.abs_src_path or "").read_text("utf-8") for file in files.documentation_pages()
    )
    linked = {f"{path}.py" for path in re.findall(r"\]\((?:\.\./)*source/([^)#]+)\.md", pages)}
    for path in sorted({*figures.sources(), *linked}):
        code = (SOURCE / path).read_text(encoding="utf-8")
        content = (
            "---\nsearch: { exclude: true }\nhide: [navigation, toc]\n---\n"
            f'# wsfcn/{path}\n\n````python linenums="1"\n{code}````\n'
        )
        files.append(File.generated(config, source_page(path), content=content))
    return files


def source_page(path: str) -> str:
    """The page of a source file.

    >>> source_page("method/step.py")
    'source/method/step.md'
    """
    return f"source/{path.removesuffix('.py')}.md"


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what comments ask for, and unlink pages that are not written yet."""
    up = "../" * page.url.count("/")
    for name in LATER:
        if files.get_file_from_path(name) is None:
            markdown = re.sub(rf"\[([^\]]+)\]\((?:\.\./)*{name}(?:#[^)]*)?\)", r"\1", markdown)

    def filled(match: re.Match[str]) -> str:
        what, _, which = match[1].partition(":")
        if what == "figure":
            return figures.draw(which.strip(), f"{up}source/")
        return tables.TABLES[what](SOURCE)

    return re.sub(r"<!-- (figure: \w+|settings|commands|errors) -->", filled, markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Raise where the site would load anything from another host."""
    for page in Path(config.site_dir).rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        found = re.search(r'<(?:script|img|iframe)[^>]+src="https?:|<link[^>]+href="https?:', html)
        if found and 'rel="canonical"' not in found[0]:
            raise RuntimeError(f"{page}: loads from another host: {found[0]}")


def line_of(path: str, name: str) -> int:
    """The line of a class or function in a source file. Raises KeyError where it is gone."""
    tree: Any = ast.parse((SOURCE / path).read_text(encoding="utf-8"))
    for part in name.split("."):
        tree = next((n for n in tree.body if getattr(n, "name", None) == part), None)
        if tree is None:
            raise KeyError(f"{path} has no {name}, which a figure points at")
    return tree.lineno


figures.line_of = line_of
