"""Tables of the reference, read off the source: settings, commands, errors. Nothing is imported."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path


def settings(source: Path) -> str:
    """Each group of settings: name, default and meaning of each, from `config.py`."""
    tree = ast.parse((source / "config.py").read_text(encoding="utf-8"))
    parts = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        group = next((str(ast.literal_eval(k.value)) for k in node.keywords), "")
        prefix = f"--{group}." if group else "--"
        rows = [
            f"| `{prefix}{name.replace('_', '-')}` | `{default}` | {text} |"
            for name, default, text in _fields(node)
        ]
        parts.append(
            f"### {node.name}\n\n{_joined(ast.get_docstring(node))}\n\n"
            + "\n".join(["| setting | default | meaning |", "| --- | --- | --- |", *rows])
        )
    return "\n\n".join(parts)


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    """Name, default and docstring of each documented field with a plain default."""
    for field, doc in zip(node.body, node.body[1:], strict=False):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if not (isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant)):
            continue
        default = ast.unparse(field.value) if field.value else "required"
        plain = default.strip("'").replace("|", "\\|")
        yield field.target.id, plain or "none", _cell(str(doc.value.value))


def commands(source: Path) -> str:
    """Each command with its arguments, from the functions in `commands/`."""
    listed = _listed((source / "commands" / "app.py").read_text(encoding="utf-8"))
    found = {}
    for path in sorted((source / "commands").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and _is_command(node, listed):
                found[node.name.strip("_")] = _command(node)
    if not found:
        raise ValueError("no commands were found")
    return "\n\n".join(f"### wsfcn {name}\n\n{text}" for name, text in sorted(found.items()))


def _listed(code: str) -> set[str]:
    """The keys of a table named COMMANDS, if there is one.

    >>> sorted(_listed("COMMANDS = {'train': 1, 'label': 2}"))
    ['label', 'train']
    """
    for node in ast.parse(code).body:
        if isinstance(node, ast.Assign) and "COMMANDS" in map(ast.unparse, node.targets):
            return set(ast.literal_eval(node.value))
    return set()


def _is_command(node: ast.FunctionDef, listed: set[str]) -> bool:
    decorated = any("app.command" in ast.unparse(decorator) for decorator in node.decorator_list)
    return decorated or node.name.strip("_") in listed


def _command(node: ast.FunctionDef) -> str:
    text = ast.get_docstring(node) or ""
    said, _, parameters = text.partition("\nParameters\n----------\n")
    first, _, rest = said.strip().partition("\n")
    title, colon, usage = first.partition(": ")
    usage = f"\n\n```\n{usage.rstrip('.')}\n```" if colon else ""
    required = {argument.arg for argument in node.args.args}
    names = {argument.arg: _option(argument) for argument in node.args.kwonlyargs}
    rows = []
    for name, meaning in re.findall(r"^(\w+)\n((?:    .*\n?)+)", parameters, re.MULTILINE):
        shown = name.upper() if name in required else names[name]
        rows.append(f"| `{shown}` | {_cell(meaning)} |")
    table = "\n".join(["| argument | meaning |", "| --- | --- |", *rows]) if rows else ""
    more = _joined(rest)
    return "\n\n".join(filter(None, [f"{title.rstrip('.')}.{usage}", more, table]))


def _option(argument: ast.arg) -> str:
    """What an argument is called on the command line; an annotation may name it.

    >>> _option(ast.parse("def f(*, skip_existing: bool): ...").body[0].args.kwonlyargs[0])
    '--skip-existing'
    """
    written = ast.unparse(argument.annotation) if argument.annotation else ""
    if named := re.search(r"name=(\[[^\]]*\])", written):
        return ", ".join(ast.literal_eval(named[1]))
    return f"--{argument.arg.replace('_', '-')}"


def errors(source: Path) -> str:
    """The tree of errors, as it is drawn at the top of `errors.py`."""
    tree = ast.parse((source / "errors.py").read_text(encoding="utf-8"))
    return f"```\n{ast.get_docstring(tree)}\n```"


def _joined(text: str | None) -> str:
    """A docstring without line breaks inside its paragraphs."""
    paragraphs = re.split(r"\n\s*\n", (text or "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


TABLES: dict[str, Callable[[Path], str]] = {
    "settings": settings,
    "commands": commands,
    "errors": errors,
}
"""What a page can ask for in a comment."""
