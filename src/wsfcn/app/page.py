"""The page: its tabs, its looks, and the server behind it.

It answers on this machine alone unless another address is asked for; nothing is sent anywhere, no
font or script comes from elsewhere, and what is uploaded is deleted when the server ends.
"""

import os
import tempfile
from pathlib import Path
from threading import Event

from wsfcn.app.looks import Looks
from wsfcn.config import DataSettings
from wsfcn.errors import SettingError
from wsfcn.inference.network import Network
from wsfcn.terminal import say

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported
import gradio as gr  # pyright: ignore[reportMissingImports]

from wsfcn.app.correcting import Correcting
from wsfcn.app.data_tab import data_tab
from wsfcn.app.review_tab import review_tab
from wsfcn.app.runs_tab import runs_tab
from wsfcn.app.tagging import Tagging
from wsfcn.app.try_tab import try_tab

DEFAULTS = DataSettings()

UPLOAD_LIMIT = "64mb"
"""Largest file that is taken."""

STYLE = Path(__file__).with_name("page.css")
SCRIPT = Path(__file__).with_name("page.js")


def build(
    network: Network, folder: Path, *, data: DataSettings = DEFAULTS, runs: Path | None = None
) -> gr.Blocks:
    """The page on a network; files for the browser are written into ``folder``.

    ``data`` and ``runs`` say which data set and which folder of runs, where there are any. Raises
    DataError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    looks = Looks(network)
    page = gr.Blocks(title="WS-FCN", analytics_enabled=False, fill_width=True)
    with page:
        with gr.Tab("Try"):
            try_tab(looks, folder)
        if data.root:
            with gr.Tab("Data"):
                data_tab(Tagging(data))
            with gr.Tab("Review"):
                review_tab(Correcting(looks, data))
        if runs:
            with gr.Tab("Runs"):
                runs_tab(runs)
    return page


def start(page: gr.Blocks, *, host: str, port: int | None, browser: bool = False) -> str:
    """Serve the page from threads of its own; returns its address. Raises SettingError."""
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            share=False,
            inbrowser=browser,
            prevent_thread_lock=True,
            quiet=True,
            max_file_size=UPLOAD_LIMIT,
            ssr_mode=False,
            mcp_server=False,
            enable_monitoring=False,
            footer_links=[],
            theme=gr.themes.Base(
                primary_hue="blue",
                neutral_hue="slate",
                font=["system-ui", "sans-serif"],
                font_mono=["ui-monospace", "monospace"],
            ),
            css_paths=[STYLE],
            head=f"<script>{SCRIPT.read_text(encoding='utf-8')}</script>",
        )
    except OSError as error:
        raise SettingError(f"app: cannot answer at {host}, port {port} ({error})") from None
    return address


def serve(
    network: Network,
    *,
    data: DataSettings = DEFAULTS,
    runs: Path | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = False,
) -> None:
    """Serve the page until Ctrl-C. Raises SettingError."""
    with tempfile.TemporaryDirectory(prefix="wsfcn-app-") as name:
        os.environ["GRADIO_TEMP_DIR"] = name
        page = build(network, Path(name), data=data, runs=runs)
        try:
            address = start(page, host=host, port=port, browser=browser)
            say(f"{address}  (Ctrl-C ends it)")
            Event().wait()
        except KeyboardInterrupt:
            say("ended")
        finally:
            page.close(verbose=False)
