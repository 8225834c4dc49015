"""Measures the arms' models, on vLLM servers where the experiment wants them, and checks that it can."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence

from handpicked.config import Experiment
from handpicked.experiment import stages
from handpicked.experiment.file import Location
from handpicked.experiment.job import Job, Measured, Trained
from handpicked.models.served import Servers
from handpicked.models.served.mistakes import endpoint_mistakes, missing_server, server_mistakes
from handpicked.models.served.process import HOW
from handpicked.records import Completion, Json, Prompt
from handpicked.workers.devices import visible

Losses = dict[str, Measured[Json] | None]


def losses_and_answers(
    job: Job, models: Mapping[str, Trained], prompts: Sequence[Prompt]
) -> tuple[Losses, dict[str, Measured[Completion]]]:
    """The held-out losses and the answers of every arm.

    Losses by transformers come before any server is started, which would hold the memory that they need;
    those by a server are measured arm by arm with the answers, so that no model is served twice.
    """
    evaluate = job.experiment.evaluate
    if evaluate.generate.server is None:
        losses: Losses = {n: stages.reference_loss(job, n, model, prompts) for n, model in models.items()}
        return losses, {n: stages.generate(job, n, model, prompts) for n, model in models.items()}
    answers: dict[str, Measured[Completion]] = {}
    by_server = evaluate.loss_engine == "vllm"
    with _servers(job, models) as servers:
        losses = {} if by_server else {n: stages.reference_loss(job, n, models[n], prompts) for n in models}
        for name in servers.in_order():
            if by_server:
                losses[name] = stages.reference_loss(job, name, models[name], prompts, servers)
            answers[name] = stages.generate(job, name, models[name], prompts, servers)
    return {name: losses[name] for name in models}, {name: answers[name] for name in models}


def _servers(job: Job, models: Mapping[str, Trained]) -> Servers:
    arms = {name: trained.arm for name, trained in models.items()}
    return Servers(job.experiment.evaluate.generate, arms, visible(job.workers.devices), job.store.say)


def serving_mistakes(experiment: Experiment) -> list[tuple[Location, str]]:
    """Settings of a server that have no effect, with their places in the experiment file."""
    return list(_mistakes(experiment))


def _mistakes(experiment: Experiment) -> Iterator[tuple[Location, str]]:
    evaluate = experiment.evaluate
    settings, at = evaluate.generate, ("evaluate", "generate")
    yield from (((*at, name), said) for name, said in server_mistakes(settings))
    if settings.server is not None and settings.engine != "vllm":
        yield (
            (*at, "server"),
            "a server is vLLM's: set evaluate.generate.engine to vllm, or leave server out.",
        )
    for index, judge in enumerate(evaluate.judges):
        yield from (
            (("evaluate", "judges", index, name), f"judge '{judge.name}': {said}")
            for name, said in endpoint_mistakes(judge, judge, judge.batch)
        )
    if evaluate.loss_engine == "vllm" and settings.server is None:
        yield (
            ("evaluate", "loss_engine"),
            "loss_engine: vllm needs a server: set evaluate.generate.engine: vllm and server: auto.",
        )


def missing_for_serving(experiment: Experiment) -> list[str]:
    """The vLLM that should generate answers and that is not there, with how to get it. A server that is there
    already is not looked for: it may be started once the arms are trained.
    """
    settings = experiment.evaluate.generate
    if settings.engine != "vllm":
        return []
    if settings.server is None:
        return [] if importlib.util.find_spec("vllm") else [f"vllm: not installed in this environment. {HOW}"]
    return [missing] if (missing := missing_server(settings)) else []
