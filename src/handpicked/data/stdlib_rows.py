"""Prints one row of JSON for each documented object; ``stdlib.write_pool`` runs it in a separate process."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import io
import json
import re
import sys
from collections.abc import Iterator
from types import ModuleType

# Modules that do something when imported, belong to the interpreter's own tests and tools, or speak to a
# display.
SKIPPED = {
    "antigravity", "this", "idlelib", "lib2to3", "turtledemo", "turtle", "tkinter", "test", "pydoc_data", "ensurepip", "venv",
    "nt", "msvcrt", "winreg", "winsound", "msilib", "crypt", "cgi", "cgitb",
}  # fmt: skip
SUBMODULES = (
    "collections.abc", "concurrent.futures.thread", "concurrent.futures.process", "email.message",
    "email.parser", "email.policy", "email.headerregistry", "email.utils", "email.mime.text",
    "email.mime.multipart", "html.parser", "html.entities", "http.client", "http.cookies", "http.cookiejar",
    "http.server", "importlib.abc", "importlib.machinery", "importlib.metadata", "importlib.resources",
    "importlib.util", "json.decoder", "json.encoder", "logging.config", "logging.handlers",
    "multiprocessing.managers", "multiprocessing.pool", "multiprocessing.shared_memory",
    "multiprocessing.connection", "os.path", "unittest.mock", "unittest.case", "unittest.loader",
    "urllib.error", "urllib.parse", "urllib.request", "urllib.response", "urllib.robotparser",
    "wsgiref.handlers", "wsgiref.headers", "wsgiref.util", "wsgiref.simple_server", "xml.dom.minidom",
    "xml.dom.pulldom", "xml.etree.ElementTree", "xml.sax.handler", "xml.sax.saxutils", "xml.sax.xmlreader",
    "xmlrpc.client", "xmlrpc.server", "ctypes.util", "asyncio.events", "asyncio.streams",
    "asyncio.subprocess", "asyncio.queues", "asyncio.locks", "asyncio.tasks", "asyncio.futures",
    "curses.textpad", "dbm.dumb", "encodings.idna", "encodings.aliases",
)  # fmt: skip
QUESTIONS = {
    "function": (
        "What does `{}` do in Python?",
        "Explain the Python function `{}`.",
        "How do I use `{}` in Python?",
    ),
    "class": ("What is `{}` in Python?", "Describe the Python class `{}`.", "What is the class `{}` for?"),
    "method": (
        "What does the method `{}` do in Python?",
        "Explain the Python method `{}`.",
        "How do I use the method `{}`?",
    ),
}
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def modules() -> Iterator[ModuleType]:
    """Every public module that can be imported here, in the order of their names."""
    top = [name for name in sys.stdlib_module_names if not name.startswith("_") and name not in SKIPPED]
    for name in sorted({*top, *SUBMODULES}):
        # Whatever a module of this platform raises or prints while it is imported, it is only left out.
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            yield importlib.import_module(name)


def objects(module: ModuleType) -> Iterator[tuple[str, str, object]]:
    """Kind, full name and object of what a module itself defines: functions, classes and their own methods."""
    package = module.__name__.split(".", 1)[0]
    for name, value in sorted(vars(module).items()):
        if name.startswith("_"):
            continue
        home = getattr(value, "__module__", None)
        if not (
            isinstance(home, str)
            and home.lstrip("_").split(".", 1)[0] in (package, "builtins", "posix", "nt")
        ):
            continue
        if inspect.isclass(value):
            yield "class", f"{module.__name__}.{name}", value
            yield from methods(f"{module.__name__}.{name}", value)
        elif inspect.isroutine(value):
            yield "function", f"{module.__name__}.{name}", value


def methods(path: str, owner: type) -> Iterator[tuple[str, str, object]]:
    """The public methods that a class defines itself; what it inherits belongs to its parent."""
    for name, value in sorted(vars(owner).items()):
        value = getattr(value, "__func__", value)
        if not name.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
            yield "method", f"{path}.{name}", value


def answer(name: str, value: object) -> str | None:
    """Signature (where it is known) and documentation. ``None`` where it has none itself."""
    own = getattr(value, "__doc__", None)
    documentation = inspect.cleandoc(own) if isinstance(own, str) else ""
    if " " not in documentation or (isinstance(value, type) and _inherited(value)):
        return None  # nothing, or a bare name, as for the node types of ast
    signature = None
    if callable(value):
        with contextlib.suppress(ValueError, TypeError, NameError, AttributeError):
            signature = ADDRESS.sub("", str(inspect.signature(value)))
    short = name.rsplit(".", 1)[-1]
    if signature is None or documentation.startswith(f"{short}("):
        return documentation
    return f"{short}{signature}\n\n{documentation}"


def _inherited(owner: type) -> bool:
    return any(owner.__doc__ == parent.__doc__ for parent in owner.__mro__[1:])


def question(kind: str, name: str) -> str:
    """One of the ways to ask, chosen by the name, so that it is the same in every run."""
    ways = QUESTIONS[kind]
    return ways[hashlib.sha256(name.encode()).digest()[0] % len(ways)].format(name)


def main() -> None:
    """Print the rows; a documentation that occurred before (an alias, an inherited method) is left out."""
    seen: set[str] = set()
    out = sys.stdout
    for module in modules():
        for kind, name, value in objects(module):
            if name.startswith("builtins."):
                name = name.removeprefix("builtins.")
            text = answer(name, value)
            documentation = inspect.cleandoc(value.__doc__ or "") if text else ""
            if text is None or documentation in seen:
                continue
            seen.add(documentation)
            row = {
                "instruction": question(kind, name),
                "input": "",
                "output": text,
                "source": module.__name__,
            }
            out.buffer.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    out.flush()


if __name__ == "__main__":
    main()
