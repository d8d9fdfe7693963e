"""Jobs through joblib, on whatever `joblib.parallel_config` names: processes here, Dask or Ray.

What all jobs share, the plan with its data, travels once to each worker and not with every job.
Results come back to the caller, who alone writes files, so that workers need no disk in common with
it. A worker that dies is the engine's to replace, and its jobs the engine's to repeat; nothing that
a job has returned is lost with it.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf
from joblib import Parallel, delayed, parallel_config
from joblib.parallel import get_active_backend
from tqdm.auto import tqdm

from biomask import __version__
from biomask.errors import BiomaskError

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

    Raises
    ------
    BiomaskError
        A worker has other versions of what a result depends on; or what the job raised.
    """
    engine = get_active_backend()[0]
    with bar:
        for result in _RESULTS.get(type(engine).__name__, _joblib)(engine, run, plan, jobs, n_jobs):
            bar.update()
            yield result


@contextlib.contextmanager
def default_session() -> Iterator[None]:
    """Keras, TensorFlow and NumPy as a new process has them; afterwards as they were."""
    found = [(put, get()) for get, put, _ in _SETTINGS]
    options = tf.config.optimizer.get_experimental_options()
    state = random.getstate()  # Keras draws from it whenever it makes an initializer
    try:
        for _, put, default in _SETTINGS:
            put(default)
        tf.config.optimizer.set_experimental_options(
            {name: name in _GRAPH_PASSES for name in options}
        )
        with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"):
            yield
    finally:
        for put, value in found:
            put(value)
        tf.config.optimizer.set_experimental_options(options)
        random.setstate(state)


# Getter, setter and default of what changes a network or its numbers. The policy comes first: if
# none is set, Keras makes it from floatx when asked.
_SETTINGS = (
    (keras.config.dtype_policy, keras.config.set_dtype_policy, "float32"),
    (keras.config.floatx, keras.config.set_floatx, "float32"),
    (keras.config.epsilon, keras.config.set_epsilon, 1e-7),
    (tf.config.functions_run_eagerly, tf.config.run_functions_eagerly, False),
    (tf.config.optimizer.get_jit, tf.config.optimizer.set_jit, False),
)
# Passes of TensorFlow's graph optimizer that run unless they are turned off; all others do not.
_GRAPH_PASSES = {
    "layout_optimizer",
    "constant_folding",
    "shape_optimization",
    "remapping",
    "arithmetic_optimization",
    "dependency_optimization",
    "loop_optimization",
    "function_optimization",
    "implementation_selector",
    "use_plugin_optimizers",
}


def versions() -> dict[str, str]:
    """Of all that a result depends on."""
    others = {module.__name__: module.__version__ for module in (keras, np, tf)}
    return {"biomask": __version__, **others}


def _job(expected: dict[str, str], run: Callable, plan, key, *arguments) -> tuple:
    if versions() != expected:
        raise BiomaskError(
            f"a worker has {versions()}, and this process {expected}",
            code="E-WORKER",
            hint="Install the same versions on all machines.",
        )
    # What a job starts itself stays with it.
    with _one_at_a_time, default_session(), parallel_config("threading"):
        return key, run(plan, key, *arguments)


def _joblib(engine, run, plan, jobs, n_jobs) -> Iterator[tuple]:
    calls = (delayed(_job)(versions(), run, plan, *job) for job in jobs)
    yield from Parallel(n_jobs=n_jobs, return_as="generator_unordered")(calls)


# joblib's own connection to Dask keeps the plan on one worker, whose death loses it; that to Ray
# gives all results at the end, and none if a worker dies. Their tasks do neither.


def _dask(engine, run, plan, jobs, n_jobs) -> Iterator[tuple]:
    from distributed import wait

    client = engine.client
    sent = client.scatter(plan, broadcast=True, hash=False)  # a copy on every worker
    yield from _as_completed(
        (client.submit(_job, versions(), run, sent, *job, pure=False) for job in jobs),
        sum(client.ncores().values()),
        lambda tasks: wait(tasks, return_when="FIRST_COMPLETED"),
        lambda task: task.result(),
    )


def _ray(engine, run, plan, jobs, n_jobs) -> Iterator[tuple]:
    import ray

    sent, task = ray.put(plan), ray.remote(_job)
    yield from _as_completed(
        (task.remote(versions(), run, sent, *job) for job in jobs),
        int(ray.cluster_resources()["CPU"]),
        ray.wait,
        ray.get,
    )


def _as_completed(tasks: Iterator, workers: int, wait: Callable, get: Callable) -> Iterator[tuple]:
    """Results as they come, with two tasks for each worker on their way and no more."""
    waiting = list(itertools.islice(tasks, 2 * workers))
    while waiting:
        done, waiting = map(list, wait(waiting))
        waiting += itertools.islice(tasks, len(done))
        yield from map(get, done)


_RESULTS = {"DaskDistributedBackend": _dask, "RayBackend": _ray}
