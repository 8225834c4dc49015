"""Measures the arms' models, on vLLM servers where the experiment wants them, and checks that it can."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence

from handpicked.config import Experiment
from handpicked.errors import MissingPart, did_you_mean
from handpicked.experiment import stages
from handpicked.experiment.file import Location
from handpicked.experiment.job import Job, Measured, Trained
from handpicked.records import Completion, Json, Prompt
from handpicked.served import AUTO, ArmModel, Servers
from handpicked.served.process import HOW, program
from handpicked.workers.devices import VISIBLE, parse_devices

Losses = dict[str, Measured[Json] | None]


def losses_and_answers(
    job: Job, models: Mapping[str, Trained], asked: Sequence[Prompt]
) -> tuple[Losses, dict[str, Measured[Completion]]]:
    """The held-out losses and the answers of every arm.

    Losses by transformers come before any server is started, which would hold the memory that they need;
    those by a server are measured arm by arm with the answers, so that no model is served twice.
    """
    evaluate = job.experiment.evaluate
    if evaluate.generate.server is None:
        losses: Losses = {n: stages.reference_loss(job, n, model, asked) for n, model in models.items()}
        return losses, {n: stages.generate(job, n, model, asked) for n, model in models.items()}
    answers: dict[str, Measured[Completion]] = {}
    by_server = evaluate.loss_engine == "vllm"
    with _servers(job, models) as servers:
        losses = {} if by_server else {n: stages.reference_loss(job, n, models[n], asked) for n in models}
        for name in servers.in_order():
            if by_server:
                losses[name] = stages.reference_loss(job, name, models[name], asked, servers)
            answers[name] = stages.generate(job, name, models[name], asked, servers)
    return {name: losses[name] for name in models}, {name: answers[name] for name in models}


def _servers(job: Job, models: Mapping[str, Trained]) -> Servers:
    arms = {name: ArmModel(trained.model, trained.adapter) for name, trained in models.items()}
    chosen = job.workers.devices
    variables = {}
    if chosen != "all":
        each = [device.environment() for device in parse_devices(chosen)]
        variables[VISIBLE] = ",".join(one.get(VISIBLE, "") for one in each).strip(",")
    return Servers(job.experiment.evaluate.generate, arms, variables, job.store.say)


def serving_mistakes(experiment: Experiment) -> list[tuple[Location, str]]:
    """What is said of a server and means nothing, with its place in the experiment file."""
    return list(_mistakes(experiment))


def _mistakes(experiment: Experiment) -> Iterator[tuple[Location, str]]:
    evaluate = experiment.evaluate
    settings, at = evaluate.generate, ("evaluate", "generate")
    server = settings.server
    if server is not None and server != AUTO and not server.startswith(("http://", "https://")):
        yield (
            (*at, "server"),
            f"server: '{server}' is neither auto nor an address such as http://localhost:8000."
            f"{did_you_mean(server, [AUTO])}",
        )
    if server is not None and settings.engine != "vllm":
        yield (
            (*at, "server"),
            "a server is vLLM's: set evaluate.generate.engine to vllm, or leave server out.",
        )
    for name in ("server_python", "server_options"):
        if getattr(settings, name) and server != AUTO:
            yield (*at, name), f"{name} is for a server that is started here: set server: auto."
    if evaluate.loss_engine == "vllm" and server is None:
        yield (
            ("evaluate", "loss_engine"),
            "loss_engine: vllm needs a server: set evaluate.generate.engine: vllm and server: auto.",
        )


def missing_for_serving(experiment: Experiment) -> list[str]:
    """The vLLM that answers are asked of and that is not there, with how to get it. A server that is there
    already is not looked for: it may be started once the arms are trained.
    """
    settings = experiment.evaluate.generate
    if settings.engine != "vllm":
        return []
    if settings.server is None:
        return [] if importlib.util.find_spec("vllm") else [f"vllm: not installed in this environment. {HOW}"]
    if settings.server != AUTO:
        return []
    try:
        program(settings.server_python, "")
    except MissingPart as error:
        return [str(error)]
    return []
