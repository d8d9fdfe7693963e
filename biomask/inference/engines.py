"""Jobs through joblib, on whatever `joblib.parallel_config` names: processes here, Dask or Ray.

What all jobs share, the plan with its data, travels once to each worker and not with every job.
Results come back to the caller, who alone writes files, so that workers need no disk in common with
it. A worker that dies is the engine's to replace, and its jobs the engine's to repeat; nothing that
a job has returned is lost with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from joblib import Parallel, delayed, parallel_config
from joblib.parallel import get_active_backend
from tqdm.auto import tqdm

# Workers may have several threads, and the compiled networks of a process serve one at a time.
_one_at_a_time = threading.Lock()


def run_jobs(
    run: Callable, plan, jobs: Iterable[tuple], n_jobs: int | None, bar: tqdm
) -> Iterator[tuple]:
    """(first argument, ``run(plan, *job)``) for every job, each as soon as it is there.

    Parameters
    ----------
    run : function of a module
    plan : picklable
    jobs : iterable of tuples
        Arguments; read a few jobs ahead of the workers.
    n_jobs : int or None
        None is what `joblib.parallel_config` says, or else 1.
    bar : tqdm
        Counts the results, and is closed after the last.
    """
    engine = get_active_backend()[0]
    results = _RESULTS.get(type(engine).__name__, _joblib_results)
    with bar:
        for result in results(engine, run, plan, jobs, n_jobs):
            bar.update()
            yield result


def _job(run: Callable, plan, key, *arguments) -> tuple:
    with _one_at_a_time, parallel_config("threading"):  # what a job starts itself stays with it
        return key, run(plan, key, *arguments)


def _joblib_results(engine, run, plan, jobs, n_jobs) -> Iterator[tuple]:
    calls = (delayed(_job)(run, plan, *job) for job in jobs)
    yield from Parallel(n_jobs=n_jobs, return_as="generator_unordered")(calls)


def _dask_results(engine, run, plan, jobs, n_jobs) -> Iterator[tuple]:
    """With a copy of the plan on every worker: no death of one takes the last."""
    sent = engine.client.scatter(plan, broadcast=True, hash=False)
    yield from _joblib_results(engine, run, sent, jobs, n_jobs)


def _ray_results(engine, run, plan, jobs, n_jobs) -> Iterator[tuple]:
    """By Ray's tasks: through joblib it gives all results at the end, and none if a worker dies."""
    import ray

    sent, task = ray.put(plan), ray.remote(_job)
    ahead = 2 * int(ray.cluster_resources()["CPU"])
    waiting = []
    for job in jobs:
        waiting.append(task.remote(run, sent, *job))
        if len(waiting) >= ahead:
            done, waiting = ray.wait(waiting)
            yield ray.get(done[0])
    while waiting:
        done, waiting = ray.wait(waiting)
        yield ray.get(done[0])


_RESULTS = {"DaskDistributedBackend": _dask_results, "RayBackend": _ray_results}
