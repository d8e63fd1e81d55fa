"""The page in the browser."""

from pathlib import Path
from typing import Literal

from wsfcn.config import DataSettings
from wsfcn.errors import SettingError
from wsfcn.recipe import run_folder

DATA_DEFAULTS = DataSettings()


def app_(
    source: str,
    *,
    runs: Path | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = False,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    data: DataSettings = DATA_DEFAULTS,
) -> None:
    """Look at a model in the browser: wsfcn app RUN_OR_CHECKPOINT [--data.root DIR].

    Parameters
    ----------
    source
        Run folder, checkpoint, ONNX file of `wsfcn export`, hf://user/name, or the name of a ready
        model (`wsfcn models`).
    runs
        Folder whose runs can be looked at and compared; by default the one that the model's run
        lies in.
    host
        Address to answer at; by default this machine alone can reach it. There is no password:
        name another address only among people whom you trust.
    port
        Port to answer at; the first free one from 7860 by default.
    browser
        Open the page in the browser.
    device
        Where to compute.
    """
    try:
        from wsfcn.app.page import serve
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise SettingError("app: needs Gradio; pip install 'wsfcn[app]'") from None
    from wsfcn.deploy.load import open_network

    network = open_network(source, device)
    if runs is None and (run_folder(Path(source)) / "settings.yaml").is_file():
        runs = run_folder(Path(source).absolute()).parent
    serve(network, data=data, runs=runs, host=host, port=port, browser=browser)
