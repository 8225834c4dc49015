"""What the page may request. No arm or verdict is sent before the vote on it is final."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from handpicked.errors import ConfigError, did_you_mean
from handpicked.records import Json, Outcome
from handpicked.results.sections.people import People
from handpicked.votes.case import Case, Side, shown_first
from handpicked.votes.votes import TAGS, Standing, Vote, VoteFile

CHOICES = ("first", "tie", "second")
LONGEST_NAME, LONGEST_NOTE = 60, 10_000


@dataclass(frozen=True)
class Session:
    """A sample of cases, the file of votes, and what to say of all votes (``summary``).

    ``known`` holds every case of the run by its id: votes of an earlier, larger sample can still be unveiled.
    """

    title: str
    cases: Sequence[Case]
    known: Mapping[str, Case]
    file: VoteFile
    seed: int
    summary: Callable[[Standing], People]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def about(self) -> Json:
        """What the first screen shows."""
        names = dict.fromkeys(annotator for annotator, _ in self.file.standing().votes)
        return {
            "title": self.title,
            "total": len(self.cases),
            "tags": list(TAGS),
            "annotators": list(names),
            "note_limit": LONGEST_NOTE,
        }

    def state(self, name: str) -> Json:
        """How far the annotator is, and the next pair."""
        return self._state(annotator(name), self.file.standing())

    def vote(self, body: Mapping[str, object]) -> Json:
        """Cast a vote on a pair of the sample; one on the same pair replaces it until it is final."""
        who = annotator(body.get("annotator"))
        case = self._case(body.get("case"))
        first = shown_first(case, who, self.seed)
        vote = Vote(
            who, case.id, case.pair.prompt_id, case.pair.a, case.pair.b, outcome_of(body.get("choice"), first), first,
            _tags(body.get("tags", [])), _note(body.get("note", "")), _seconds(body.get("seconds")),
        )  # fmt: skip
        with self.lock:
            if (who, case.id) in self.file.standing().final:
                raise ConfigError("This vote is final: you have seen the judge's verdict on this pair.")
            self.file.cast(vote)
            return self._state(who, self.file.standing())

    def undo(self, body: Mapping[str, object]) -> Json:
        """Take the annotator's latest vote back and show its pair again, with the vote that it had."""
        who = annotator(body.get("annotator"))
        sampled = {case.id for case in self.cases}
        with self.lock:
            standing = self.file.standing()
            open_votes = [
                vote
                for key, vote in standing.votes.items()
                if key[0] == who and key not in standing.final and vote.case in sampled
            ]
            if not open_votes:
                raise ConfigError("There is no vote to take back.")
            self.file.retract(who, open_votes[-1].case)
            return self._state(who, self.file.standing(), open_votes[-1])

    def unveil(self, body: Mapping[str, object]) -> Json:
        """Make the annotator's votes final and say what the judges said."""
        who = annotator(body.get("annotator"))
        with self.lock:
            standing = self.file.standing()
            fresh = [
                case for name, case in standing.votes if name == who and (name, case) not in standing.final
            ]
            if fresh:
                self.file.unveil(who, fresh)
        return self.results(who)

    def results(self, name: str) -> Json:
        """The annotator's final votes beside the verdicts, and the summary of everyone's votes."""
        who = annotator(name)
        standing = self.file.standing()
        mine = [vote for key, vote in standing.votes.items() if key[0] == who and key in standing.final]
        return {
            "summary": asdict(self.summary(standing)),
            "cases": [unveiled(self.known[vote.case], vote) for vote in mine if vote.case in self.known],
        }

    def _state(self, who: str, standing: Standing, taken_back: Vote | None = None) -> Json:
        voted = {case for name, case in standing.votes if name == who}
        waiting = [case for case in self.cases if case.id not in voted]
        case = self.known[taken_back.case] if taken_back else waiting[0] if waiting else None
        return {
            "done": len(self.cases) - len(waiting),
            "total": len(self.cases),
            "open": sum((who, case) not in standing.final for case in voted),
            "final": sum((who, case) in standing.final for case in voted),
            "pair": None if case is None else blind(case, shown_first(case, who, self.seed)),
            "before": None if taken_back is None else {"tags": taken_back.tags, "note": taken_back.note},
        }

    def _case(self, id: object) -> Case:
        case = next((case for case in self.cases if case.id == id), None)
        if case is None:
            raise ConfigError("This pair is not in the sample. Was the run changed? Load the page again.")
        return case


def annotator(name: object) -> str:
    """The name that votes are kept under: spaces trimmed and joined, composed Unicode."""
    text = " ".join(unicodedata.normalize("NFC", name).split()) if isinstance(name, str) else ""
    if not text or len(text) > LONGEST_NAME or not text.isprintable():
        raise ConfigError(f"A name of 1 to {LONGEST_NAME} letters is needed: votes are kept under it.")
    return text


def outcome_of(choice: object, first: Side) -> Outcome:
    """A choice between positions, from the side of ``a``."""
    if choice not in CHOICES:
        raise ConfigError(f"A choice is one of {', '.join(CHOICES)}, not {choice!r}.")
    if choice == "tie":
        return "tie"
    return "win" if (choice == "first") == (first == "a") else "lose"


def blind(case: Case, first: Side) -> Json:
    """The texts alone."""
    answers = (case.pair.answer_a, case.pair.answer_b)
    shown = answers if first == "a" else answers[::-1]
    return {"case": case.id, "prompt": case.pair.prompt, "first": shown[0], "second": shown[1]}


def unveiled(case: Case, vote: Vote) -> Json:
    """Everything: arms, answers, the vote, every judge's verdict with its reviews."""
    return {
        **{
            key: getattr(case.pair, key)
            for key in ("prompt", "a", "b", "answer_a", "answer_b", "test_set", "reference")
        },
        "vote": asdict(vote),
        "verdicts": [
            {
                key: value
                for key, value in asdict(verdict).items()
                if key in ("judge", "strict", "summed", "reviews")
            }
            for verdict in case.verdicts
        ],
    }


def _tags(given: object) -> tuple[str, ...]:
    if not isinstance(given, list):
        raise ConfigError("Tags come as a list.")
    for tag in given:
        if tag not in TAGS:
            raise ConfigError(f"There is no reason {tag!r}.{did_you_mean(str(tag), TAGS)}")
    return tuple(tag for tag in TAGS if tag in given)


def _note(given: object) -> str:
    if not isinstance(given, str) or len(given) > LONGEST_NOTE:
        raise ConfigError(f"A note is text of at most {LONGEST_NOTE:,} characters.")
    return given.strip()


def _seconds(given: object) -> float | None:
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < 1e6:
        return round(float(given), 1)
    return None
