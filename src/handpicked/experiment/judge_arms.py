"""The verdicts of every judge on the answers of the arms that are compared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from handpicked.config import JudgeSettings, ModelSettings
from handpicked.errors import NotYet
from handpicked.experiment.job import Job, Measured, prompts_identity
from handpicked.judges import judge, load_judge, read_verdicts, runs_here
from handpicked.judges.folder import JudgeFolder
from handpicked.models.load import identity
from handpicked.models.served.options import result_settings_of_server
from handpicked.models.served.replies import served_identity
from handpicked.records import Completion, Pair, Prompt, Verdict
from handpicked.store import LOST, Facts, digest
from handpicked.store.versions import EMBEDDER, LANGUAGE_MODEL, Versions


def judge_arms(
    job: Job, test_prompts: Sequence[Prompt], answers: Mapping[str, Measured[Completion]]
) -> dict[str, Measured[Verdict]]:
    """The verdicts of every judge on every pair of arms to compare, by the judge's name."""
    comparisons = job.lineup.comparisons()
    pairs = _pairs(comparisons, test_prompts, answers)
    under_test = sorted({job.lineup.model(name).name for name in answers})
    found: dict[str, Measured[Verdict]] = {}
    waiting: list[str] = []
    for settings in job.experiment.evaluate.judges:
        folder = load_judge(settings.name)

        def make(work: Path, lost: int, settings: JudgeSettings = settings) -> Facts:
            made = judge(
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
                    "prompts": prompts_identity(test_prompts),
                    **{arm: measured.identity for arm, measured in answers.items()},
                    **_judging_model(folder, settings),
                },
                settings={
                    **result_settings_of_server(settings),
                    "meetings": comparisons,
                    "judge": folder.model_dump(mode="json"),
                },
                versions=Versions.of(
                    {f"judge by {folder.reads}": folder.version}, _judging_libraries(folder, settings)
                ),
            )
        except NotYet as error:  # the batches of the other judges are submitted anyway
            waiting.append(str(error))
            continue
        file = stage.folder / "verdicts.jsonl"
        found[name] = Measured(read_verdicts(file), digest(file), stage)
    if waiting:
        raise NotYet("\n".join(waiting))
    return found


def _judging_libraries(folder: JudgeFolder, settings: JudgeSettings) -> tuple[str, ...]:
    """What computes the verdicts: a model on this machine, or the model behind the endpoint."""
    if not folder.asks:
        return EMBEDDER
    return LANGUAGE_MODEL if runs_here(settings) else ()


def _judging_model(folder: JudgeFolder, settings: JudgeSettings) -> dict[str, str]:
    """The content of a judge's model that is on this machine."""
    if folder.asks and settings.server is not None:
        return {"judge model": served_identity(settings.model, settings)}
    return {"judge model": identity(ModelSettings(name=settings.model or ""))} if runs_here(settings) else {}


def _pairs(
    comparisons: Sequence[tuple[str, str]],
    test_prompts: Sequence[Prompt],
    answers: Mapping[str, Measured[Completion]],
) -> list[Pair]:
    """The pairs of answers to compare, without their thoughts, joined by prompt id."""
    texts = {
        arm: {answer.prompt_id: answer.answer for answer in measured.records}
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
        for a, b in comparisons
        for p in test_prompts
    ]
