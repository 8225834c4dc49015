"""Ray actors as workers: real nodes on this machine, one of them killed; and addresses that do not answer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_task import Squares, bytes_of, run

from embedded import clustered, table
from handpicked.data import cluster, read
from handpicked.errors import ConfigError
from handpicked.progress import SILENT
from handpicked.scorers.lm.likelihood import LanguageModel
from handpicked.scorers.model.ifd import Ifd
from handpicked.scorers.pool_scorer import SCORES
from handpicked.selectors.embeddings import Embeddings
from handpicked.selectors.facility_location import FacilityLocation
from handpicked.workers import BrokenWorker, PartFiles, Workers, run_parts

ray = pytest.importorskip("ray", reason="needs the ray extra")


@pytest.fixture
def no_note(monkeypatch, tmp_path):
    """A temporary folder of Ray's own, without a note of any cluster."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    return tmp_path / "ray" / "ray_current_cluster"


def refusal(call) -> tuple[str, float]:
    started = time.monotonic()
    with pytest.raises(ConfigError) as error:
        call()
    return str(error.value), time.monotonic() - started


@pytest.fixture
def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    return f"127.0.0.1:{port}"


@pytest.fixture
def silent_port():
    """It takes connections, and says nothing."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield f"127.0.0.1:{one.getsockname()[1]}"


@pytest.fixture
def web_port():
    """A web server is there, no cluster."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()

        def answer():
            line, _ = one.accept()
            line.recv(100)
            line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield f"127.0.0.1:{one.getsockname()[1]}"


@pytest.mark.parametrize("form", ["{}", "ray://{}"])
def test_an_address_that_nobody_is_at_is_reported_at_once(no_note, closed_port, form):
    address = form.format(closed_port)
    message, seconds = refusal(lambda: cluster.connect(address))
    assert f"--address {address} does not answer" in message and "--address local" in message
    assert seconds < 5 and "\n" not in message


def test_an_address_that_takes_a_call_and_is_silent_is_reported(no_note, silent_port, monkeypatch):
    monkeypatch.setattr(cluster, "WAIT", 1.0)
    message, seconds = refusal(lambda: cluster.connect(silent_port))
    assert "does not answer (timed out)" in message and seconds < 5


def test_an_address_of_something_else_is_reported(no_note, web_port):
    message, _ = refusal(lambda: cluster.connect(web_port))
    assert "answers, but not as a Ray cluster does" in message


def test_what_is_no_address_is_reported(no_note):
    message, _ = refusal(lambda: cluster.connect("head-node"))
    assert "--address head-node is not an address of a cluster: it is HOST:PORT" in message


@pytest.mark.parametrize("address", [None, "auto"])
def test_rays_note_of_a_cluster_that_died_is_reported(no_note, closed_port, address):
    no_note.parent.mkdir()
    no_note.write_text(closed_port)
    message, seconds = refusal(lambda: cluster.connect(address))
    assert f"Ray's note {no_note} names a cluster at {closed_port} that does not answer" in message
    assert "remove the note ('ray stop' does)" in message and seconds < 5


def test_an_address_in_the_environment_is_named_as_such(no_note, closed_port, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", closed_port)
    message, _ = refusal(lambda: cluster.connect(None))
    assert f"RAY_ADDRESS={closed_port} does not answer" in message


def test_the_command_ends_with_one_line_before_it_reads(no_note, closed_port, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "handpicked", "select", "nowhere.json", "--size", "3", "-o", tmp_path / "out",
         "--runner", "ray", "--address", closed_port],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "does not answer" in done.stderr


def test_a_process_that_works_without_ray_is_reported_before_anything_is_connected(no_note, silent_port):
    code = (
        "import daft; daft.set_runner_native()\n"
        "from handpicked.data.engine import choose\n"
        "from handpicked.errors import ConfigError\n"
        "try: choose('ray', ADDRESS)\n"
        "except ConfigError as error: print(error)\n"
        "import sys; assert 'ray' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code.replace("ADDRESS", repr(silent_port))],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "already worked with native and cannot change to ray" in done.stdout


@pytest.fixture
def two_nodes(no_note, monkeypatch, tmp_path_factory):
    """Two hosts of one CPU each, on the loopback device; the one that leads has none."""
    from ray.cluster_utils import Cluster

    # sockets have short names
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path_factory.mktemp("r")))
    monkeypatch.setattr("ray._private.services.get_node_ip_address", lambda *_, **__: "127.0.0.1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [made.add_node(num_cpus=1) for _ in range(2)]
    made.wait_for_nodes()
    yield made, nodes
    ray.shutdown()
    made.shutdown()


@pytest.mark.slow
def test_two_hosts_and_the_loss_of_one_make_the_same_bytes(two_nodes, tmp_path):
    made, nodes = two_nodes
    folders = [tmp_path / name for name in ("here", "both", "lost")]
    for folder in folders:
        folder.mkdir()
    here = bytes_of(run(Squares(folders[0]), "all"))

    both = Squares(folders[1])
    files = PartFiles.of(both.folder, [both.count], 4)
    run_parts(both, files, Workers("ray", made.address), SILENT)
    assert bytes_of(files) == here and sorted(both.begun) == list(range(10))

    lost = Squares(folders[2], pause=1.0)
    files = PartFiles.of(lost.folder, [lost.count], 4)

    done = []

    def kill():
        while len(list(files.folder.glob("*.arrow"))) < 3:
            time.sleep(0.05)
        made.remove_node(nodes[1], allow_graceful=False)
        done.extend(files.folder.glob("*.arrow"))

    killing = threading.Thread(target=kill)
    killing.start()
    run_parts(lost, files, Workers("ray", made.address), SILENT)
    killing.join()
    assert bytes_of(files) == here
    twice = [part for part in range(10) if lost.begun.count(part) > 1]
    assert len(lost.begun) == 10 + len(twice) and len(twice) <= 1, "only what the lost host held"
    assert 3 <= len(done) < 10, "it was in the middle"


@pytest.mark.slow
def test_a_key_that_an_actor_prints_logs_or_raises_is_hidden(no_note, monkeypatch, request, tmp_path):
    monkeypatch.setenv("MADE_API_KEY", "sk-made-0123456789")
    made, _ = request.getfixturevalue("two_nodes")
    task = Squares(tmp_path, mishaps={0: ("shows a key", 9)})
    files = PartFiles.of(task.folder, [task.count], 4)
    with pytest.raises(BrokenWorker, match=r"nobody takes \*\*\*") as error:
        run_parts(task, files, Workers("ray", made.address), SILENT)
    assert "sk-made" not in str(error.value)
    logs = "".join(
        log.read_text(errors="replace") for log in Path(os.environ["RAY_TMPDIR"]).rglob("worker-*")
    )
    for said in ("printed ***", "complained ***", "logged ***"):
        assert said in logs
    assert "sk-made" not in logs


@pytest.mark.slow
def test_a_mistake_on_a_host_is_reported_as_it_was_raised(two_nodes, tmp_path):
    made, _ = two_nodes
    task = Squares(tmp_path, mishaps={0: ("mistake", 9)})
    files = PartFiles.of(task.folder, [task.count], 4)
    with pytest.raises(ConfigError, match=r"^the template refuses this row\.$"):
        run_parts(task, files, Workers("ray", made.address), SILENT)


@pytest.mark.slow
@pytest.mark.parametrize("memory", [None, 1_000_000_000], ids=["half the machine", "1 GB"])
def test_actors_choose_the_same_rows_by_shards(two_nodes, tmp_path, memory):
    pytest.importorskip("faiss", reason="needs the embed extra")
    made, _ = two_nodes
    scores, embeddings = table(clustered(2000, groups=60, dimensions=32, seed=1))
    np.save(tmp_path / "embeddings.npy", embeddings.vectors)
    np.save(tmp_path / "rows.npy", embeddings.rows)
    selector = FacilityLocation(12, 5, sample=500, embeddings=Embeddings.load(tmp_path, memory=memory))
    here = selector.select(scores, 50).tolist()
    there = replace(scores, folder=tmp_path, workers=Workers("ray", made.address))
    assert selector.select(there, 50).tolist() == here and len(here) == 50


SCORED_THERE = """
import sys
from pathlib import Path
from handpicked.data import read
from handpicked.data.files import text
from handpicked.data.engine import choose
from handpicked.errors import PoolError
from handpicked.progress import SILENT
from handpicked.scorers.lm.likelihood import LanguageModel
from handpicked.scorers.model.ifd import Ifd
from handpicked.workers import Workers
from local_s3 import LocalS3
address, port, model, here, theirs, written = sys.argv[1:]
text.HOLD, Ifd.part_rows = 0, 8  # a large file: its rows do not travel
choose("ray", address)
pool, scorer = read("s3://pools/ray/rows.jsonl"), Ifd(LanguageModel(model))
assert pool.shards[0].span.held is None
def scored(name):
    (Path(here) / name).mkdir()
    scorer.score_on(Workers("ray", address), pool, None, Path(here) / name, SILENT)
scored("there")
(copy,) = Path(theirs).rglob("rows.jsonl")
LocalS3(int(port)).put("pools/ray/rows.jsonl", Path(written).read_bytes().replace(b"yes", b"not"))
copy.unlink()
try: scored("changed")
except PoolError as error: print(error)
"""


@pytest.mark.slow
def test_actors_fetch_a_pool_behind_a_url_themselves_and_refuse_another(
    no_note, s3, monkeypatch, request, tmp_path, tiny_model
):
    rows = [{"prompt": f"say {n}", "response": "yes " * (1 + n % 5)} for n in range(32)]
    file, theirs = tmp_path / "rows.jsonl", tmp_path / "theirs"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    s3.put("pools/ray/rows.jsonl", file.read_bytes())
    monkeypatch.setenv("XDG_CACHE_HOME", str(theirs))
    made, _ = request.getfixturevalue("two_nodes")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    port = s3.url.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "-c", SCORED_THERE, made.address, port, tiny_model, tmp_path, theirs, file],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no longer what it was when the pool was read: its etag was" in done.stdout
    monkeypatch.setattr(Ifd, "part_rows", 8)
    (tmp_path / "here").mkdir()
    Ifd(LanguageModel(str(tiny_model))).score_on(Workers(), read(file), None, tmp_path / "here", SILENT)
    assert (tmp_path / "here" / SCORES).read_bytes() == (tmp_path / "there" / SCORES).read_bytes()
