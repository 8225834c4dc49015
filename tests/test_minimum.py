"""The lower bounds of pyproject.toml: each requirement has one, a package has the same one everywhere."""

import sys
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from oldest import OLDEST

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]


ELSEWHERE = ("docs", "hooks")
"""Groups that have an environment of their own."""


def declared(without: tuple[str, ...] = ()) -> list[Requirement]:
    """Every requirement of pyproject.toml on another package: of the core, of each
    extra, and of each group but those ``without``.
    """
    file = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = file["project"]
    lists = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *(listed for name, listed in file["dependency-groups"].items() if name not in without),
    ]
    requirements = [Requirement(line) for lines in lists for line in lines]
    return [requirement for requirement in requirements if requirement.name != project["name"]]


def lower_bounds(requirement: Requirement) -> list[Version]:
    return [Version(part.version) for part in requirement.specifier if part.operator == ">="]


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_every_requirement_has_one_lower_bound(requirement):
    assert len(lower_bounds(requirement)) == 1


def test_a_package_has_the_same_bounds_wherever_it_is_named():
    found = defaultdict(set)
    for requirement in declared():
        found[requirement.name.lower()].add(str(requirement.specifier))
    assert {name: bounds for name, bounds in found.items() if len(bounds) > 1} == {}


def test_make_installs_the_lowest_torch_that_is_allowed():
    (line,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("TORCH :=")]
    (bound,) = {str(lower_bounds(one)[0]) for one in declared() if one.name == "torch"}
    assert line.split()[-1] == bound


@pytest.mark.skipif(not OLDEST, reason="only `make test-minimum` installs the lower bounds")
def test_what_is_installed_are_the_lower_bounds():
    """Otherwise another requirement asks for more, and the bound is one that nobody has tried."""
    above = {}
    for requirement in declared(ELSEWHERE):
        installed, (bound,) = Version(version(requirement.name)), lower_bounds(requirement)
        if Version(installed.public) != bound:  # the CPU build of torch is 2.13.0+cpu
            above[str(requirement)] = str(installed)
    assert above == {}
