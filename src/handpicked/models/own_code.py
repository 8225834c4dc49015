"""Code in a model's own folder is not run, whatever the library that loads the model makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from handpicked.errors import MissingPart


@contextmanager
def without_own_code(what: str) -> Iterator[None]:
    """Within it no library may import a class from a model's files: that raises MissingPart, which begins with
    ``what``. Sentence-transformers before 6 imports those of a local folder without permission to trust it.
    """
    from transformers import dynamic_module_utils

    imported = dynamic_module_utils.get_class_in_module

    def refuse(class_name: str, *_: object, **__: object) -> NoReturn:
        raise MissingPart(
            f"{what} cannot be loaded: its class {class_name!r} is defined by code in its own folder, which is not run. Use one "
            "whose modules are those of sentence-transformers."
        )

    dynamic_module_utils.get_class_in_module = refuse
    try:
        yield
    finally:
        dynamic_module_utils.get_class_in_module = imported
