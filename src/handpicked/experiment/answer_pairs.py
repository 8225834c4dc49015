"""The pairs to judge: the answers of two files paired by prompt, or pairs that people have labelled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handpicked.data.spool import given_name
from handpicked.experiment.references import referenced
from handpicked.judges.answers import AnswerFile, Paired, pair_up, read_answers
from handpicked.judges.labelled import read_labelled
from handpicked.judges.questions import read_questions, unknown_question
from handpicked.records import Pair


def paired_files(a: Path, b: Path, prompts: Path | None = None) -> tuple[Paired, list[str]]:
    """The answers of two files paired by prompt, and in words what was read, paired and left out.

    Raises PoolError as ``read_answers`` and ``pair_up`` do.
    """
    questions = None if prompts is None else read_questions(prompts)
    one, other = read_answers(a, questions), read_answers(b, questions)
    paired = pair_up(one, other)
    said = [_counted(a, one), _counted(b, other)]
    if paired.by_words:
        said.append(
            f"prompts that differ between the files in white space or the system prompt only, and are paired: "
            f"{paired.by_words}"
        )
    if paired.repeated:
        said.append(f"answers to a prompt that has one already, left out: {len(paired.repeated)}")
    if paired.only_a or paired.only_b:
        said.append(
            f"not paired: {len(paired.only_a)} prompts only in {Path(given_name(a)).name}, "
            f"{len(paired.only_b)} only in {Path(given_name(b)).name}"
        )
    unknown = [pair for pair in paired.pairs if pair.prompt == unknown_question(pair.prompt_id.split()[-1])]
    if unknown:
        said.append(
            f"prompts known by their number only: {len(unknown)}; a judge is shown "
            f"{unknown[0].prompt!r} instead: give the questions with --prompts FILE"
        )
    return paired, said


def _counted(path: Path, file: AnswerFile) -> str:
    """What was read of a file of answers."""
    thoughts = sum(answer.thought for answer in file.answers)
    parts = [
        f"{given_name(path)}: {file.format}, {len(file.answers)} answers",
        *([f"rows without a prompt or an answer, left out: {file.without}"] if file.without else []),
        *([f"answers that begin with a thought, which is not judged: {thoughts}"] if thoughts else []),
    ]
    return "; ".join(parts)


def pairs_of(
    files: Sequence[Path],
    labelled: Path | None,
    references: Path | None = None,
    prompts: Path | None = None,
) -> tuple[Sequence[Pair], list[str]]:
    """The pairs of two files of answers, or the labelled ones of one file, and in words what was left out; with
    ``references`` from a file.
    """
    if labelled is not None:
        return read_labelled(labelled).pairs, []
    paired, said = paired_files(files[0], files[1], prompts)
    return paired.pairs if references is None else referenced(paired.pairs, str(references)), said
