"""Rules of ``--fail-on``: what they compare, and mistakes in them."""

from __future__ import annotations

import pytest
from made_pools import two_files

import handpicked as hp
from handpicked.errors import ConfigError
from handpicked.pool_audit.make import make_audit
from handpicked.pool_audit.plan import plan_audit
from handpicked.pool_audit.rules import failures, measured, needs_all, parse_rules


@pytest.fixture(scope="module")
def audit_of_seven(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    files = two_files(folder)
    plan = plan_audit(against=[str(files[0])], template="chatml", max_length=20)
    return plan, make_audit(hp.read(files), plan)


@pytest.mark.parametrize(
    ("rule", "fails"),
    [
        ("rejected>0", True),
        ("rejected>2", False),
        ("rejected>=2", True),
        ("rejected < 3", True),
        ("rejected=2", True),
        ("rejected<=1", False),
        ("rejected>22%", True),  # 2 of 9
        ("rejected>22.3%", False),
        ("duplicates>14%", True),  # 1 of 7
        ("duplicates>14.3%", False),
        ("duplicates-across-files=1", True),
        ("repeated-prompts>1", True),
        ("near-duplicates>0", True),
        ("rows<1,000", True),
        ("readable<7", False),
        ("thoughts=1", True),
        ("cut>=1", True),
        ("no-response=0", True),
        ("refused>0%", False),
        ("against>0", True),
        ("against-conversation>3", True),
        ("against-overlap<1%", False),
        ("repetition=2", True),
        ("compressibility=0%", True),
    ],
)
def test_a_rule_fails_where_it_holds(audit_of_seven, rule, fails):
    plan, audit = audit_of_seven
    assert bool(failures(audit, parse_rules([rule], plan))) is fails


def test_a_failure_says_what_was_measured(audit_of_seven):
    plan, audit = audit_of_seven
    found = failures(audit, parse_rules(["duplicates>1%", "rejected>1"], plan))
    assert found == [
        "--fail-on duplicates>1%: duplicates is 1 of 7 rows, 14.29%",
        "--fail-on rejected>1: rejected is 2 of 9 rows",
    ]


def test_everything_that_can_be_named_is_measured(audit_of_seven):
    plan, audit = audit_of_seven
    for name in measured(audit):
        (rule,) = parse_rules([f"{name}>=0"], plan)
        assert failures(audit, [rule])
    names = {one.name for one in audit.guards} | {"rejected", "refused", "cut", "against"}
    assert names <= set(measured(audit))


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("duplicate>1%", "Did you mean 'duplicates'"),
        ("duplicates>", "a rule is NAME>N"),
        ("duplicates>-1", "a rule is NAME>N"),
        ("duplicates>1%%", "a rule is NAME>N"),
        ("duplicates>101%", "a share cannot be over 100%"),
        ("duplicates>1.5", "not a count of rows"),
        ("", "a rule is NAME>N"),
        ("cut>1%", "give --max-length"),
        ("refused>1%", "give --template"),
        ("against>1%", "give --against"),
    ],
)
def test_a_mistake_in_a_rule(rule, says):
    with pytest.raises(ConfigError, match=says):
        parse_rules([rule], plan_audit())


def test_all_mistakes_are_reported_at_once():
    with pytest.raises(ConfigError) as error:
        parse_rules(["a>1", "duplicates>1%", "b>1"], plan_audit())
    assert len(error.value.mistakes) == 2


def test_a_count_of_what_is_sampled_needs_all_rows():
    plan = plan_audit(max_length=20)
    assert needs_all(parse_rules(["cut>10"], plan))
    assert not needs_all(parse_rules(["cut>10%", "duplicates>10"], plan))


def test_what_cannot_be_estimated_fails(audit_of_seven):
    """A template that refuses every row leaves nothing of which a share could be cut."""
    import dataclasses

    plan, audit = audit_of_seven
    refused = dataclasses.replace(audit.rendered, refused=audit.rendered.rows)
    broken = dataclasses.replace(audit, rendered=refused)
    (found,) = failures(broken, parse_rules(["cut>50%"], plan))
    assert "is not known: the template chatml refuses every row" in found
