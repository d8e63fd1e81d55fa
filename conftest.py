"""What is collected: the files that need Gradio, an extra, where it is installed alone."""

from importlib.util import find_spec
from pathlib import Path

if not find_spec("gradio"):
    collect_ignore = [
        str(path)
        for path in (Path(__file__).parent / "src/wsfcn/app").glob("*.py")
        if "import gradio" in path.read_text(encoding="utf-8")
    ]
