"""One model on two devices, and in two processes: the same losses as on one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

WORKER = Path(__file__).parent / "strategy_worker.py"
EPOCHS = 5


def free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def run(how: str, wiring: str, folder: Path, *options: str) -> list[tuple[int, str, str]]:
    """(exit code, output, errors) of every process, after all have ended."""
    n = 2 if how == "workers" else 1
    addresses = [f"127.0.0.1:{port}" for port in free_ports(n)]
    started = []
    for k in range(n):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": k}}
        environment = {**os.environ, **({"TF_CONFIG": json.dumps(task)} if n > 1 else {})}
        started.append(
            subprocess.Popen(
                [sys.executable, str(WORKER), how, wiring, str(folder), *options],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
        )
    ended = []
    for process in started:
        with closing(process.stdout), closing(process.stderr):
            output, errors = process.communicate(timeout=300)
        ended.append((process.returncode, output, errors))
    return ended


def trained(how: str, wiring: str, folder: Path) -> list[dict]:
    """What every process found."""
    ended = run(how, wiring, folder)
    assert [code for code, _, _ in ended] == [0] * len(ended), ended[0][2][-3000:]
    return [json.loads(output.splitlines()[-1]) for _, output, _ in ended]


@pytest.fixture(scope="module", params=["mask", "hierarchy"])
def alone(request, tmp_path_factory) -> tuple[str, dict]:
    return request.param, trained("one", request.param, tmp_path_factory.mktemp("one"))[0]


@pytest.mark.parametrize("how", ["mirrored", "workers"])
def test_losses_and_weights_are_those_of_one_worker(alone, how, tmp_path):
    wiring, one = alone
    assert len(one["loss"]) == EPOCHS
    assert one["loss"][-1] < one["loss"][0] - 0.01  # it learns
    for found in trained(how, wiring, tmp_path):
        np.testing.assert_allclose(found["loss"], one["loss"], rtol=0, atol=1e-5)
        np.testing.assert_allclose(found["weights"], one["weights"], rtol=0, atol=1e-5)


def test_training_goes_on_after_a_worker_was_killed_and_refuses_another_mask(tmp_path):
    """SIGKILL in the fourth epoch: the rest ends too, and all go on from the third's backup."""
    whole = trained("workers", "mask", tmp_path / "whole")
    ended = run("workers", "mask", tmp_path / "cut", "--kill", "3")
    assert ended[1][0] == -signal.SIGKILL
    assert ended[0][0] not in (0, None)
    metadata = json.loads((tmp_path / "cut" / "training_metadata.json").read_text())
    assert metadata["epoch"] == 3
    for code, _, errors in run("workers", "mask", tmp_path / "cut", "--other"):
        assert code != 0
        assert "these weights belong to another mask" in errors
    resumed = trained("workers", "mask", tmp_path / "cut")
    for found, uncut in zip(resumed, whole, strict=True):
        assert len(found["loss"]) == EPOCHS - 3
        np.testing.assert_allclose(found["loss"], uncut["loss"][3:], rtol=0, atol=1e-6)
        np.testing.assert_allclose(found["weights"], uncut["weights"], rtol=0, atol=1e-6)
