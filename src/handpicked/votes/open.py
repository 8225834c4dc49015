"""``handpicked inspect``: opens a page on which people vote on a run's pairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from handpicked.errors import ConfigError, PoolError
from handpicked.judges import read_verdicts
from handpicked.pages.local_page import serve_in_browser, until_ctrl_c
from handpicked.records import Completion, Json, Message, Pair, Prompt, Verdict
from handpicked.results.schema import Results
from handpicked.results.sections.people import People
from handpicked.store import read_json, write_text
from handpicked.votes import Case, InspectServer, Session, VoteFile, sample
from handpicked.votes.cases import Key, join, key
from handpicked.votes.export import as_csv, as_json
from handpicked.votes.summary import summarize, votes_on


@dataclass(frozen=True)
class Inspection:
    """A folder's pairs, a sample of them, and its file of votes."""

    folder: Path
    session: Session

    def summary(self) -> People:
        """What the votes say so far."""
        return self.session.summary(self.session.file.standing())

    def export(self, kind: str) -> str:
        """Every vote that counts, as ``json`` or ``csv``."""
        standing = self.session.file.standing()
        if kind == "csv":
            return as_csv(standing, self.session.known)
        return as_json(standing, self.session.known, self.session.summary(standing))


def inspection(folder: Path, size: int = 50, seed: int = 0) -> Inspection:
    """The pairs of a run folder, or of one that ``handpicked judge -o`` made; votes
    are kept in its votes.jsonl.

    Raises ConfigError or PoolError when it holds no pairs, or a size below 1.
    """
    if size < 1:
        raise ConfigError(f"--limit {size}: at least one pair is needed.")
    known = {case.id: case for case in cases_of(folder)}
    chosen = sample(list(known.values()), size, seed)
    file = VoteFile(folder / "votes.jsonl")
    file.standing()  # a damaged file must be reported before anyone votes
    title = folder.resolve().name
    return Inspection(
        folder, Session(title, chosen, known, file, seed, lambda standing: summarize(standing, known))
    )


def serve(inspection: Inspection, port: int, open_browser: bool, say: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C. The address is printed once; votes are on the disk as they are cast."""
    downloads = {
        "votes.json": (lambda: inspection.export("json"), "application/json"),
        "votes.csv": (lambda: inspection.export("csv"), "text/csv"),
    }
    with InspectServer(inspection.session, port, downloads) as server, until_ctrl_c(say):
        say(f"{len(inspection.session.cases)} of {len(inspection.session.known)} pairs: {server.address}")
        say("Ctrl-C stops it; every vote is already kept.")
        serve_in_browser(server, open_browser)


def export_to(inspection: Inspection, file: Path) -> None:
    """Write every vote that counts to a .json or .csv file."""
    kind = file.suffix.lower().removeprefix(".")
    if kind not in ("json", "csv"):
        raise ConfigError(f"--export {file}: the name must end in .json or .csv.")
    write_text(file, inspection.export(kind))


def cases_of(folder: Path) -> list[Case]:
    """Every pair that was judged, with its verdicts, the main judge's first."""
    if not folder.is_dir():
        raise ConfigError(
            f"There is no folder {folder}. Give one that 'handpicked run' or 'handpicked judge' made."
        )
    files = sorted(folder.glob("verdicts/*/verdicts.jsonl"))
    if files:
        pairs = _pairs_of_run(folder)
    elif (folder / "pairs.jsonl").is_file():
        files = [folder / "verdicts.jsonl"]
        pairs = {key(pair): pair for line in _lines(folder / "pairs.jsonl") if (pair := Pair(**line))}
    else:
        raise ConfigError(
            f"{folder} holds no pairs of answers with verdicts: neither verdicts/ nor pairs.jsonl. "
            f"'handpicked run' makes the one when it has judged, 'handpicked judge A B -o FOLDER' the other."
        )
    verdicts = _main_first([v for file in files for v in read_verdicts(file)], folder)
    missing = next((key(verdict) for verdict in verdicts if key(verdict) not in pairs), None)
    if missing is not None:
        raise PoolError(
            f"{folder}: there is a verdict on prompt {missing[0]} with {missing[1]} "
            f"against {missing[2]}, but no such "
            f"answers. Let 'handpicked run' finish, then inspect again."
        )
    return join(pairs, verdicts)


def with_votes(results: Results, folder: Path) -> Results:
    """The results of the run in ``folder`` with what its votes say by now."""
    if not (folder / "votes.jsonl").is_file() or not (folder / "verdicts").is_dir():
        return results
    cases = cases_of(folder)
    verdicts = [verdict for case in cases for verdict in case.verdicts]
    return replace(results, people=votes_on(folder, [case.pair for case in cases], verdicts))


def _pairs_of_run(folder: Path) -> dict[Key, Pair]:
    """Every two answers to a prompt, in both tellings: verdicts say which of them met."""
    prompts = [_prompt(line) for line in _lines(folder / "prompts.jsonl")]
    answers = [
        Completion(**line) for file in sorted(folder.glob("answers/*/answers.jsonl")) for line in _lines(file)
    ]
    texts = {(answer.arm, answer.prompt_id): answer.answer for answer in answers}
    arms = sorted({answer.arm for answer in answers})
    return {
        (p.prompt_id, a, b): Pair(
            p.prompt_id,
            p.text,
            a,
            b,
            texts[a, p.prompt_id],
            texts[b, p.prompt_id],
            p.test_set,
            p.category,
            p.reference,
        )
        for p in prompts
        for a in arms
        for b in arms
        if a != b and (a, p.prompt_id) in texts and (b, p.prompt_id) in texts
    }


def _main_first(verdicts: Sequence[Verdict], folder: Path) -> list[Verdict]:
    """In the order of judges in the results, whose first one answers the experiment's
    question; else as they come.
    """
    results = folder / "results.json"
    listed = [judge["name"] for judge in read_json(results)["judges"]] if results.is_file() else []
    order = list(dict.fromkeys([*listed, *(verdict.judge for verdict in verdicts)]))
    return sorted(verdicts, key=lambda verdict: order.index(verdict.judge))


def _prompt(line: Json) -> Prompt:
    return Prompt(**{**line, "messages": tuple(map(Message.of, line["messages"]))})


def _lines(file: Path) -> list[Json]:
    if not file.is_file():
        raise PoolError(f"{file} is missing, so there is nothing to look at. Run the experiment again.")
    with file.open(encoding="utf-8", errors="surrogatepass") as lines:
        return [json.loads(line) for line in lines]
