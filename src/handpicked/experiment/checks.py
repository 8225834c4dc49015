"""Finds mistakes in an experiment that depend on the methods or on this machine, before any work starts."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence

from handpicked.bench import check_files, tasks_of
from handpicked.catalogue import SCORERS, SELECTORS, is_file
from handpicked.config import ArmSettings, Experiment, ModelSettings, PoolSettings
from handpicked.data import paths as where_from
from handpicked.data.stdlib import NAME
from handpicked.endpoint.request import key_of
from handpicked.errors import ConfigError, HandpickedError, MissingPart, PoolError, did_you_mean
from handpicked.experiment.file import Location
from handpicked.experiment.job import read_pool
from handpicked.experiment.launching import missing_for_training
from handpicked.experiment.refine import load_prompt
from handpicked.experiment.serving import missing_for_serving, serving_mistakes
from handpicked.judges import load_judge
from handpicked.models.load import load_tokenizer, resolve
from handpicked.models.served.mistakes import missing_server
from handpicked.models.template_source import SHIPPED, own_templates
from handpicked.scorers.pool_scorer import PoolScorer
from handpicked.selection.guards import plan_guards
from handpicked.selection.kept_scores import prefilter_of
from handpicked.selection.methods import (
    column_of,
    is_text_scorer,
    refuse_unused,
    scorer_files,
    scorer_of_column,
    scorers_for,
    selector_for,
)

Mistakes = list[tuple[Location, str]]


def mistakes(experiment: Experiment) -> Mistakes:
    """Every unknown name and every missing file, with its place in the experiment file."""
    return [
        *_arms(experiment),
        *_scorers(experiment),
        *_guards(experiment),
        *_files(experiment),
        *_models(experiment),
        *_prompts_of_refinement(experiment),
        *_judges(experiment),
        *_templates(experiment),
        *_empty(experiment),
        *_benchmarks(experiment),
        *serving_mistakes(experiment),
    ]


def missing_parts(experiment: Experiment) -> list[str]:
    """What the experiment needs and this machine lacks, each with how to get it."""
    found = []
    trained = [name for name, arm in experiment.arms.items() if arm.by != "none"]
    needed = ["transformers", "torch", *(("trl", "peft", "accelerate", "datasets") if trained else ())]
    lacking = [module for module in needed if importlib.util.find_spec(module) is None]
    if lacking:
        extra = "train" if trained else "lm"
        found.append(f"{', '.join(lacking)}: not installed. pip install 'handpicked[{extra}]'")
    found += missing_for_serving(experiment)
    if experiment.evaluate.benchmarks and importlib.util.find_spec("lm_eval") is None:
        found.append("benchmarks: lm-eval is not installed. pip install 'handpicked[bench]'")
    if experiment.evaluate.bench.engine == "vllm" and importlib.util.find_spec("vllm") is None:
        found.append("vllm: not installed. pip install vllm, or set evaluate.bench.engine to transformers.")
    found += missing_for_training(experiment)
    for name, arm in experiment.arms.items():
        try:
            _scored_by(experiment, arm)
            plan_guards(arm.guards, arm.prompts)
        except MissingPart as error:
            found.append(f"arm '{name}': {error}")
        except HandpickedError:
            continue  # a mistake that is reported with the others
    for settings in experiment.evaluate.judges:
        judge = load_judge(settings.name)
        if not judge.asks and importlib.util.find_spec("sentence_transformers") is None:
            found.append(
                f"judge '{settings.name}': sentence-transformers is not installed. pip "
                "install 'handpicked[embed,demo]'"
            )
        if judge.asks and settings.server is not None:
            missing = missing_server(settings)
            found += [f"judge '{settings.name}': {missing}"] if missing else []
        elif judge.asks and settings.base_url is None and not os.environ.get(settings.key_env):
            found.append(
                f"judge '{settings.name}': there is no key in the environment variable {settings.key_env}."
            )
    for name, arm in experiment.arms.items():
        if arm.refine is None:
            continue
        try:
            key_of(arm.refine)
        except MissingPart as error:
            found.append(f"arm '{name}': {error}")
    return found


def _arms(experiment: Experiment) -> Mistakes:
    """Unknown methods, and settings that a method does not take."""
    found: Mistakes = []
    for name, arm in experiment.arms.items():
        if arm.by == "none":
            found += [
                (("arms", name, key), f"arm '{name}' is not trained: '{key}' has no effect there.")
                for key in arm.options
            ]
            continue
        try:
            selector_for(arm, _own_fields(experiment, arm), whole=False)
        except ConfigError as error:
            found += [(_place(name, arm, mistake), f"arm '{name}': {mistake}") for mistake in error.mistakes]
    return found


def _place(name: str, arm: ArmSettings, mistake: str) -> Location:
    """The line of the setting that a mistake begins with, else that of ``by``."""
    key = mistake.partition(":")[0]
    return ("arms", name, key if key in arm.options else "by")


def _scorers(experiment: Experiment) -> Mistakes:
    """Settings of scorers by models that contradict each other or name what is not there."""
    found: Mistakes = []
    for name, arm in experiment.arms.items():
        try:
            _scored_by(experiment, arm)
        except MissingPart:
            continue  # no mistake of the file; missing_parts names it
        except ConfigError as error:
            found += [(("arms", name, "score"), f"arm '{name}': {mistake}") for mistake in error.mistakes]
        except HandpickedError as error:
            found.append((("arms", name, "score"), f"arm '{name}': {error}"))
    return found


def _scored_by(experiment: Experiment, arm: ArmSettings) -> list[str]:
    """Makes the scorers that an arm ranks by, which checks every file that they need. A field of the pool
    takes precedence over a scorer of that name; the pool is read only where the scorer could not be made.
    """
    try:
        return _scorer_identities(arm)
    except (ConfigError, MissingPart):
        own = _own_fields(experiment, arm)
        if arm.field not in own:
            raise
        return _scorer_identities(arm, own)


def _own_fields(experiment: Experiment, arm: ArmSettings) -> Sequence[str]:
    """The fields of the arm's pool; none where it cannot be read, which is reported separately."""
    settings = experiment.pool if arm.pool is None else experiment.pools.get(arm.pool)
    if arm.field is None or settings is None:
        return ()
    try:
        fields: Sequence[str] = getattr(read_pool(settings), "fields", ())
    except HandpickedError:
        return ()
    return fields


def _scorer_identities(arm: ArmSettings, own: Sequence[str] = ()) -> list[str]:
    """``own`` are the fields of the pool."""
    if arm.score.prefilter is not None:
        prefilter_of(arm.score.prefilter)
    selector = selector_for(arm, own, whole=False) if _known(arm.by) else None
    if selector is None:
        return []
    files = {column_of(name): name for name in scorer_files(arm)}
    columns = [files.get(column, column) for column in selector.columns if column not in own]
    texts = [column for column in columns if is_text_scorer(column)]
    made = [scorer_of_column(column) for column in columns if column not in texts]
    names = list(dict.fromkeys(name for name in made if name is not None))
    refuse_unused(texts, names, arm.score)
    scorers = scorers_for([*texts, *names], arm.score)
    selector.check(None)
    return [scorer.identity() for scorer in scorers if isinstance(scorer, PoolScorer)]


def _known(by: str) -> bool:
    return by != "none" and (is_file(by) or SELECTORS.get(by) is not None or SCORERS.get(by) is not None)


def _guards(experiment: Experiment) -> Mistakes:
    found: Mistakes = []
    for name, arm in experiment.arms.items():
        for guard in arm.guards:
            try:
                plan_guards([guard], arm.prompts)
            except MissingPart:
                continue  # missing_parts names it
            except ConfigError as error:
                found += [
                    (("arms", name, "guards"), f"arm '{name}': {mistake}") for mistake in error.mistakes
                ]
    return found


def _files(experiment: Experiment) -> Mistakes:
    pools: list[tuple[Location, str, PoolSettings]] = [(("pool", "path"), "pool", experiment.pool)]
    pools += [(("pools", n, "path"), f"pool '{n}'", settings) for n, settings in experiment.pools.items()]
    named: list[tuple[Location, str, str]] = [
        (at, what, file)
        for at, what, settings in pools
        for file in ([settings.path] if isinstance(settings.path, str) else settings.path)
        if file != NAME
    ]
    for index, prompts in enumerate(experiment.evaluate.prompts):
        at: Location = ("evaluate", "prompts", index)
        if prompts.path is not None:
            named.append(((*at, "path"), f"test set '{prompts.name}'", prompts.path))
        if prompts.references is not None:
            named.append(((*at, "references"), f"references of '{prompts.name}'", prompts.references.path))
    return [(at, f"{what}: {mistake}") for at, what, file in named if (mistake := where_from.missing(file))]


def _models(experiment: Experiment) -> Mistakes:
    if not experiment.models:
        return _model(("model", "name"), experiment.model)
    return [m for n, settings in experiment.models.items() for m in _model(("models", n, "name"), settings)]


def _model(at: Location, settings: ModelSettings) -> Mistakes:
    """A folder that is not a model is a mistake; a part or a hub that is missing here is not the file's
    fault.
    """
    try:
        resolve(settings)
    except ConfigError as error:
        return [(at, str(error))]
    except HandpickedError:
        return []
    return []


def _prompts_of_refinement(experiment: Experiment) -> Mistakes:
    found: Mistakes = []
    for name, arm in experiment.arms.items():
        if arm.refine is not None:
            try:
                load_prompt(arm.refine.prompt)
            except ConfigError as error:
                found.append((("arms", name, "refine", "prompt"), f"arm '{name}': {error}"))
    return found


def _judges(experiment: Experiment) -> Mistakes:
    found: Mistakes = []
    for index, settings in enumerate(experiment.evaluate.judges):
        at: Location = ("evaluate", "judges", index)
        try:
            judge = load_judge(settings.name)
        except ConfigError as error:
            found += [(at, mistake) for mistake in error.mistakes]
            continue
        if judge.asks and settings.model is None and settings.server is None:
            found.append((at, f"judge '{settings.name}' asks a model; say which one with 'model'."))
        if judge.asks and settings.server is not None and settings.model is not None:
            found += _model((*at, "model"), ModelSettings(name=settings.model))
    return found


def _templates(experiment: Experiment) -> Mistakes:
    known: Sequence[str] = ("auto", *SHIPPED, *sorted(_own_templates(experiment)))
    named: Mistakes = [(("train", "template"), experiment.train.template)]
    named += [
        (("arms", n, "train", "template"), a.train.template) for n, a in experiment.arms.items() if a.train
    ]
    return [
        (at, f"there is no chat template '{name}'.{did_you_mean(name, known)}")
        for at, name in named
        if name not in known
    ]


def _empty(experiment: Experiment) -> Mistakes:
    """Arms of 0 rows: without training they would be the base model under another name."""
    return [
        (
            ("arms", name, field),
            f"arm '{name}': {field} is 0, so nothing would be trained. Give it some "
            "rows; 'by: none' is the base model.",
        )
        for name, arm in experiment.arms.items()
        for field, requested in (("size", arm.size), ("fraction", arm.fraction))
        if requested == 0
    ]


def _own_templates(experiment: Experiment) -> set[str]:
    """The names of the chat templates in the tokenizers of the models that are available here.

    Tokenizers are loaded only where a name is not a shipped one.
    """
    named = {experiment.train.template, *(a.train.template for a in experiment.arms.values() if a.train)}
    if named <= {"auto", *SHIPPED}:
        return set()

    found: set[str] = set()
    for model in dict(experiment.models).values() or [experiment.model]:
        try:
            found |= set(own_templates(load_tokenizer(model)))
        except HandpickedError:
            continue
    return found


def _benchmarks(experiment: Experiment) -> Mistakes:
    """Unknown names, and local files that are missing or hold something else."""
    evaluate = experiment.evaluate
    try:
        check_files(tasks_of(evaluate.benchmarks), evaluate.bench.data)
    except ConfigError as error:
        return [(("evaluate", "benchmarks"), mistake) for mistake in error.mistakes]
    except MissingPart:
        return []
    except PoolError as error:
        return [(("evaluate", "bench", "data"), str(error))]
    return []
