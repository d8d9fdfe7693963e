"""HDF5 files that nobody vouches for: a process of its own copies what is wanted of them.

A few damaged bytes make the HDF5 library read for ever, or crash, and no Python can stop it. So
such a file is opened only in a process that can be ended. It checks what the file claims, and lets
HDF5 write what is wanted into a new file, which is sound; that one is read.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess  # nosec B404
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import h5py

from biomask import errors
from biomask.errors import BiomaskError, ReadError, StorageError, listed
from biomask.storage import MAX_BYTES, check_unpacked_size

_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}  # NumPy's, each of which takes address space
_NAMES = 1 << 20  # that are in memory at a time
SECONDS = 120  # and one more for every megabyte, since a slow disk is no damage


def copy_elements(path: str | Path, copy: Path, key: str, uns: list[str]) -> None:
    """Copy ``var`` and ``varm[key]`` of an h5ad file, and of ``uns`` what is there of these names.

    Raises
    ------
    ReadError
        No such key (E-KEY), links to other files (E-LINK), truncated (E-TRUNCATED), damaged or no
        h5ad (E-H5AD).
    StorageError
        A bomb (E-BOMB), or HDF5 never ends or crashes (E-HDF5-FAILS).
    """
    _apart(_elements, path, str(path), str(copy), key, uns)


def copy_weights(content: bytes, copy: Path, path: str | Path) -> None:
    """Copy the weights of a model, a whole HDF5 file; errors name `path`.

    Raises
    ------
    StorageError
        They point to other files or claim to be larger than they are (E-UNSAFE), are damaged
        (E-MODEL-FILE), or HDF5 never ends or crashes (E-HDF5-FAILS).
    """
    given = copy.with_name("given.h5")
    given.write_bytes(content)
    _apart(_weights, path, str(given), str(copy))


def check_table(path: str | Path, key: str) -> None:
    """Refuse an h5ad file that cannot be read where it lies: links, names, where its chunks are.

    The values stay in it, since no copy may be as large. What is missing is for the caller to say.

    Raises
    ------
    StorageError
        Links to other files (E-LINK), damaged (E-STORE), or HDF5 never ends or crashes
        (E-HDF5-FAILS).
    """
    _apart(_table, path, str(path), key)


def check_key(key: str, keys: Iterable[str]) -> None:
    """Refuse a key that ``varm`` does not have."""
    keys = list(keys)
    if key not in keys:
        raise ReadError(
            f"varm has no key {key!r}; it has {listed(keys) or 'none'}",
            code="E-KEY",
            hint="Pass one of these keys." if keys else "Put the matrix there first.",
        )


# ------------------------------------------------------------------------ the other process


def _apart(work: Callable, path: str | Path, source: str, *arguments: object) -> None:
    """Call ``work(source, *arguments)`` in another process; its error is raised here, of `path`."""
    seconds = SECONDS + Path(source).stat().st_size / 1e6
    try:
        done = subprocess.run(  # nosec B603
            [sys.executable, "-P", "-m", "biomask.hdf5"],
            input=json.dumps([work.__name__, source, *arguments]),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **_ONE_THREAD},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StorageError(
            f"the HDF5 library has not read it after {seconds:.0f} seconds",
            code="E-HDF5-FAILS",
            file=path,
            hint="The file is damaged; download or write it again. If the disk is very slow, copy "
            "the file to another one first.",
        ) from None
    if done.returncode:
        last_words = done.stderr.strip()[-500:]
        raise StorageError(
            f"the HDF5 library crashes on it: status {done.returncode} {last_words}",
            code="E-HDF5-FAILS",
            file=path,
            hint="The file is damaged; download or write it again.",
        )
    if done.stdout:
        kind, problem, code, hint = json.loads(done.stdout)
        raise getattr(errors, kind)(problem, code=code, file=path, hint=hint)


def _main() -> None:
    with contextlib.suppress(ImportError, ValueError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_BYTES, MAX_BYTES))
        resource.setrlimit(resource.RLIMIT_AS, (2 * MAX_BYTES, 2 * MAX_BYTES))
    work, *arguments = json.load(sys.stdin)
    try:
        globals()[work](*arguments)
    except BiomaskError as error:
        print(json.dumps([type(error).__name__, error.problem, error.code, error.hint]))


# ------------------------------------------------------------------------ what it does: h5ad files


def _elements(source: str, copy: str, key: str, uns: list[str]) -> None:
    try:
        with h5py.File(source, "r") as file, h5py.File(copy, "w") as new:
            _check_inside(file)
            for group in ("var", "varm"):
                if group not in file:
                    raise ReadError(
                        f"no {group} in the file",
                        code="E-H5AD",
                        hint="Write it with AnnData.write_h5ad.",
                    )
            check_key(key, file["varm"])
            names = ["var", f"varm/{key}", *(f"uns/{name}" for name in uns)]
            names = [name for name in names if name in file]
            _check_size(file, names, source)
            for name in names:  # older files name categories by reference
                file.copy(name, new, name, expand_refs=True, expand_soft=True)
        # Text counts only now: any number of names may be one and the same in a damaged file.
        check_unpacked_size(Path(copy).stat().st_size, Path(source).stat().st_size, source)
    except BiomaskError:
        raise
    except Exception as error:  # a damaged file fails anywhere inside HDF5, with any error
        raise damaged_h5ad(error) from error


def damaged_h5ad(error: Exception, path: str | Path | None = None) -> ReadError:
    """What to tell of an `error` of HDF5, or of anndata."""
    sizes = re.search(r"eof = (\d+).*stored_eof = (\d+)", str(error))
    if sizes:
        return ReadError(
            f"the file is truncated: {sizes[1]} of {sizes[2]} bytes",
            code="E-TRUNCATED",
            file=path,
            hint="Download or write it again.",
        )
    return ReadError(
        f"the file is damaged or no h5ad: {error}",
        code="E-H5AD",
        file=path,
        hint="Write it again with AnnData.write_h5ad.",
    )


def _check_inside(file: h5py.File, kind: type[BiomaskError] = ReadError) -> None:
    """Refuse a file that would have us read other files."""
    outside = []

    def visit_link(name: str, link: object) -> None:
        if isinstance(link, h5py.ExternalLink):
            outside.append(f"{name} -> {link.filename}")

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            outside.append(f"{name} (data in other files)")

    file.visititems_links(visit_link)
    file.visititems(visit)
    if outside:
        raise kind(
            f"the file links to other files: {listed(outside)}",
            code="E-LINK",
            hint="biomask follows no such link; copy the data into one file.",
        )


def _check_size(file: h5py.File, names: list[str], source: str) -> None:
    total = 0

    def add(_name: str, item: object) -> None:
        nonlocal total
        if isinstance(item, h5py.Dataset):
            total += item.size * item.dtype.itemsize

    for name in names:
        item = file[name]
        item.visititems(add) if isinstance(item, h5py.Group) else add(name, item)
    check_unpacked_size(total, Path(source).stat().st_size, source)


# ------------------------------------------------------------------------ what it does: tables


def _table(source: str, key: str) -> None:
    try:
        with h5py.File(source, "r") as file:
            _check_inside(file, StorageError)  # HDF5 walks the chunks of each data set for it
            matrix = file[key]
            for item in [matrix, *(matrix.values() if isinstance(matrix, h5py.Group) else [])]:
                dict(item.attrs)
            for axis in ("obs", "var"):
                names = file[axis][file[axis].attrs["_index"]]
                dict(names.attrs)
                for start in range(0, len(names), _NAMES):
                    names[start : start + _NAMES]
    except BiomaskError:
        raise
    except (KeyError, TypeError):
        pass  # the caller will not get further either
    except Exception as error:
        raise StorageError(
            f"the file is damaged: {error}",
            code="E-STORE",
            hint="Write it again with AnnData.write_h5ad.",
        ) from error


# ------------------------------------------------------------------------ what it does: weights


def _weights(source: str, copy: str) -> None:
    size, claimed = Path(source).stat().st_size, 0

    def refuse(name, problem):
        raise StorageError(
            f"weight {name} {problem}",
            code="E-UNSAFE",
            hint="Do not trust where this file came from.",
        )

    def check(name, group):
        nonlocal claimed
        for key in group:
            inner = f"{name}/{key}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                refuse(inner, "points to another file")
            item = group[key]
            if h5py.h5o.get_info(item.id).rc != 1:
                refuse(inner, "occurs under two names")
            if isinstance(item, h5py.Group):
                check(inner, item)
            elif item.external or item.is_virtual:
                refuse(inner, "points to another file")
            else:
                claimed += item.nbytes
                if claimed > size:
                    so_far = f"{claimed} with those before"
                    refuse(inner, f"claims {item.nbytes} bytes, {so_far}, in a file of {size}")

    try:
        with h5py.File(source, "r") as file, h5py.File(copy, "w") as new:
            check("", file)
            for name in file:
                file.copy(name, new)
    except StorageError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise StorageError(
            f"the weights inside are damaged: {error}", code="E-MODEL-FILE"
        ) from error


if __name__ == "__main__":
    _main()
