"""Workers as actors of a Ray cluster: one a GPU, or where the cluster has none, one a host.

An actor reads its own rows, from the URL or a disk that the hosts share, and sends back the table of each
part; this process alone writes, so the hosts need not share what it writes to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from handpicked.data.cluster import connect
from handpicked.errors import WorkerError
from handpicked.secrets import guard_process, redacted
from handpicked.workers.coordinator import Bug, Finished, Ready, Report, Trouble, coordinate, reported
from handpicked.workers.parts import Part, PartFiles, Task
from handpicked.workers.worker import Worker, releases


def run_on_ray(
    task: Task,
    files: PartFiles,
    missing: Sequence[Part],
    address: str | None,
    step: Callable[[float], None],
) -> None:
    """Have the missing parts done by actors of the cluster at ``address``. Raises as ``coordinator.coordinate`` and
    ``cluster.connect`` do, and WorkerError for a cluster without a free host.
    """
    connect(address)
    executor = Actors(task, files, _seats())
    if not executor.seats:
        raise WorkerError(
            f"{task.name}: no host of the Ray cluster has a CPU for workers ('ray status' shows why)."
        )
    try:
        coordinate(executor, task, missing, releases(task.libraries), step)
    finally:
        executor.stop()


@dataclass(frozen=True)
class Seat:
    """Where an actor may be: a node, and what it takes of it."""

    node: str
    gpus: int
    cpus: float


def _seats() -> dict[str, Seat]:
    """One for each GPU of the cluster; without any, one for each host, with all its CPUs."""
    import ray

    nodes = sorted((node for node in ray.nodes() if node["Alive"]), key=lambda node: str(node["NodeID"]))
    found: dict[str, Seat] = {}
    for node in nodes:
        for gpu in range(int(node["Resources"].get("GPU", 0))):
            found[f"{node['NodeManagerAddress']} ({node['NodeID'][:6]}) gpu:{gpu}"] = Seat(
                node["NodeID"], 1, 0
            )
    if not found:
        for node in nodes:
            if (cpus := node["Resources"].get("CPU", 0)) >= 1:
                found[f"{node['NodeManagerAddress']} ({node['NodeID'][:6]})"] = Seat(node["NodeID"], 0, cpus)
    return found


@dataclass
class Actors:
    """Actors by the name of their seat."""

    task: Task
    files: PartFiles
    seats: dict[str, Seat]
    _actors: dict[str, Any] = field(default_factory=dict)
    _waiting: dict[Any, tuple[str, Part | None]] = field(default_factory=dict)
    _shared: Any = None

    @property
    def names(self) -> Sequence[str]:
        """See ``Executor``."""
        return list(self.seats)

    def start(self, name: str) -> bool:
        """See ``Executor``: not on a host that is gone."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        seat = self.seats[name]
        if not any(node["NodeID"] == seat.node and node["Alive"] for node in ray.nodes()):
            return False
        if self._shared is None:
            self._shared = ray.put(self.task)
        place = NodeAffinitySchedulingStrategy(node_id=seat.node, soft=False)
        kind = ray.remote(num_gpus=seat.gpus, num_cpus=seat.cpus, max_restarts=0, scheduling_strategy=place)
        actor = kind(Actor).remote(self._shared)
        self._actors[name] = actor
        self._waiting[actor.hello.remote()] = name, None
        return True

    def give(self, name: str, part: Part, following: Part | None) -> None:
        """See ``Executor``."""
        self._waiting[self._actors[name].do.remote(part, following)] = name, part

    def report(self) -> tuple[str, Report]:
        """See ``Executor``."""
        import ray

        (done,), _ = ray.wait(list(self._waiting), num_returns=1)
        name, part = self._waiting.pop(done)
        try:
            found = ray.get(done)
        except tuple(getattr(ray.exceptions, kind) for kind in LOSSES) as error:
            return name, Trouble(_how_it_ended(error), dead=True)
        except ray.exceptions.RayError as error:
            return name, Bug(redacted(str(error)))
        if isinstance(found, pa.Table):
            assert part is not None
            self.files.write(part, found)
            return name, Finished()
        return name, found

    def stop(self) -> None:
        """End all actors."""
        import ray

        for actor in self._actors.values():
            ray.kill(actor)


LOSSES = (
    "RayActorError",
    "ActorUnschedulableError",
    "ObjectLostError",
    "WorkerCrashedError",
    "NodeDiedError",
)
"""What Ray raises where an actor, its host, or what it sent back is gone."""


class Actor:
    """A worker in a process of Ray's."""

    def __init__(self, task: Task) -> None:
        guard_process()
        self.worker = Worker(task)

    def hello(self) -> Report:
        """Reports that the worker has begun, with the releases of its libraries."""
        return Ready(releases(self.worker.task.libraries))

    def do(self, part: Part, following: Part | None) -> pa.Table | Report:
        """The table of a part, or the report of its failure."""
        return reported(lambda: self.worker(part, following, lambda _: None))


def _how_it_ended(error: Exception) -> str:
    """The informative line of Ray's message about a dead actor: the last one where it could not begin."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", redacted(str(error)))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "its actor died"
    if "creation task" in lines[0]:
        return f"its actor could not start: {lines[-1][:200]}"
    telling = [line for line in lines if re.search(r"node|killed|exit", line, re.IGNORECASE)]
    return f"its actor died: {(telling or lines)[0][:200]}"
