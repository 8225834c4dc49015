"""The stages that make the arms, their losses and their answers: what each depends on, where its result is,
and how the next one reads it.

One function a stage, in the order of ``run.py``. Each names its inputs by the hash of their content, so that
a stage runs again exactly when something it reads has changed.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from handpicked import data
from handpicked.bench import reference_loss as measure
from handpicked.config import (
    ArmSettings,
    GenerateSettings,
    ModelSettings,
    PoolSettings,
    TrainSettings,
    result_settings,
)
from handpicked.data.stdlib import NAME, write_pool
from handpicked.experiment.job import (
    Job,
    Measured,
    OpenPool,
    Subset,
    Trained,
    prompts_identity,
    read_pool,
    reread,
    selected,
    selection_settings,
    split,
)
from handpicked.experiment.refine import estimated, load_prompt, rewrite
from handpicked.generate import generate as answer
from handpicked.models.load import identity
from handpicked.models.served import Served, Servers
from handpicked.models.served.options import result_settings_of_server
from handpicked.records import Completion, Json, Pool, Prompt
from handpicked.selection.choice import pick_by, scores_for
from handpicked.selection.execution import Execution
from handpicked.selection.plan import plan_selection
from handpicked.store import Facts, digest
from handpicked.store.versions import LANGUAGE_MODEL, Versions
from handpicked.train import TrainResult
from handpicked.train.job import RESULT

# The version of each stage's own method. Raise one when its stage would leave another result of the same
# inputs and settings (a fix of what is computed, not of how fast, how it reads or what it is called), and say
# so in CHANGELOG.md: every finished stage of it then runs again. Scorers, selectors, guards and judges state
# theirs beside their code.
POOL = 1
REFINE = 1
TRAIN = 2
REFERENCE_LOSS = 2
GENERATE = 2


Trainer = Callable[[Job, str, Pool, Path], TrainResult]
"""Fine-tunes the model of an arm (by name) on its rows into a folder, or continues what was begun there."""


def pools(job: Job) -> dict[str | None, OpenPool]:
    """The pools to select from, by name (None: the experiment's), each with the examples held out of it."""
    named = job.experiment.pools
    return {
        None: _pool(job, "pool", job.experiment.pool),
        **{name: _pool(job, f"pools/{name}", settings) for name, settings in named.items()},
    }


def _pool(job: Job, name: str, settings: PoolSettings) -> OpenPool:
    """Only a pool that must be made or split is copied."""
    source = None if settings.path == NAME else read_pool(settings)
    identity = f"python {platform.python_version()}" if source is None else _pool_identity(source)
    if source is not None and not settings.hold_out:
        return OpenPool(settings, source, identity, None)

    def make(work: Path) -> Facts:
        return split(settings, source or data.read(write_pool(work / "all.jsonl")), work)

    stage = job.store.stage(
        name,
        make,
        inputs={"pool": identity},
        settings=result_settings(settings),
        versions=Versions.of({"pool": POOL}, ("pyarrow",)),
    )
    file = selected(stage.folder / "rest")
    held_out = (
        list(reread(settings, selected(stage.folder / "held-out")).examples()) if settings.hold_out else []
    )
    rest = reread(settings, file)
    identity = digest(file) if stage.earlier else _pool_identity(rest)  # layout 1 hashed its file again
    return OpenPool(settings, rest, identity, stage, held_out)


def subsets(job: Job, opened: Mapping[str | None, OpenPool], arms: Sequence[str]) -> dict[str, Subset]:
    """The subset of every arm that is trained; those that match another arm's lengths come after it."""
    wanted = {name: job.experiment.arms[name] for name in arms if job.experiment.arms[name].by != "none"}
    needed = [arm.of for arm in wanted.values() if arm.of is not None and arm.of not in wanted]
    order = [*needed, *sorted(wanted, key=lambda name: wanted[name].of is not None)]
    made: dict[str, Subset] = {}
    for name in order:
        arm = job.experiment.arms[name]
        made[name] = _subset(job, opened[arm.pool], name, arm, made.get(arm.of) if arm.of else None)
    return made


def _subset(job: Job, opened: OpenPool, name: str, arm: ArmSettings, of: Subset | None) -> Subset:
    written = selection_settings(job.lineup, name)
    settings = written if of is None else written.with_options(of=str(of.folder))
    turns = opened.settings.turns
    plan = plan_selection(opened.pool, settings, turns)
    execution = Execution(job.workers, job.store, say=job.store.say, progress=job.progress)
    scores = scores_for(plan, content=lambda: opened.content, execution=execution)

    def make(work: Path) -> Facts:
        facts: dict[str, object] = {
            "settings": written.model_dump(mode="json"),  # names the arm to match, not its folder
            "turns": turns,
            "command": [],
        }
        found = pick_by(plan, work, facts, execution=execution, kept=scores)
        named = {**found.settings, "of": arm.of} if arm.of else found.settings
        return asdict(replace(found, settings=named))

    stage = job.store.stage(
        f"subset/{name}",
        make,
        inputs={
            "pool": opened.identity,
            **plan.inputs,
            **({"of": of.identity} if of else {}),
            **{f"scores {one.columns[0].name}": one.fingerprint for one in scores},
        },
        settings=plan.settings,
        versions=plan.versions,
    )
    file = selected(stage.folder)
    made_by = {one.columns[0].name: one.stage for one in scores}
    return Subset(stage.folder, file, digest(file), stage, opened.settings, scores=made_by)


def refine(job: Job, name: str, subset: Subset) -> Subset:
    """The subset with its responses rewritten, where the arm asks for it; else as it is."""
    settings = job.experiment.arms[name].refine
    if settings is None:
        return subset

    def make(work: Path, lost: int) -> Facts:
        examples = list(reread(subset.reading, subset.file).examples())
        if not lost:
            expense = estimated(examples, settings)
            dollars = "" if expense.high is None else f", at most {expense.high:.2f} US dollars"
            job.store.say(
                f"refined/{name}: {expense.requests} requests to "
                f"{settings.model}{dollars}, less what is in the cache"
            )
        earlier = _lines(work / "refined.jsonl") if lost else []
        return asdict(rewrite(examples, settings, work, arm=name, progress=job.progress, earlier=earlier))

    stage = job.store.asking_stage(
        f"refined/{name}",
        make,
        inputs={"subset": subset.identity},
        settings={
            **result_settings(settings),
            "prompt": load_prompt(settings.prompt),
        },
        versions=Versions.of({"refine": REFINE}),
    )
    file = selected(stage.folder)
    reading = PoolSettings(path=str(file), format="messages", turns=subset.reading.turns)
    return replace(subset, file=file, identity=digest(file), reading=reading, refined=stage)


def train(job: Job, name: str, subset: Subset | None, trainer: Trainer | None) -> Trained:
    """The arm's model: fine-tuned on its subset by ``trainer``, or the untouched one."""
    start, settings = job.lineup.model(name), job.lineup.train(name)
    base = identity(start)
    if subset is None or trainer is None:
        return Trained(start, None, settings.template, base, None)

    def make(work: Path) -> Facts:
        rows = reread(subset.reading, subset.file)
        result = trainer(job, name, rows, work)
        (work / RESULT).unlink(missing_ok=True)  # the manifest has it
        return asdict(replace(result, adapter=None, merged=None))

    stage = job.store.stage(
        f"model/{name}",
        make,
        inputs={"subset": subset.identity, "model": base},
        settings=result_settings(settings.resolved()),
        versions=Versions.of({"train": TRAIN}, _training_libraries(settings)),
    )
    used = stage.facts.get("template", settings.template)
    if used != settings.template and not stage.skipped:
        job.store.say(f"model/{name}: the model's tokenizer has no chat template; '{used}' was used")
    if not stage.skipped:
        _say_rows(job, name, stage.facts)
    full = settings.method == "full"
    weights = stage.folder / ("model" if full else "adapter")
    model = ModelSettings(name=str(weights), dtype=start.dtype) if full else start
    return Trained(
        model, None if full else weights, settings.template, f"{base} {_weights_identity(weights)}", stage
    )


def _training_libraries(settings: TrainSettings) -> tuple[str, ...]:
    quantized = ("bitsandbytes",) if settings.method == "qlora" else ()
    adapter = () if settings.method == "full" else ("peft",)
    return (*LANGUAGE_MODEL, "accelerate", "trl", *adapter, *quantized)


def _model_libraries(trained: Trained, engine: str = "transformers") -> tuple[str, ...]:
    """What computes the outputs of an arm's model."""
    if engine == "vllm":
        return (*LANGUAGE_MODEL, "vllm")
    return (*LANGUAGE_MODEL, *(("peft",) if trained.adapter else ()))


def _say_rows(job: Job, name: str, facts: Facts) -> None:
    """What the chat template left out of the arm's rows, and whether its answers should begin with a thought."""
    if facts.get("rows_refused"):
        job.store.say(
            f"model/{name}: {facts['rows_refused']} of {facts['rows_in_subset']} rows are left "
            "out, because the chat template "
            "refuses them; the dry run names them"
        )
    if facts.get("rows_without_room"):
        job.store.say(
            f"model/{name}: {facts['rows_without_room']} of {facts['rows_in_subset']} rows are left out, because "
            "their prompts leave no room for a response within train.max_length"
        )
    if facts.get("rows_truncated"):
        job.store.say(
            f"model/{name}: {facts['rows_truncated']} of {facts['rows_used']} rows are cut to "
            "train.max_length tokens"
        )
    if facts.get("turns_unlearned"):
        job.store.say(
            f"model/{name}: {facts['turns_unlearned']} earlier turns are not learned, "
            "because the chat template shows them "
            "differently from inference"
        )
    if (
        2 * facts.get("rows_with_thought", 0) > facts["rows_used"]
        and not job.experiment.evaluate.generate.thinking
    ):
        job.store.say(
            f"model/{name}: most of its rows hold a thought; set evaluate.generate.thinking to true so "
            "that answers may begin with one"
        )


def _weights_identity(folder: Path) -> str:
    """The hash of the weights alone: the files beside them hold sets in no fixed order, and times."""
    return " ".join(digest(file) for file in sorted(folder.glob("*.safetensors")))


def reference_loss(
    job: Job, name: str, trained: Trained, test_prompts: Sequence[Prompt], servers: Servers | None = None
) -> Measured[Json] | None:
    """The arm's loss on the references; None where the experiment does not measure it."""
    referenced = [prompt for prompt in test_prompts if prompt.reference is not None]
    if not job.experiment.evaluate.reference_loss or not referenced:
        return None
    engine = job.experiment.evaluate.loss_engine

    def make(work: Path) -> Facts:
        facts: dict[str, object] = {}
        measure(
            referenced,
            trained.arm,
            work / "losses.jsonl",
            name=name,
            workers=job.workers,
            progress=job.progress,
            served=_reach(servers, name, work, facts) if engine == "vllm" else None,
        )
        return facts

    stage = job.store.stage(
        f"losses/{name}",
        make,
        inputs={"model": trained.identity, "prompts": prompts_identity(referenced)},
        settings={"template": trained.template, **({"engine": engine} if engine == "vllm" else {})},
        versions=Versions.of({"reference loss": REFERENCE_LOSS}, _model_libraries(trained, engine)),
    )
    file = stage.folder / "losses.jsonl"
    return Measured(_lines(file), digest(file), stage)


def generate(
    job: Job, name: str, trained: Trained, test_prompts: Sequence[Prompt], servers: Servers | None = None
) -> Measured[Completion]:
    """The arm's answers to all prompts."""
    settings = job.experiment.evaluate.generate

    def make(work: Path) -> Facts:
        facts: dict[str, object] = {}
        answer(
            test_prompts,
            trained.arm,
            settings,
            work / "answers.jsonl",
            name=name,
            workers=job.workers,
            progress=job.progress,
            served=_reach(servers, name, work, facts),
        )
        return facts

    stage = job.store.stage(
        f"answers/{name}",
        make,
        inputs={"model": trained.identity, "prompts": prompts_identity(test_prompts)},
        settings={**_generation(settings), "template": trained.template},
        versions=Versions.of({"generate": GENERATE}, _model_libraries(trained, settings.engine)),
    )
    file = stage.folder / "answers.jsonl"
    return Measured([Completion(**line) for line in _lines(file)], digest(file), stage)


def _reach(
    servers: Servers | None, name: str, work: Path, facts: dict[str, object]
) -> Callable[[], Served] | None:
    """Reaches the arm's server, and notes vLLM's release in ``facts``; None where there is no server."""
    if servers is None:
        return None

    def reach() -> Served:
        served = servers.served(name, work)
        facts["vllm"] = served.version
        return served

    return reach


def _generation(settings: GenerateSettings) -> Json:
    """What answers depend on. Greedy ones do not depend on the other prompts of their batch."""
    counting = result_settings_of_server(settings)
    if not settings.temperature:
        del counting["batch_size"]
    return counting


def _pool_identity(source: Pool) -> str:
    return hashlib.sha256(" ".join(str(file["sha256"]) for file in source.inputs()).encode()).hexdigest()


def _lines(file: Path) -> list[Json]:
    with file.open(encoding="utf-8", errors="surrogatepass") as lines:
        return [json.loads(line) for line in lines]
