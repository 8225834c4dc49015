"""What `handpicked methods` lists is what there is."""

from __future__ import annotations

import subprocess
import sys

from handpicked import catalogue as methods
from handpicked.config import SelectSettings
from handpicked.judges import shipped_judges
from handpicked.scorers.text.features import FEATURES
from handpicked.selection.guards import GUARDS
from handpicked.selection.methods import MEASURES, POOL_SCORERS, SCORERS, SELECTORS


def names(kind):
    return {method.name for method in kind}


def test_every_method_is_listed_and_every_listed_method_is_there():
    assert names(methods.SELECTORS) == {"none", *SELECTORS, *SCORERS} - {*FEATURES, "root_verb"}
    assert names(methods.FEATURES) == {*FEATURES, "root_verb"} <= set(SCORERS)
    assert names(methods.SCORERS) == set(POOL_SCORERS)
    assert (
        names(methods.MEASURES)
        == set(MEASURES)
        == set(SelectSettings.model_fields["measure"].annotation.__args__)
    )
    assert names(methods.GUARDS) == set(GUARDS)
    assert [method.name for method in methods.listed()["Judges (--judge)"]] == shipped_judges()


def test_every_method_says_what_it_does():
    for kind in methods.listed().values():
        for method in kind:
            assert method.about and method.cost


def test_a_rating_reads_the_settings_that_the_command_line_lets_it_have():
    from handpicked.scorers.model.llm_rating import READS

    assert POOL_SCORERS["llm-rating"].reads == READS


def test_naming_the_scorers_loads_none_of_them():
    code = "import sys, handpicked.selection.methods; print([m for m in sys.modules if 'endpoint' in m or m.endswith('.ifd')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
