"""Networks on the Hugging Face Hub: `hf://user/name` read, and a run pushed there.

Tokens and addresses are the Hub library's own: ``HF_TOKEN``, ``HF_ENDPOINT``, ``hf auth login``.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from wsfcn.checkpoint import Checkpoint
from wsfcn.deploy.card import write_card
from wsfcn.deploy.pretrained import CONFIG, WEIGHTS, save_pretrained
from wsfcn.errors import CheckpointError

PREFIX = "hf://"


def fetch(source: str) -> Path:
    """The local folder of a repository `hf://user/name` or `hf://user/name@revision`.

    Raises CheckpointError where there is none, it is not open to us, or holds no model of ours.
    """
    from huggingface_hub import hf_hub_download

    name, _, revision = source.removeprefix(PREFIX).partition("@")
    with hub_errors(source):
        hf_hub_download(name, CONFIG, revision=revision or None)
        weights = hf_hub_download(name, WEIGHTS, revision=revision or None)
    return Path(weights).parent


def push(
    run: str | PathLike[str],
    checkpoint: Checkpoint,
    name: str,
    *,
    license: str,
    private: bool = False,
    onnx: bool = False,
) -> str:
    """Write a network and its card into the repository ``name``; its address.

    ``run`` is the folder whose figures and settings the card tells. Raises CheckpointError where
    the Hub does not take it.
    """
    from huggingface_hub import HfApi

    name = name.removeprefix(PREFIX)
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(folder, checkpoint)
        write_card(
            Path(folder) / "README.md", Path(run), checkpoint, source=PREFIX + name, license=license
        )
        if onnx:
            from wsfcn.deploy.export import export_onnx

            export_onnx(Path(folder) / "model.onnx", checkpoint)
        api = HfApi()
        with hub_errors(name):
            address = api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=folder, commit_message="Upload by wsfcn")
    return str(address)


@contextmanager
def hub_errors(name: str) -> Iterator[None]:
    """Whatever the Hub or the way to it refuses, as one line."""
    from huggingface_hub import errors

    try:
        yield
    except errors.HFValidationError:
        raise CheckpointError(f"{name}: no name of a repository, which is user/name") from None
    except errors.GatedRepoError:
        raise CheckpointError(
            f"{name}: its owner must let you in first; ask on its page, then set HF_TOKEN"
        ) from None
    except errors.RepositoryNotFoundError:
        raise CheckpointError(
            f"{name}: the Hub has no such repository, or HF_TOKEN does not open it"
        ) from None
    except errors.RevisionNotFoundError:
        raise CheckpointError(f"{name}: the repository has no such revision") from None
    except errors.LocalEntryNotFoundError:
        raise CheckpointError(
            f"{name}: the Hub cannot be reached, and no copy is at hand; is there a network?"
        ) from None
    except errors.EntryNotFoundError:
        raise CheckpointError(
            f"{name}: holds no {CONFIG} with {WEIGHTS}; it is no model of WS-FCN"
        ) from None
    except errors.LocalTokenNotFoundError:
        raise CheckpointError(f"{name}: to push, set HF_TOKEN or run `hf auth login`") from None
    except Exception as error:  # the library changes what it sends requests with
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(f"{name}: the Hub refuses or cannot be reached ({reason})") from None
