"""Refuses weights in pickles, which can run any code when they are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from handpicked.errors import ConfigError

PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt", ".pickle")


def checked_adapter(adapter: Path) -> Path:
    """The folder of a LoRA adapter, after checking that its weights are safetensors.
    Raises ConfigError where not.
    """
    if not (adapter / "adapter_config.json").is_file():
        raise ConfigError(f"There is no LoRA adapter in {adapter}: adapter_config.json is missing.")
    if (adapter / "adapter_model.safetensors").is_file():
        return adapter
    pickled = pickles_in(adapter)
    if pickled:
        raise ConfigError(_refusal(f"The adapter {adapter}", pickled[0]))
    raise ConfigError(f"There are no weights in the adapter {adapter}: adapter_model.safetensors is missing.")


def check_modules(folder: Path, name: str) -> None:
    """Raises ConfigError where any part of an embedder in ``folder`` has its weights in a pickle alone."""
    for part in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        pickled = pickles_in(part)
        if pickled and not any(part.glob("*.safetensors")):
            raise ConfigError(_refusal(f"The embedder '{name}'", str(Path(pickled[0]).relative_to(folder))))


def pickles_in(folder: Path) -> list[str]:
    """The files of a folder that are pickled weights by their names."""
    return sorted(
        str(path) for path in folder.iterdir() if path.suffix in PICKLED and path.name != "training_args.bin"
    )


@contextmanager
def without_pickles(what: str) -> Iterator[None]:
    """Within it no library may unpickle weights: ``torch.load`` raises ConfigError,
    which begins with ``what``.
    """
    import torch

    load = torch.load

    def refuse(file: object = None, *_: object, **__: object) -> NoReturn:
        raise ConfigError(_refusal(what, str(file)))

    torch.load = refuse
    try:
        yield
    finally:
        torch.load = load


def _refusal(what: str, file: str) -> str:
    return (
        f"{what} has its weights in a pickle ({file}), which could run any code. handpicked reads "
        "safetensors only: load it where "
        "you trust it and save it again with safe_serialization=True, or give another."
    )
