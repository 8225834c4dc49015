"""The stages of an experiment: what each depends on, where its result is, and how the next one reads it.

One function a stage, in the order of ``run.py``. Each names its inputs by the hash of their content, so that
a stage runs again exactly when something it reads has changed.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from handpicked import data
from handpicked.bench import reference_loss as measure
from handpicked.config import (
    ArmSettings,
    GenerateSettings,
    JudgeSettings,
    ModelSettings,
    PoolSettings,
    PromptSettings,
    ServerSettings,
    TrainSettings,
    result_settings,
)
from handpicked.data.stdlib import NAME, write_pool
from handpicked.errors import NotYet, PoolError
from handpicked.experiment.job import (
    Job,
    Measured,
    OpenPool,
    Subset,
    Trained,
    read_pool,
    read_test_set,
    reread,
    selected,
    selection_settings,
    split,
)
from handpicked.experiment.references import references
from handpicked.experiment.refine import estimated, load_prompt, rewrite
from handpicked.experiment.rendered import refusals, templates
from handpicked.generate import generate as answer
from handpicked.judges import judge as decide
from handpicked.judges import load_judge, read_verdicts, runs_here
from handpicked.models.load import identity
from handpicked.models.served import Served, Servers
from handpicked.models.served.options import counting_options
from handpicked.models.served.replies import served_identity
from handpicked.records import Completion, Example, Json, Pair, Pool, Prompt, Verdict, messages_id, to_json
from handpicked.selection.choice import pick_by, scores_for
from handpicked.selection.execution import Execution
from handpicked.selection.plan import plan_selection
from handpicked.store import LOST, Facts, digest, write_text
from handpicked.store.versions import EMBEDDER, LANGUAGE_MODEL, Versions
from handpicked.train import TrainResult
from handpicked.train.job import RESULT

if TYPE_CHECKING:
    from handpicked.judges import JudgeFolder

# The version of each stage's own method. Raise one when its stage would leave another result of the same
# inputs and settings (a fix of what is computed, not of how fast, how it reads or what it is called), and say
# so in CHANGELOG.md: every finished stage of it then runs again. Scorers, selectors, guards and judges state
# theirs beside their code.
POOL = 1
REFINE = 1
TRAIN = 2
REFERENCE_LOSS = 2
GENERATE = 2


class Trainer(Protocol):
    """Fine-tunes an arm, on any devices."""

    def train(
        self,
        rows: Pool,
        model: ModelSettings,
        settings: TrainSettings,
        out: Path,
        arm: str,
        job: Job,
    ) -> TrainResult:
        """Fine-tune ``model`` on ``rows`` into the folder ``out``, or go on with it there."""
        ...


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
    identity = digest(file) if stage.earlier else _pool_identity(rest)  # layout 1 hashed its file once more
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
        result = trainer.train(rows, start, settings, work, name, job)
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


def prompts(job: Job, opened: Mapping[str | None, OpenPool]) -> list[Prompt]:
    """Every evaluation prompt, in the file's order of test sets; a prompt in two test sets belongs to the
    first.
    """
    found: dict[str, Prompt] = {}
    for settings in job.experiment.evaluate.prompts:
        for prompt in _test_set(settings, opened[settings.pool].held_out):
            found.setdefault(prompt.prompt_id, prompt)
    for prompt_id in _refused(job, list(found.values())):
        del found[prompt_id]
    write_text(
        job.store.folder / "prompts.jsonl", "".join(to_json(prompt) + "\n" for prompt in found.values())
    )
    return list(found.values())


def _refused(job: Job, test_prompts: Sequence[Prompt]) -> list[str]:
    """The ids of the prompts that the chat template of any arm refuses; no arm answers them. Logged with the
    reason.

    Every template takes a lone user turn, so tokenizers are loaded only where there are other prompts.
    """
    unusual = [prompt for prompt in test_prompts if [message.role for message in prompt.messages] != ["user"]]
    reasons: dict[str, str] = {}
    for (model, name), template in (templates(job.lineup) if unusual else {}).items():
        for prompt, reason in refusals(unusual, template):
            reasons.setdefault(prompt.prompt_id, f"the chat template {name} of {model}: {reason}")
    lines = [json.dumps({"prompt_id": one, "reason": reason}) + "\n" for one, reason in reasons.items()]
    rejected = job.store.folder / "prompts-rejected.jsonl"
    rejected.unlink(missing_ok=True)
    if reasons:
        write_text(rejected, "".join(lines))
        one, reason = next(iter(reasons.items()))
        job.store.say(
            f"prompts: {len(reasons)} of {len(test_prompts)} are left out for every arm, because a chat "
            "template refuses them, such as "
            f"{one} ({reason}); all are in prompts-rejected.jsonl"
        )
    if test_prompts and len(reasons) == len(test_prompts):
        raise PoolError(
            f"Every evaluation prompt is refused by a chat template ({reason}). Set "
            "train.template to chatml, alpaca, vicuna "
            "or plain, or give other prompts."
        )
    return list(reasons)


def _test_set(settings: PromptSettings, held_out: Sequence[Example]) -> list[Prompt]:
    if settings.path is None:
        listed = [_held_out_prompt(example, settings.name) for example in held_out]
    else:
        listed = read_test_set(settings)
    if settings.limit is not None and settings.limit < len(listed):
        chosen = set(
            sorted(prompt.prompt_id for prompt in listed)[: settings.limit]
        )  # a hash: as good as shuffled
        listed = [prompt for prompt in listed if prompt.prompt_id in chosen]
    if settings.references is not None:
        known = references(settings.references)
        listed = [replace(p, reference=p.reference or known.get(p.prompt_id)) for p in listed]
    return listed if settings.suffix is None else [_followed(p, settings.suffix) for p in listed]


def _followed(prompt: Prompt, suffix: str) -> Prompt:
    """The prompt with ``suffix`` at the end of its last turn: another prompt, so its id is another."""
    last = prompt.messages[-1]
    given = f"{last.input} {suffix}" if last.input else ""
    asked = (*prompt.messages[:-1], replace(last, content=f"{last.content} {suffix}", input=given))
    return replace(prompt, prompt_id=messages_id(asked), messages=asked)


def _held_out_prompt(example: Example, test_set: str) -> Prompt:
    before = example.messages[:-1]
    return Prompt(messages_id(before), before, test_set, reference=example.messages[-1].text)


def reference_loss(
    job: Job, name: str, trained: Trained, test_prompts: Sequence[Prompt], servers: Servers | None = None
) -> Measured[Json] | None:
    """The arm's loss on the references; None where the experiment does not measure it."""
    referenced = [prompt for prompt in test_prompts if prompt.reference is not None]
    if not job.experiment.evaluate.reference_loss or not referenced:
        return None
    engine = job.experiment.evaluate.loss_engine

    def make(work: Path) -> Facts:
        said: dict[str, object] = {}
        measure(
            referenced,
            trained.arm,
            work / "losses.jsonl",
            name=name,
            workers=job.workers,
            progress=job.progress,
            served=_reach(servers, name, work, said) if engine == "vllm" else None,
        )
        return said

    stage = job.store.stage(
        f"losses/{name}",
        make,
        inputs={"model": trained.identity, "prompts": _prompts_identity(referenced)},
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
        said: dict[str, object] = {}
        answer(
            test_prompts,
            trained.arm,
            settings,
            work / "answers.jsonl",
            name=name,
            workers=job.workers,
            progress=job.progress,
            served=_reach(servers, name, work, said),
        )
        return said

    stage = job.store.stage(
        f"answers/{name}",
        make,
        inputs={"model": trained.identity, "prompts": _prompts_identity(test_prompts)},
        settings={**_generation(settings), "template": trained.template},
        versions=Versions.of({"generate": GENERATE}, _model_libraries(trained, settings.engine)),
    )
    file = stage.folder / "answers.jsonl"
    return Measured([Completion(**line) for line in _lines(file)], digest(file), stage)


def _reach(
    servers: Servers | None, name: str, work: Path, said: dict[str, object]
) -> Callable[[], Served] | None:
    """Reaches the arm's server, and notes vLLM's release in ``said``; None where there is no server."""
    if servers is None:
        return None

    def reach() -> Served:
        served = servers.served(name, work)
        said["vllm"] = served.version
        return served

    return reach


def _generation(settings: GenerateSettings) -> Json:
    """What answers depend on. Greedy ones do not depend on the other prompts of their batch."""
    counting = _with_server(settings)
    if not settings.temperature:
        del counting["batch_size"]
    return counting


def _with_server(settings: ServerSettings) -> Json:
    """What a result depends on of a section with a server."""
    counting: Json = result_settings(settings)
    counting["server_options"] = counting_options(settings.server_options)
    if not counting["server_options"]:
        del counting["server_options"]  # earlier versions had none
    return counting


def judge(
    job: Job, test_prompts: Sequence[Prompt], answers: Mapping[str, Measured[Completion]]
) -> dict[str, Measured[Verdict]]:
    """The verdicts of every judge on every pair of arms to compare, by the judge's name."""
    meetings = job.lineup.meetings()
    pairs = _pairs(meetings, test_prompts, answers)
    under_test = sorted({job.lineup.model(name).name for name in answers})
    found: dict[str, Measured[Verdict]] = {}
    waiting: list[str] = []
    for settings in job.experiment.evaluate.judges:
        judging = load_judge(settings.name)

        def make(work: Path, lost: int, settings: JudgeSettings = settings) -> Facts:
            made = decide(
                pairs,
                settings,
                work / "verdicts.jsonl",
                progress=job.progress,
                models_under_test=under_test,
                batches=job.store.folder / "batches",  # not below work, which new settings clear
                earlier=read_verdicts(work / "verdicts.jsonl") if lost else (),
            )
            return {LOST: sum(verdict.lost for verdict in made)}

        name = f"{settings.name}-{settings.model}" if settings.model else settings.name
        try:
            stage = job.store.asking_stage(
                "verdicts/" + re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-."),
                make,
                inputs={
                    "prompts": _prompts_identity(test_prompts),
                    **{arm: measured.identity for arm, measured in answers.items()},
                    **_judging_model(settings),
                },
                settings={
                    **_with_server(settings),
                    "meetings": meetings,
                    "judge": judging.model_dump(mode="json"),
                },
                versions=Versions.of(
                    {f"judge by {judging.reads}": judging.version}, _judging_libraries(judging, settings)
                ),
            )
        except NotYet as error:  # the batches of the other judges are submitted all the same
            waiting.append(str(error))
            continue
        file = stage.folder / "verdicts.jsonl"
        found[name] = Measured(read_verdicts(file), digest(file), stage)
    if waiting:
        raise NotYet("\n".join(waiting))
    return found


def _judging_libraries(judge: JudgeFolder, settings: JudgeSettings) -> tuple[str, ...]:
    """What computes the verdicts: a model on this machine, or the model behind the endpoint."""
    if not judge.asks:
        return EMBEDDER
    return LANGUAGE_MODEL if runs_here(settings) else ()


def _judging_model(settings: JudgeSettings) -> dict[str, str]:
    """The content of a judge's model that is on this machine."""
    if load_judge(settings.name).asks and settings.server is not None:
        return {"judge model": served_identity(settings.model, settings)}
    return {"judge model": identity(ModelSettings(name=settings.model or ""))} if runs_here(settings) else {}


def _pairs(
    meetings: Sequence[tuple[str, str]],
    test_prompts: Sequence[Prompt],
    answers: Mapping[str, Measured[Completion]],
) -> list[Pair]:
    """The pairs of answers to compare, joined by prompt id."""
    texts = {
        arm: {answer.prompt_id: answer.text for answer in measured.records}
        for arm, measured in answers.items()
    }
    return [
        Pair(
            p.prompt_id,
            p.text,
            a,
            b,
            texts[a][p.prompt_id],
            texts[b][p.prompt_id],
            p.test_set,
            p.category,
            p.reference,
        )
        for a, b in meetings
        for p in test_prompts
    ]


def _pool_identity(source: Pool) -> str:
    return hashlib.sha256(" ".join(str(file["sha256"]) for file in source.inputs()).encode()).hexdigest()


def _prompts_identity(test_prompts: Sequence[Prompt]) -> str:
    return hashlib.sha256(
        "\n".join(to_json(prompt) for prompt in test_prompts).encode("utf-8", "surrogatepass")
    ).hexdigest()


def _lines(file: Path) -> list[Json]:
    with file.open(encoding="utf-8", errors="surrogatepass") as lines:
        return [json.loads(line) for line in lines]
