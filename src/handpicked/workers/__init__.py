"""The same work on one core, several GPUs or a cluster, in parts that are done once and kept.

``run_parts`` has a ``Task`` done where ``Workers`` says; what every part gave is in ``PartFiles``.
"""

from handpicked.workers.coordinator import BrokenWorker
from handpicked.workers.parts import Part, PartFiles, Task, Work, facts_of, with_facts
from handpicked.workers.run import THIS_MACHINE, THIS_PROCESS, Workers, run_parts

__all__ = [
    "THIS_MACHINE",
    "THIS_PROCESS",
    "BrokenWorker",
    "Part",
    "PartFiles",
    "Task",
    "Work",
    "Workers",
    "facts_of",
    "run_parts",
    "with_facts",
]
