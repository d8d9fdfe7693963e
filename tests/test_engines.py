"""The same studies on a Dask and on a Ray cluster, each of two worker processes on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time

import anndata
import joblib
import numpy as np
import pandas as pd
import psutil
import pytest
from tqdm.auto import tqdm

import biomask as bm
from biomask.errors import BiomaskError, ModelError
from biomask.inference import assembly, blocks, engines
from biomask.inference.simulated_masks import decoy_mask
from biomask.masks import backed

MASK = decoy_mask(jaccard_index=0.0, n_decoys=0, n_pathways=6, size=5)
SIM = bm.simulate(MASK, n_samples=40, active=["planted"], effect=3.0, random_state=0)
CALL = {"folds": 3, "seeds": 2, "permutations": 19, "epochs": 2, "batch_size": 16}


class Cluster:
    """Two workers.

    Attributes
    ----------
    config : callable
        The context in which a call runs there.
    pids : callable
        Of the processes in which jobs run now.
    """

    def __init__(self, config, pids):
        self.config, self.pids = config, pids


@contextlib.contextmanager
def dask_cluster():
    distributed = pytest.importorskip("distributed")
    local = distributed.LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None)
    with local, distributed.Client(local) as client:
        yield Cluster(
            lambda: joblib.parallel_config("dask", client=client),
            lambda: list(client.run(os.getpid).values()),
        )


@contextlib.contextmanager
def ray_cluster():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    register_ray()
    found_by_workers = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}
    with ray.init(
        num_cpus=2,
        _node_ip_address="127.0.0.1",
        log_to_driver=False,
        runtime_env=found_by_workers,
    ):
        yield Cluster(
            lambda: joblib.parallel_config("ray", n_jobs=2),
            lambda: [
                process.pid
                for process in psutil.process_iter(["cmdline"])
                if (process.info["cmdline"] or [""])[0] == "ray::_job"
            ],
        )


@pytest.fixture(scope="module", params=[dask_cluster, ray_cluster], ids=["dask", "ray"])
def cluster(request):
    with request.param() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def small():
    """Fifteen blocks of four label vectors, and edges measured for every pathway."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "MAX_REPLICATES", 8)
        patch.setattr(assembly, "LEVEL", 1.0)
        yield


def study(**given) -> bm.Study:
    return bm.crossfit(MASK, SIM.X, SIM.y, **{**CALL, "progress": False, **given})


@pytest.fixture(scope="module")
def serial(small, tmp_path_factory) -> bytes:
    return saved(study(), tmp_path_factory.mktemp("serial"))


def saved(found: bm.Study, folder) -> bytes:
    found.save(folder / "study")
    return (folder / "study").read_bytes()


def test_a_study_is_that_of_one_process_byte_for_byte(cluster, serial, tmp_path):
    with cluster.config():
        found = study()
    assert len(found.edges) == MASK.n_edges
    assert saved(found, tmp_path) == serial


def test_a_worker_that_is_killed_takes_nothing_with_it(cluster, serial, tmp_path):
    """SIGKILL while it trains: the engine repeats its job, and no block is lost or done twice."""
    folder, killed = tmp_path / "blocks", []

    def finished():
        return len(list(folder.glob("fold*[0-9].zip")))

    def kill():
        while not finished():
            time.sleep(0.005)
        while not (pids := cluster.pids()):
            pass
        killed.append((finished(), pids[0]))
        os.kill(killed[0][1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with cluster.config():
        found = study(checkpoint=folder)
    thread.join()
    assert killed[0][0] < 15
    assert finished() == 15
    assert saved(found, tmp_path) == serial


def test_the_order_in_which_blocks_come_back_changes_nothing(serial, tmp_path, monkeypatch):
    def last_first(*arguments):
        return reversed(list(engines.run_jobs(*arguments)))

    monkeypatch.setattr("biomask.inference.crossfit.run_jobs", last_first)
    assert saved(study(), tmp_path) == serial


def test_data_on_disk_are_opened_by_the_workers(cluster, small, tmp_path, monkeypatch):
    monkeypatch.setattr(backed, "IN_MEMORY", 0)
    anndata.AnnData(SIM.X).write_h5ad(tmp_path / "cells.h5ad")
    y = pd.Series(SIM.y.to_numpy(), index=SIM.X.index.astype(str))
    here = bm.crossfit(MASK, tmp_path / "cells.h5ad", y, **CALL, progress=False)
    with cluster.config():
        there = bm.crossfit(MASK, tmp_path / "cells.h5ad", y, **CALL, progress=False)
    assert saved(there, tmp_path) == saved(here, tmp_path)


def test_models_are_compared_as_in_one_process(cluster):
    call = {"folds": 2, "seeds": 1, "rewired": 3, "epochs": 2, "progress": False}
    here = bm.compare_models(MASK, SIM.X, SIM.y, **call)
    with cluster.config():
        there = bm.compare_models(MASK, SIM.X, SIM.y, **call)
    pd.testing.assert_frame_equal(there, here, check_exact=True)
    assert there.attrs == here.attrs


def test_an_error_of_a_worker_arrives_as_what_it_is(cluster):
    with cluster.config(), pytest.raises(ModelError, match="E-DIVERGED"):
        study(learning_rate=1e30)


def test_a_worker_with_other_versions_is_refused(cluster, monkeypatch):
    here = engines.versions()
    monkeypatch.setattr(engines, "versions", lambda: {**here, "numpy": "1.0"})
    with cluster.config(), pytest.raises(BiomaskError, match="E-WORKER") as caught:
        study()
    assert f"'numpy': '{here['numpy']}'" in str(caught.value)  # that of the worker
    assert "'numpy': '1.0'" in str(caught.value)


def test_the_bar_moves_with_every_block_of_the_workers(cluster, small, monkeypatch):
    bars = []

    class Bar(tqdm):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.seen = []
            bars.append(self)

        def update(self, n=1):
            self.seen.append(self.n)
            return super().update(n)

    monkeypatch.setattr("biomask.inference.crossfit.tqdm", Bar)
    with cluster.config():
        study(progress=True)
    assert [bar.desc for bar in bars] == ["networks", "edges"]
    assert [bar.seen for bar in bars] == [list(range(15))] * 2


# ---------------------------------------------------------------------------- what travels


class Counted:
    """As large as a plan; says in which process it was opened."""

    def __init__(self, folder):
        self.folder, self.X, self.packed = folder, np.zeros((1000, 1000), np.float32), 0

    def __reduce__(self):
        self.packed += 1
        return _opened, (self.folder, self.X)


def _opened(folder, X):
    new = Counted(folder)
    new.X = X
    (folder / f"{os.getpid()}_{time.monotonic_ns()}").touch()
    return new


def _look(plan, key):
    """Waits until the other worker is at work too."""
    (plan.folder / f"worker {os.getpid()}").touch()
    end = time.monotonic() + 60
    while len(list(plan.folder.glob("worker *"))) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    return os.getpid(), plan.X.flags.writeable


def test_the_plan_travels_once_to_each_worker(cluster, tmp_path):
    """Dask opens it once in each process; Ray's jobs all read the same shared memory."""
    plan = Counted(tmp_path)
    with cluster.config():
        jobs = [(k,) for k in range(30)]
        found = dict(engines.run_jobs(_look, plan, jobs, None, tqdm(disable=True)))
    assert sorted(found) == list(range(30))
    workers = {pid for pid, _ in found.values()}
    opened = [int(name.name.split("_")[0]) for name in tmp_path.glob("*_*")]
    shared = not any(writeable for _, writeable in found.values())
    assert len(workers) == 2
    assert plan.packed == 1
    assert shared or len(opened) == len(set(opened))


def test_threads_of_one_worker_take_turns():
    """Compiled networks hold one state: two threads that train would mix theirs."""
    inside, most = [], []

    def look(plan, key):
        inside.append(key)
        time.sleep(0.01)
        most.append(len(inside))
        inside.remove(key)

    with joblib.parallel_config("threading", n_jobs=4):
        list(engines.run_jobs(look, None, [(k,) for k in range(8)], None, tqdm(disable=True)))
    assert most == [1] * 8
