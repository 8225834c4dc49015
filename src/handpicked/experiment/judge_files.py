"""``handpicked judge``: compares two files of answers, calibrates a judge, or replays stored reviews."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from handpicked.config import JudgeSettings
from handpicked.data.spool import given_name
from handpicked.errors import ConfigError, EndpointError, NotYet
from handpicked.experiment.judged_text import sentences, text_of
from handpicked.experiment.references import referenced
from handpicked.judges import judge, write_requests, write_verdicts
from handpicked.judges.labelled import read_labelled
from handpicked.judges.outcome import verdict
from handpicked.judges.replay import replay
from handpicked.judges.similarity import NO_REFERENCE
from handpicked.judges.stored import holds_verdicts
from handpicked.progress import SILENT, Progress
from handpicked.records import Outcome, Pair, Verdict, to_json
from handpicked.report.judged_page import render_judged
from handpicked.results.compared import from_first
from handpicked.results.judgements import Judgements, MeanGrade, judgements
from handpicked.results.panel import panel
from handpicked.statistics.calibration import calibration
from handpicked.store import private_folder, write_json, write_text, writing
from handpicked.store.foreign import refuse_foreign
from handpicked.votes import summary as people
from handpicked.votes.cases import key

if TYPE_CHECKING:
    from handpicked.judges.labelled import Labelled

from handpicked.experiment.answer_pairs import paired_files
from handpicked.results.mean_grades import mean_grades

PAGE = "report.html"
VERDICTS = "verdicts.jsonl"
PAIRS = "pairs.jsonl"
UNPAIRED = "unpaired.json"
JUDGEMENTS = "judgements.json"
WRITTEN = (VERDICTS, PAIRS, UNPAIRED, JUDGEMENTS, PAGE)
CACHE = "replies.sqlite"
"""Paid replies, in the folder of the results."""
MOST_REASONS = 3
"""How many reasons for missing verdicts are shown; the verdicts hold all of them."""


@dataclass(frozen=True)
class Judged:
    """The outcome: the folder, the notes, and what could not be paired."""

    results: Judgements
    said: tuple[str, ...]
    verdicts: tuple[Verdict, ...] = ()
    """Every verdict, each with the judge's replies in both orders, whole and untouched."""

    def __str__(self) -> str:
        return text_of(self.results)


def judge_files(
    a: Path,
    b: Path,
    judges: Sequence[JudgeSettings],
    out: Path,
    progress: Progress = SILENT,
    *,
    references: Path | None = None,
    prompts: Path | None = None,
) -> Judged:
    """Judge the answers of two files, paired by prompt, into ``out``: verdicts.jsonl, pairs.jsonl,
    unpaired.json, judgements.json, report.html.

    ``references`` is a file of prompts and good answers, for pairs that have none; ``prompts`` one of the
    questions, for answers that name them by number only. Several judges also make a
    panel. Raises PoolError for files that hold no answers or share no prompt, and what the judges raise.
    """
    _refuse_foreign(out)
    paired, said = paired_files(a, b, prompts)
    pairs = paired.pairs if references is None else referenced(paired.pairs, str(references))
    verdicts = _judged(pairs, judges, out, [pairs[0].a, pairs[0].b], progress)
    write_verdicts(out / VERDICTS, verdicts)
    _write_pairs(out, pairs)
    write_json(
        out / UNPAIRED, {"only_a": paired.only_a, "only_b": paired.only_b, "repeated": paired.repeated}
    )
    said.append(read_counts(verdicts))
    panels = panel(verdicts) if len(judges) > 1 else []
    return _finished([*verdicts, *panels], pairs, out, said)


def _refuse_foreign(out: Path | None) -> None:
    """Of what a judgement writes, the verdicts come first, or where there are only grades the judgements:
    where these are ours, so is the rest.
    """
    if out is not None:
        ours = holds_verdicts(out / VERDICTS) or _holds_judgements(out / JUDGEMENTS)
        refuse_foreign(out, WRITTEN, ours=ours)


def _holds_judgements(file: Path) -> bool:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"pairs", "judges", "grades"} <= found.keys()


def read_counts(verdicts: Sequence[Verdict]) -> str:
    """How many pairs have a verdict, and the most frequent reasons why others have none."""
    without = [verdict for verdict in verdicts if verdict.strict == "unparsed"]
    counted = f"{len(verdicts) - len(without):,} of {len(verdicts):,} verdicts could be read"
    reasons = Counter(r.reason for verdict in without for r in verdict.reviews if r.reason)
    failures = "; ".join(
        f"{reason} ({count:,} replies)" for reason, count in reasons.most_common(MOST_REASONS)
    )
    return f"{counted}; of the others: {failures}" if failures else counted


def refuse_unread(judged: Judged, out: Path | None = None) -> None:
    """Raise for every judge of which not one verdict could be read: nothing was judged. ``out`` holds the
    pairs.

    Raises:
        ConfigError: only because the pairs have no reference, with what can be done instead.
        EndpointError: for any other reason.
    """
    read = {verdict.judge for verdict in judged.verdicts if verdict.strict != "unparsed"}
    unread = [entry for entry in judged.results.judges if entry.health.pairs and entry.judge not in read]
    if unread and all(set(entry.health.unparsed_reasons) == {NO_REFERENCE} for entry in unread):
        raise ConfigError(_without_references(unread[0].health.pairs, out))
    failures = [
        f"judge {entry.judge}: not one of {entry.health.pairs:,} verdicts could be read. "
        f"{'; '.join(entry.health.unparsed_reasons)}"
        for entry in unread
    ]
    if failures:
        raise EndpointError("\n".join(failures))


def _without_references(pairs: int, out: Path | None) -> str:
    """What to do where reference-similarity has no references."""
    vote = "" if out is None else f"\n  - vote on the pairs yourself, blind: handpicked inspect {out}"
    return (
        f"Nothing was judged: none of the {pairs:,} pairs has a reference, and reference-similarity compares "
        "answers with one. You can\n"
        "  - give good answers to the same prompts: --references FILE"
        f"{vote}\n"
        "  - ask a model on this machine, which is a weak judge if it is small: --judge letter-probability "
        "--model FOLDER\n"
        "  - ask a model at an endpoint: --judge scores --model NAME [--base-url URL], with the key in "
        "OPENAI_API_KEY; --dry-run says what it costs"
    )


def _write_pairs(out: Path, pairs: Sequence[Pair]) -> None:
    """Writes the judged pairs, for ``handpicked inspect``."""
    write_text(out / PAIRS, "".join(to_json(pair) + "\n" for pair in pairs), private=True)


def calibrate(
    labelled: Path,
    judges: Sequence[JudgeSettings],
    out: Path | None,
    progress: Progress = SILENT,
    *,
    verdicts: Path | None = None,
) -> Judged:
    """How far judges agree with people, on pairs that people have labelled: agreement
    and kappa, with intervals.

    Without ``judges``, the judges whose verdicts are stored beside the labels (or in the file ``verdicts``);
    no model is called. Raises ConfigError where none are stored, or where ``judges`` have no ``out`` for what
    they say.
    """
    _refuse_foreign(out)
    known = read_labelled(labelled, verdicts)
    said = [
        f"{given_name(labelled)}: {known.format}, {len(known.pairs)} labelled pairs, "
        f"{known.without} rows without a label"
    ]
    if not judges:
        found = _stored(known, labelled)
        said.append(f"stored verdicts of {', '.join(known.judged)}: no model is called")
    elif out is None:
        raise ConfigError("-o is missing: the folder for the verdicts.")
    else:
        found = _judged(known.pairs, judges, out, [], progress)
        said.append(read_counts(found))
    if out is not None:
        write_verdicts(out / VERDICTS, found)
    return _finished(found, known.pairs, out, said, labels=known.labels)


def has_verdicts(labelled: Path) -> bool:
    """Whether a file of labelled pairs also holds what judges said of them."""
    return bool(read_labelled(labelled).judged)


def _stored(known: Labelled, labelled: Path) -> list[Verdict]:
    """The verdicts that stand beside people's labels: one a pair and judge, in the order of the pairs."""
    if not known.judged:
        raise ConfigError(
            f"{given_name(labelled)} holds labels but no verdicts of a judge: name a judge with --judge."
        )
    return [
        verdict(pair, judge, reviews)
        for judge, listed in known.judged.items()
        for pair, reviews in zip(known.pairs, listed, strict=True)
    ]


def _judged(
    pairs: Sequence[Pair],
    judges: Sequence[JudgeSettings],
    out: Path,
    under_test: Sequence[str],
    progress: Progress,
) -> list[Verdict]:
    """The verdicts of all judges. Paid replies are kept in ``out``, so that a second run pays
    only for what is missing.
    """
    with writing(out):
        private_folder(out)
    verdicts = []
    waiting: list[str] = []
    for settings in judges:
        try:
            verdicts += judge(
                pairs,
                settings,
                out / ".verdicts.jsonl",
                progress=progress,
                models_under_test=under_test,
                cache=out / CACHE,
            )
        except NotYet as error:  # the batches of the other judges are submitted anyway
            waiting.append(str(error))
    (out / ".verdicts.jsonl").unlink(missing_ok=True)
    if waiting:
        raise NotYet("\n".join(waiting))
    return verdicts


def write_batches(pairs: Sequence[Pair], judges: Sequence[JudgeSettings], out: Path) -> list[Path]:
    """Only write the batch files for ``pairs``. Nothing is sent, no key is needed."""
    with writing(out):
        return [
            file for settings in judges for file in write_requests(pairs, settings, out, cache=out / CACHE)
        ]


def replay_file(
    reviews: Path,
    out: Path | None,
    *,
    reversed_: Path | None = None,
    a: str | None = None,
    b: str | None = None,
) -> Judged:
    """Statistics of stored reviews; no model is called.

    ``reversed_`` holds the reviews of the other order, where each order has its own file; ``a`` and ``b``
    name the models that are compared. With ``out``, also written there; where the reviews come with the
    answers, ``handpicked inspect`` can open it.
    """
    _refuse_foreign(out)
    replayed = replay(reviews, reversed_, a, b)
    verdicts, pairs = _one_way(replayed.verdicts, replayed.pairs, a, b)
    said = [f"{given_name(reviews)}: {replayed.format}, {len(verdicts)} pairs", *replayed.notes]
    if out is not None and verdicts:
        write_verdicts(out / VERDICTS, verdicts)
    if out is not None and pairs:
        _write_pairs(out, pairs)
    known = {key(v) for v in verdicts if v.length_a + v.length_b > 0}
    texts = [pair for pair in pairs if key(pair) in known]
    return _finished(verdicts, texts, out, said, mean_grades(replayed.grades))


def _one_way(
    verdicts: Sequence[Verdict], pairs: Sequence[Pair], a: str | None, b: str | None
) -> tuple[list[Verdict], list[Pair]]:
    """Every two models seen from one side: of the named model, else of the one that is
    ``a`` in their first comparison.
    """
    sides: dict[frozenset[str], str] = {}
    for v in verdicts:
        both = frozenset((v.a, v.b))
        other = (both - {b}) if b in both else both
        sides.setdefault(both, a if a in both else v.a if v.a in other else next(iter(other)))
    turned = [
        pair
        if pair.a == sides[frozenset((pair.a, pair.b))]
        else replace(pair, a=pair.b, b=pair.a, answer_a=pair.answer_b, answer_b=pair.answer_a)
        for pair in pairs
    ]
    return [from_first(v, sides[frozenset((v.a, v.b))]) for v in verdicts], turned


def _finished(
    verdicts: Sequence[Verdict],
    pairs: Sequence[Pair],
    out: Path | None,
    said: Sequence[str],
    grades: Mapping[str, tuple[MeanGrade, ...]] | None = None,
    labels: Sequence[Outcome] | None = None,
) -> Judged:
    """Judgements of the verdicts, with what people voted in ``out`` and with people's ``labels``, one a pair."""
    found = judgements(verdicts, pairs)
    if labels is not None:
        found = tuple(
            replace(one, people=calibration([v for v in verdicts if v.judge == one.judge], labels))
            for one in found
        )
    votes = None if out is None else people.votes_on(out, pairs, verdicts)
    results = Judgements(len(verdicts), found, grades or {}, votes)
    if out is not None:
        write_json(out / JUDGEMENTS, results)
        page = render_judged(results, pairs, verdicts, sentences(results), said)
        write_text(out / PAGE, page, private=True)  # it holds the pairs
    return Judged(results, tuple(said), tuple(verdicts))
