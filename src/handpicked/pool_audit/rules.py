"""``--fail-on``: rules such as ``duplicates>1%`` on what an audit measures."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from handpicked.errors import ConfigError, did_you_mean
from handpicked.pool_audit.plan import AuditPlan
from handpicked.pool_audit.record import Audit

RULE = re.compile(r"\s*([A-Za-z][\w-]*)\s*(>=|<=|>|<|==?)\s*([0-9][0-9,_]*(?:\.[0-9]+)?)\s*(%?)\s*", re.ASCII)
OPERATORS: Mapping[str, Callable[[Fraction, Fraction], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq, "==": operator.eq,
}  # fmt: skip
SHAPE = 'a rule is NAME>N, NAME>=N, NAME<N or NAME=N, where N is a count or, with %, a share, such as "duplicates>1%"'

ALWAYS = (
    "rows", "readable", "rejected", "thoughts", "duplicates", "duplicates-across-files",
    "near-duplicates-across-files", "repeated-prompts",
)  # fmt: skip
RENDERED = ("refused", "as-text", "unshown-tools")
CUT = ("cut", "no-response")
AGAINST = ("against", "against-conversation", "against-prompt", "against-overlap")


@dataclass(frozen=True)
class Rule:
    """The audit fails where the count (or the share, in percent) called ``name`` compares so to ``value``."""

    text: str
    name: str
    op: str
    value: Fraction
    percent: bool


@dataclass(frozen=True)
class Measured:
    """A count of rows among ``of``; ``rows`` is None where it is not known, for the reason ``why``."""

    rows: int | None
    of: int
    why: str = ""


def parse_rules(texts: Sequence[str], plan: AuditPlan) -> tuple[Rule, ...]:
    """The rules in these texts.

    Raises:
        ConfigError: one is not a rule, or names what this audit does not measure; all at once.
    """
    names = _planned(plan)
    rules: list[Rule] = []
    mistakes: list[str] = []
    for text in texts:
        found = RULE.fullmatch(text)
        if found is None:
            mistakes.append(f"--fail-on {text!r}: {SHAPE}.")
            continue
        name, op, number, percent = found.groups()
        value = Fraction(number.replace(",", "").replace("_", ""))
        if name not in names:
            mistakes.append(
                f"--fail-on {text!r}: an audit does not measure {name!r}.{did_you_mean(name, names)}"
            )
        elif names[name]:
            mistakes.append(f"--fail-on {text!r}: {name} is not measured here: {names[name]}.")
        elif percent and value > 100:
            mistakes.append(f"--fail-on {text!r}: a share cannot be over 100%.")
        elif not percent and value.denominator != 1:
            mistakes.append(f"--fail-on {text!r}: {number} is not a count of rows. A share ends in %.")
        else:
            rules.append(Rule(text.strip(), name, op, value, bool(percent)))
    if mistakes:
        raise ConfigError(*mistakes)
    return tuple(rules)


def _planned(plan: AuditPlan) -> dict[str, str]:
    """Every name that a rule may have, and why this plan does not measure it (empty: it does)."""
    return {
        **dict.fromkeys(ALWAYS, ""),
        **{one.name: "" for one in plan.guards},
        **{one.name: one.why for one in plan.not_audited},
        **dict.fromkeys(AGAINST, "" if plan.against else "give --against FILE"),
        **dict.fromkeys(RENDERED, "" if plan.template else "give --template NAME or --model NAME"),
        **dict.fromkeys(CUT, "" if plan.max_length else "give --max-length N"),
    }


def needs_all(rules: Sequence[Rule]) -> bool:
    """Whether a rule is on a count of what else is looked at in a sample."""
    return any(rule.name in (*RENDERED, *CUT) and not rule.percent for rule in rules)


def failures(audit: Audit, rules: Sequence[Rule]) -> list[str]:
    """A line for each rule that the audit fails: what was measured, and what the rule is."""
    found = measured(audit)
    return [line for rule in rules if (line := _failure(rule, found[rule.name]))]


def _failure(rule: Rule, found: Measured) -> str:
    if found.rows is None:
        return f"--fail-on {rule.text}: {rule.name} is not known: {found.why}"
    if rule.percent:
        share = Fraction(100 * found.rows, found.of) if found.of else None
        if share is None:
            return f"--fail-on {rule.text}: {rule.name} is not known: there are no rows to take a share of"
        failed = OPERATORS[rule.op](share, rule.value)
        described = f"{found.rows:,} of {found.of:,} rows, {_percent(share)}%"
    else:
        failed = OPERATORS[rule.op](Fraction(found.rows), rule.value)
        described = f"{found.rows:,} of {found.of:,} rows"
    return f"--fail-on {rule.text}: {rule.name} is {described}" if failed else ""


def _percent(share: Fraction) -> str:
    """A share with as many digits as show that it is not a whole percent."""
    return f"{float(share):.4g}"


def measured(audit: Audit) -> dict[str, Measured]:
    """Everything that a rule can name, in the order of the summary."""
    rows = audit.readable
    found = {
        "rows": Measured(audit.rows, audit.rows),
        "readable": Measured(rows, audit.rows),
        "rejected": Measured(audit.rejected, audit.rows),
        "thoughts": Measured(next(one.rows for one in audit.lengths if one.of == "thought"), rows),
    }
    exact, near, prompt = audit.copies
    found |= {
        "duplicates": Measured(exact.rows, rows),
        "duplicates-across-files": Measured(exact.across, rows),
        "near-duplicates-across-files": Measured(near.across, rows),
        "repeated-prompts": Measured(prompt.rows, rows),
    }
    found |= {one.name: Measured(one.rows, rows) for one in audit.guards}
    if audit.against_any is not None:
        common = audit.against_any
        counts = (common.rows, common.conversations, common.prompts, common.overlaps)
        found |= {name: Measured(count, rows) for name, count in zip(AGAINST, counts, strict=True)}
    return found | _of_rendered(audit)


def _of_rendered(audit: Audit) -> dict[str, Measured]:
    one = audit.rendered
    if one is None:
        return {}
    left = one.rows - one.refused
    why = "" if left else f"the template {one.template} refuses every row"
    found = {
        "refused": Measured(one.refused, one.rows),
        "as-text": Measured(one.as_text if left else None, left, why),
        "unshown-tools": Measured(one.unshown_tools if left else None, left, why),
    }
    if one.max_length is not None:
        found["cut"] = Measured(one.cut if left else None, left, why)
        found["no-response"] = Measured(one.no_response if left else None, left, why)
    return found
