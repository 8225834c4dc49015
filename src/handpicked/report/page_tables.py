"""The tables of numbers and words that only the page of a report has, besides those of ``tables``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from handpicked.pages.table import Cell, Column, Table, bold, figure, table
from handpicked.pages.text import (
    duration,
    number,
    percent,
    percent_interval,
    points,
    points_interval,
    signed,
    signed_interval,
    signed_points,
    value_of,
    visible,
)
from handpicked.records import Estimate
from handpicked.report.arm_names import arm_name
from handpicked.report.control import equal_text
from handpicked.results.schema import Results
from handpicked.results.sections.arms import ArmSection, SeedSection
from handpicked.results.sections.benchmarks import BenchmarkCell, BenchmarkRow, BenchmarkTypes
from handpicked.results.sections.comparisons import ArmComparison
from handpicked.results.sections.selected import SelectionAudit
from handpicked.statistics.verb_noun import VerbTable

NONE = "–"


def group_table(groups: Sequence[tuple[str, str, ArmComparison]]) -> Table:
    """The win rates of every test set and category, as judged and held equal."""
    held = ("Win rate", "Equal length", "Equal style", "When longer", "When shorter")
    rows = [[Cell(c.b), Cell("", drawn=_group(kind, name)), *_held(c)] for kind, name, c in groups]
    head = ["Rival", "Group", *(word for one in held for word in (one, "95%")), "n"]
    return table("", head, rows, 2)


def _group(kind: str, name: str) -> Markup:
    return Markup("{} {}").format(visible(kind), bold(name))


def _held(c: ArmComparison) -> list[Cell]:
    rates = (
        *(c.strict.win_rate, c.length_controlled, c.style_controlled),
        *(c.by_length.get("longer"), c.by_length.get("shorter")),
    )
    texts = [text for rate in rates for text in (equal_text(rate), percent_interval(rate))]
    return [*map(Cell, texts), Cell(str(c.strict.win_rate.n))]


def effect_table(comparisons: Sequence[ArmComparison]) -> Table:
    """What the judge rewards, in log-odds."""
    rows = [
        [c.b, term, signed(effect.value, 2), signed_interval(effect, 2), str(effect.n)]
        for c in comparisons
        for term, effect in c.style_effects.items()
    ]
    return table("", ["Rival", "Term", "Effect", "95%", "n"], rows, 2)


def base_loss_table(results: Results) -> Table:
    """The loss of each arm, and how far it lies above its base model's."""
    rows = [
        [
            arm.name,
            number(loss.value, 3),
            _ends(loss),
            signed(value_of(arm.loss_above_base)),
            signed_interval(arm.loss_above_base),
            str(loss.n),
        ]
        for arm in results.arms
        if (loss := arm.loss)
    ]
    return table("", ["Arm", "Loss", "95%", "Above the base model's", "95%", "n"], rows, 1)


def _ends(loss: Estimate) -> str:
    return f"{number(loss.low, 3)} to {number(loss.high, 3)}"


def seed_member_table(members: Sequence[SeedSection]) -> Table:
    """Training, loss and answers of each seed."""
    rows = [
        [
            one.name,
            one.arm,
            number(one.rows),
            number(one.training.tokens if one.training else None),
            number(value_of(one.loss), 3),
            _ends(one.loss) if one.loss else NONE,
            number(one.answer_tokens.value),
            percent(one.unfinished.value),
        ]
        for one in members
    ]
    head = ["Model", "Arm", "Rows", "Tokens", "Held-out loss", "95%", "Tokens an answer", "At the limit"]
    return table("", head, rows, 2)


def trained_table(results: Results) -> Table:
    """What each arm was trained on, and how long it took."""
    rows = [
        [
            arm.name,
            number(arm.rows),
            number(t.rows),
            number(t.rows_refused),
            number(t.truncated),
            number(t.epochs, 1),
            number(t.steps),
            number(t.tokens),
            number(t.response_tokens),
            duration(t.seconds),
            number(t.tokens / t.seconds if t.seconds else None),
        ]
        for arm in results.arms
        if (t := arm.training)
    ]
    head = ["Arm", "Subset rows", "Trained on", "Refused", "Truncated", "Epochs", "Steps", "Tokens"]
    return table("", [*head, "With loss", "Time", "Tokens/s"], rows, 1)


def dropped_table(results: Results) -> Table:
    """Why rows were kept or dropped."""
    columns = (
        *(Column("Arm", number=False), Column("Method", number=False), Column("Pool"), Column("Kept")),
        *(Column("Dropped", number=False), Column("Rejected")),
    )
    rows = [
        [
            Cell(arm.name),
            Cell(found.method),
            Cell(number(found.pool)),
            Cell(number(found.kept)),
            Cell("; ".join(f"{number(drop.rows)} {drop.reason}" for drop in found.dropped)),
            Cell(number(found.rejected)),
        ]
        for arm in results.arms
        if (found := arm.selection)
    ]
    return figure(columns, rows)


def guard_table(arms: Sequence[ArmSection], names: Sequence[str]) -> Table:
    """What the guards ``names`` would find in each subset that was looked at."""
    audits = [(arm.name, arm.selection.audit) for arm in arms if arm.selection]
    rows = [
        [
            Cell(name),
            Cell(f"{number(audit['rows'])} of {number(audit['of'])}"),
            *(_guard(audit["guards"].get(guard), audit["rows"]) for guard in names),
        ]
        for name, audit in audits
        if "guards" in audit
    ]
    return table("", ["Arm", "Looked at", *names], rows, 1)


def _guard(found: Mapping[str, int] | None, looked_at: int) -> Cell:
    if not found or not looked_at:
        return Cell(NONE)
    return Cell(number(found["rows"]), f"{number(100 * found['rows'] / looked_at, 1)}%")


def source_table(audit: SelectionAudit) -> Table:
    """The share of each source in each subset."""
    rows = [
        [
            Cell(row.value),
            *(
                Cell(percent(share.value), percent_interval(share))
                for share in (row.shares[name] for name in audit.sample)
            ),
        ]
        for row in audit.sources
    ]
    return table("", ["Source", *audit.sample], rows, 1)


def verb_table(one: VerbTable) -> Table:
    """The root verbs of one set of instructions, with their objects."""
    columns = (
        *(Column("Verb", number=False), Column("Share"), Column("95%"), Column("n")),
        Column("Most common objects", number=False),
    )
    rows = [
        [
            verb.verb,
            _share(verb.share.value),
            percent_interval(verb.share),
            number(verb.n),
            ", ".join(f"{noun.noun} {number(noun.n)}" for noun in verb.nouns),
        ]
        for verb in one.verbs
    ]
    rows += [["other verbs", _share(one.others / one.n), "", number(one.others), ""]] if one.others else []
    rows += [
        [f"no root verb: {why}", _share(count / one.n), "", number(count), ""]
        for why, count in one.none.items()
    ]
    return figure(columns, [list(map(Cell, row)) for row in rows])


def _share(value: float | None) -> str:
    return f"{number(None if value is None else 100 * value, 1)}%"


def type_table(found: BenchmarkTypes) -> Table:
    """Changes of benchmark scores by type of question."""
    against = [
        name for name, one in (("To base", found.overall.to_base), ("To full", found.overall.to_full)) if one
    ]
    columns = (
        *(Column("Root verb of the question", number=False), Column("Documents"), *map(Column, against)),
        Column("Of", number=False, style="several"),
    )
    rows = [
        [
            Cell(row.type),
            Cell(number(row.documents)),
            *(_change({"To base": row.to_base, "To full": row.to_full}[name]) for name in against),
            Cell(", ".join(f"{name} {number(n)}" for name, n in row.benchmarks.items())),
        ]
        for row in (found.overall, *found.rows)
    ]
    return figure(columns, rows)


def _change(change: Estimate | None) -> Cell:
    if change is None:
        return Cell(NONE)
    return Cell(signed_points(change.value), f"{points_interval(change)}, n {number(change.n)}")


def score_table(results: Results) -> Table:
    """Every benchmark of every arm at a glance."""
    rows = []
    for one in results.benchmarks:
        by_arm = {cell.arm: cell for cell in one.arms}
        scores = [_score(by_arm[arm.name]) if arm.name in by_arm else Cell(NONE) for arm in results.arms]
        rows.append([Cell(one.benchmark, _setup(one)), *scores])
    return table("", ["Benchmark", *(arm.name for arm in results.arms)], rows, 1)


def _setup(one: BenchmarkRow) -> str:
    if one.shots is None:
        return f"mean of {len(one.members)}"
    return f"{one.shots}-shot{', in the chat template' if one.chat else ''}"


def _score(cell: BenchmarkCell, *, strong: bool = False) -> Cell:
    if cell.failed:
        return Cell("failed", drawn=Markup('<span class="chip bad">failed</span>'), strong=strong)
    value, high = cell.score.value, cell.score.high
    error = "" if high is None or value is None else f"± {points(high - value)}"
    return Cell(points(value), error, strong=strong)


def arms_on_benchmark_table(one: BenchmarkRow, results: Results) -> Table:
    """The arms on one benchmark, with their differences to the base model and to training on everything."""
    columns = (
        *(Column("Arm", number=False), Column("Score", label="score"), Column("n", label="n")),
        *(Column("To base", label="to base"), Column("95%", label="95%")),
        *(Column("To full", label="to full"), Column("95%", label="95%")),
        Column("Characters an answer", label="characters"),
    )
    rows = [
        [
            Cell("", drawn=arm_name(cell.arm, results)),
            _score(cell, strong=True),
            Cell(number(cell.score.n)),
            Cell(signed_points(value_of(cell.to_base))),
            Cell(points_interval(cell.to_base)),
            Cell(signed_points(value_of(cell.to_full))),
            Cell(points_interval(cell.to_full)),
            Cell(number(value_of(cell.characters))),
        ]
        for cell in one.arms
    ]
    return figure(columns, rows)


def run_loss_table(labels: Sequence[str], losses: Mapping[str, Sequence[Estimate | None]]) -> Table:
    """The loss of each arm in each run."""
    rows = [[Cell(arm), *map(_run_loss, row)] for arm, row in losses.items()]
    return table("", ["Arm", *labels], rows, 1)


def _run_loss(loss: Estimate | None) -> Cell:
    return Cell(NONE) if loss is None else Cell(number(loss.value, 3), f"{_ends(loss)}, n {loss.n}")


def run_setting_table(labels: Sequence[str], differences: Mapping[str, Sequence[str]]) -> Table:
    """The settings in which runs differ."""
    rows = [[setting, *row] for setting, row in differences.items()]
    return table("", ["Setting", *labels], rows, 1 + len(labels))
