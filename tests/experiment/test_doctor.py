"""The doctor reports what is there, what is missing and what is wrong, and never a key."""

from __future__ import annotations

import socket
import threading
from importlib.metadata import version
from pathlib import Path

import pytest

from handpicked.data.cluster import note, standing
from handpicked.errors import ConfigError
from handpicked.experiment.doctor import Finding, examine, text_of
from handpicked.experiment.doctor.devices import devices, machine_here
from handpicked.experiment.doctor.libraries import clashes, parts
from handpicked.experiment.doctor.places import keys_and_hub, places
from handpicked.workers.devices import cores


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {one.what: one for one in findings}


def installed(folder: Path, name: str, at: str, *needs: str) -> None:
    """A package as pip would leave it in ``folder``."""
    info = folder / f"{name.replace('-', '_')}-{at}.dist-info"
    info.mkdir()
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {at}",
        *(f"Requires-Dist: {n}" for n in needs),
    ]
    lines += [f"Provides-Extra: {extra}" for extra in ("lm", "train")]
    (info / "METADATA").write_text("\n".join(lines) + "\n")


def test_the_cpu_is_reported_with_the_cores_of_this_process() -> None:
    found = by_name(list(devices(machine_here())))
    assert found["CPU"].state == "ok" and f"{cores()} cores" in found["CPU"].detail
    assert found["processes"].detail.startswith(("one ", "scoring"))


def test_a_machine_that_is_assumed_is_reported_with_its_processes() -> None:
    found = by_name(list(devices(machine_here("8xH100-80GB"))))
    assert found["assumed"].detail == "8 x H100 80 GB (assumed)"
    assert "start 8" in found["processes"].detail
    with pytest.raises(ConfigError, match="is not known"):
        machine_here("a big one")


def test_the_installed_versions_are_those_reported() -> None:
    pytest.importorskip("torch")
    found = by_name(list(parts()))
    assert f"torch {version('torch')}" in found["extra lm"].detail


def test_a_version_out_of_bounds_is_reported_with_how_to_get_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, "handpicked", "9.0", "old-part>=2", "fine-part>=1", "absent-part>=1",
              "extra-part<3; extra == 'lm'", "absent-extra>=1; extra == 'lm'")  # fmt: skip
    installed(tmp_path, "old-part", "1.5")
    installed(tmp_path, "fine-part", "1.0", "old-part<1.2")
    installed(tmp_path, "extra-part", "3.1")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    found = [(one.what, one.state, one.detail) for one in clashes()]
    assert found == [
        ("old-part", "wrong", "1.5 is installed, and handpicked needs >=2: pip install 'old-part>=2'"),
        ("absent-part", "wrong", "not installed, and handpicked needs it: pip install 'absent-part>=1'"),
        ("extra-part", "wrong", "3.1 is installed, and handpicked needs <3: pip install 'extra-part<3'"),
        ("old-part", "wrong", "1.5 is installed, and fine-part needs <1.2: pip install 'old-part<1.2'"),
    ]


def test_a_note_of_a_cluster_that_died_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert standing().address is None
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]  # nobody listens there once it is closed
    note().parent.mkdir()
    note().write_text(f"127.0.0.1:{port}")
    found = by_name(list(parts()))["Ray cluster"]
    assert found.state == "wrong" and str(note()) in found.detail and "ray stop" in found.detail


def test_a_cluster_that_answers_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server greets as gRPC does, which is all that is asked of it."""
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            line, _ = server.accept()
            with line:
                line.recv(1024)
                line.sendall(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))

        threading.Thread(target=greet, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        found = by_name(list(parts()))["Ray cluster"]
    assert (found.state, found.detail) == ("ok", f"RAY_ADDRESS={address}: it answers")


def test_vllm_of_another_python_is_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "vllm"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = by_name(list(parts()))["vLLM"]
    assert found.state == "ok" and str(command) in found.detail


def test_a_token_is_reported_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_verysecret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    listed = list(keys_and_hub())
    found = by_name(listed)
    assert found["hub token"].state == "ok" and "HF_TOKEN" in found["hub token"].detail
    assert found["hub"].state == "missing" and "HF_HUB_OFFLINE" in found["hub"].detail
    assert "secret" not in text_of(listed)


def test_places_name_the_folders_and_what_is_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    monkeypatch.setenv("HANDPICKED_DATA", str(tmp_path / "not there"))
    found = by_name(list(places(tmp_path / "runs")))
    assert found["cache"].detail.startswith(str(tmp_path / "kept" / "handpicked"))
    assert found["HANDPICKED_DATA"].state == "wrong" and "no folder" in found["HANDPICKED_DATA"].detail
    assert not (tmp_path / "runs").exists() and not (tmp_path / "kept").exists()


def test_every_shipped_experiment_is_reported_for_an_assumed_machine(tmp_path: Path) -> None:
    small = by_name(examine(tmp_path, "1x24GB"))
    large = by_name(examine(tmp_path, "8xH100-80GB"))
    assert small["quickstart"].state == large["quickstart"].state == "ok"
    assert small["llama2-7b-alpaca"].state == "missing" and "24" in small["llama2-7b-alpaca"].detail
    assert large["llama2-7b-alpaca"].state == "ok" and "FSDP2" in large["llama2-7b-alpaca"].detail


def test_several_reasons_are_on_separate_lines() -> None:
    listed = text_of(
        [Finding("Experiments", "a", "missing", "one\ntwo"), Finding("Experiments", "b", "ok", "three")]
    )
    assert listed.splitlines() == ["Experiments", "  What           Found", "  a     missing  one",
                                   "                 two", "  b     ok       three"]  # fmt: skip
