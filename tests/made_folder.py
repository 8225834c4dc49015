"""Small run folders as ``handpicked run`` and ``handpicked judge`` leave them, without a model."""

from __future__ import annotations

import json
import random
from pathlib import Path

from handpicked.judges import write_verdicts
from handpicked.records import Completion, Message, Pair, Prompt, Review, Verdict, to_json

CANDIDATE, RIVAL = "longest", "random"
JUDGE = "scores/judge-model"
TEXT = "a list is sorted in place and the function returns none so keep the old one if you need it"
WORDS = TEXT.split(" ")


def sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words)).capitalize() + "."


def prompts(n: int) -> list[Prompt]:
    return [
        Prompt(
            f"{i:032x}",
            (Message("user", f"Question {i}: how do I sort a list?"),),
            ("koala", "vicuna")[i % 3 == 0],
        )
        for i in range(n)
    ]


def verdict(prompt: Prompt, a: str, b: str, outcome: str, judge: str) -> Verdict:
    """As a judge that saw both orders and gave scores."""
    seen = {"win": ("first", "second"), "lose": ("second", "first"), "tie": ("first", "first")}[outcome]
    scores = {"first": (8.0, 5.0), "second": (5.0, 8.0)}
    reviews = tuple(
        Review(
            order,
            position,
            f"{scores[position]}\nThe {position} answer, which is {CANDIDATE}, covers more.",
            scores[position],
        )
        for order, position in zip(("ab", "ba"), seen, strict=True)
    )
    return Verdict(
        prompt.prompt_id,
        CANDIDATE,
        RIVAL,
        judge,
        reviews,
        outcome,
        outcome,
        prompt.test_set,
        None,
        len(a),
        len(b),
    )


def run_folder(folder: Path, n: int = 12, judges: tuple[str, ...] = (JUDGE,), hostile: str = "") -> Path:
    """A run of two arms on ``n`` prompts; ``hostile`` is added to every text that
    a model or a person wrote.
    """
    rng = random.Random(0)
    asked = prompts(n)
    texts = {
        arm: [sentence(rng, rng.randint(3, longest)) + hostile for _ in asked]
        for arm, longest in ((CANDIDATE, 120), (RIVAL, 60))
    }
    for arm, answers in texts.items():
        lines = [
            to_json(Completion(arm, prompt.prompt_id, answer, None, True))
            for prompt, answer in zip(asked, answers, strict=True)
        ]
        write(folder / "answers" / arm / "answers.jsonl", lines)
    write(folder / "prompts.jsonl", [to_json(prompt) for prompt in asked])
    for judge in judges:
        verdicts = [
            verdict(
                prompt, texts[CANDIDATE][i], texts[RIVAL][i], rng.choice(["win", "win", "tie", "lose"]), judge
            )
            for i, prompt in enumerate(asked)
        ]
        write_verdicts(folder / "verdicts" / judge.replace("/", "-") / "verdicts.jsonl", verdicts)
    return folder


def judged_folder(folder: Path, n: int = 4) -> Path:
    """What ``handpicked judge A B -o FOLDER`` leaves of ``n`` pairs."""
    asked = prompts(n)
    pairs = [
        Pair(p.prompt_id, p.text, CANDIDATE, RIVAL, f"long answer {i}", "short", p.test_set)
        for i, p in enumerate(asked)
    ]
    write(folder / "pairs.jsonl", [to_json(pair) for pair in pairs])
    write_verdicts(
        folder / "verdicts.jsonl", [verdict(p, "long answer", "short", "win", JUDGE) for p in asked]
    )
    return folder


def write(file: Path, lines: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(line + "\n" for line in lines), encoding="utf-8", errors="surrogatepass")


def events(folder: Path) -> list[dict]:
    """The lines of a folder's votes.jsonl."""
    return [json.loads(line) for line in (folder / "votes.jsonl").read_text(encoding="utf-8").splitlines()]
