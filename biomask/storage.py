"""Writing that loses nothing and reading that trusts nothing."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from biomask.errors import StorageError

MAX_BYTES = 2 << 30  # what one file may unpack to
MAX_RATIO = 200  # unpacked bytes for each packed one, beyond SMALL
SMALL = 64 << 20  # never refused: a 0/1 matrix of 9,180 x 230 packs 300 to 1
MANIFEST = "biomask.json"
_FOREIGN = "Do not trust where this file came from."
_BROKEN_ZIP = (  # what zipfile raises at a damaged file
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeDecodeError,
)


# ------------------------------------------------------------------------ writing


@contextlib.contextmanager
def atomic_write(path: str | Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Hand out a temporary path beside `path`; move it there only when the block succeeds.

    A reader sees the old file or the new one, never a mixture, and a failure leaves the old file
    as it was and no temporary behind.

    Raises
    ------
    StorageError
        The folder is missing or cannot be written, the disk is full, or `path` exists and
        `overwrite` is False.
    """
    path = Path(path)
    if not overwrite and path.exists():
        raise StorageError(
            "the file exists", code="E-EXISTS", file=path, hint="Pass overwrite=True to replace it."
        )
    temporary = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=f".tmp{path.suffix}")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    except OSError as error:
        raise StorageError(
            f"cannot write the file: {error.strerror or error}",
            code="E-WRITE",
            file=path,
            hint="The previous file, if there was one, is untouched. Check that the folder exists, "
            "may be written to and has space, and that the name is not too long.",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_zip(path: str | Path, members: Mapping[str, bytes], manifest: Mapping) -> None:
    """Write `members` and a manifest with the sha256 of each: the same input, the same bytes.

    Members are stored, not compressed: weights hardly shrink, and a model whose optimizer is still
    all zeros would look like a bomb.

    Parameters
    ----------
    path : path
        Replaced atomically.
    members : mapping of member name to content
    manifest : mapping
        JSON-able facts to carry; ``sha256`` is added.
    """
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    text = json.dumps({**manifest, "sha256": digests}, indent=1, sort_keys=True)
    with (
        atomic_write(path) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
    ):
        for name, content in [(MANIFEST, text.encode()), *members.items()]:
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)


# ------------------------------------------------------------------------ reading


def read_zip(path: str | Path) -> tuple[dict, dict[str, bytes]]:
    """Read what `write_zip` wrote, after checking every member against the manifest.

    Returns
    -------
    (manifest, members)

    Raises
    ------
    StorageError
        No such file, not a zip, truncated, a member missing, extra, altered, repeated, outside
        the folder, or too large.
    """
    members = unzip(path)
    if MANIFEST not in members:
        raise StorageError(
            f"no {MANIFEST} inside",
            code="E-MANIFEST",
            file=path,
            hint="biomask did not write this.",
        )
    try:
        manifest = json.loads(members.pop(MANIFEST))
        digests = dict(manifest.pop("sha256"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StorageError(
            f"{MANIFEST} is damaged", code="E-MANIFEST", file=path, hint="Restore it from a copy."
        ) from error
    for name in sorted(digests.keys() | members.keys()):
        found = hashlib.sha256(members[name]).hexdigest() if name in members else "of no member"
        expected = str(digests.get(name, "no such member"))
        if found != expected:
            shown = [text[:12] if len(text) == 64 else text for text in (found, expected)]
            raise StorageError(
                f"member {name!r} is not what was written: sha256 {shown[0]}, expected {shown[1]}",
                code="E-SHA256",
                file=path,
                hint="The file was damaged or altered; restore it from a copy.",
            )
    return manifest, members


def check_manifest(
    manifest: Mapping, path: str | Path, *, kind: str, schema: int, written_by: object
) -> None:
    """Refuse a file of another kind, or one of a newer layout; older ones are always read.

    Parameters
    ----------
    manifest : mapping
        From `read_zip`.
    path : path
        To name in the message.
    kind, schema
        What the caller reads, and the newest layout of it that it knows.
    written_by
        The version of biomask that wrote the file.
    """
    if manifest.get("kind") != kind:
        raise StorageError(
            f"this is a {manifest.get('kind', 'file of another kind')}, not a {kind}",
            code="E-KIND",
            file=path,
            hint="load_study reads what Study.save wrote, load_model what save_model wrote.",
        )
    found = manifest.get("schema")
    if type(found) is not int or found < 1:
        problem = f"its schema is {found!r}, which no biomask ever wrote"
        raise StorageError(problem, code="E-SCHEMA", file=path, hint="Restore it from a copy.")
    if found > schema:
        raise StorageError(
            f"the file has schema {found}, this biomask reads up to {schema}",
            code="E-SCHEMA",
            file=path,
            hint=f"It needs {f'biomask >= {written_by}' if written_by else 'a later biomask'}.",
        )


def unzip(path: str | Path) -> dict[str, bytes]:
    """All members of a zip, in memory; refuses bombs, repeated names, links, paths that leave."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            _check_members(path, infos)
            return {info.filename: _read_member(path, archive, info) for info in infos}
    except FileNotFoundError:
        hint = "Check the name; without a folder it is looked for in the working directory."
        raise StorageError("no such file", code="E-NO-FILE", file=path, hint=hint) from None
    except OSError as error:
        raise StorageError(
            f"cannot read the file: {error.strerror or error}",
            code="E-READ",
            file=path,
            hint="Check that it is a file, not a folder, and that you may read it.",
        ) from error
    except _BROKEN_ZIP as error:
        size = path.stat().st_size
        raise StorageError(
            f"the file is truncated or damaged ({size} bytes): {error}",
            code="E-TRUNCATED",
            file=path,
            hint="Download or write it again.",
        ) from error


def _check_members(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    seen = set()
    for info in infos:
        parts = info.filename.replace("\\", "/").split("/")
        link = (info.external_attr >> 16) & 0o170000 == 0o120000
        if ".." in parts or parts[0] == "" or ":" in parts[0] or link:
            raise StorageError(
                f"member {info.filename!r} points outside the file",
                code="E-UNSAFE",
                file=path,
                hint=_FOREIGN,
            )
        if info.filename in seen:
            problem = f"member {info.filename!r} occurs twice"
            raise StorageError(problem, code="E-UNSAFE", file=path, hint=_FOREIGN)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise StorageError(
                f"member {info.filename!r} is compressed in a way biomask does not read",
                code="E-COMPRESSION",
                file=path,
                hint="The file is damaged, or was repacked by another program.",
            )
        seen.add(info.filename)
    total = sum(info.file_size for info in infos)
    check_unpacked_size(total, path.stat().st_size, path)


def _read_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as member:
        content = member.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise StorageError(
            f"member {info.filename!r} is {len(content)} bytes, its header says {info.file_size}",
            code="E-UNSAFE",
            file=path,
            hint=_FOREIGN,
        )
    return content


def check_unpacked_size(unpacked: int, packed: int, path: str | Path) -> None:
    """Refuse what unpacks to more than `MAX_BYTES`, or to more than `MAX_RATIO` times its size.

    What stays below `SMALL` is harmless and always accepted.
    """
    if unpacked > MAX_BYTES or unpacked > max(SMALL, MAX_RATIO * packed):
        raise StorageError(
            f"{packed} bytes would unpack to {unpacked} or more",
            code="E-BOMB",
            file=path,
            hint=f"The limits are {MAX_BYTES >> 30} GiB and {MAX_RATIO} times the file's size. "
            "If you know and trust the file, unpack it yourself first.",
        )


# ------------------------------------------------------------------------ arrays inside JSON


def pack(array: np.ndarray) -> str:
    """A numeric array as compressed base64 text, little-endian."""
    raw = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
    return base64.b64encode(zlib.compress(raw, 6)).decode("ascii")


def unpack(text: str, dtype, length: int) -> np.ndarray:
    """The array of `length` numbers that `pack` wrote; never allocates more than that.

    Raises
    ------
    StorageError
        The text is not such an array.
    """
    dtype = np.dtype(dtype).newbyteorder("<")
    expected = dtype.itemsize * length
    try:
        inflate = zlib.decompressobj()
        raw = inflate.decompress(base64.b64decode(text, validate=True), expected + 1)
    except (ValueError, TypeError, zlib.error) as error:
        raise StorageError(f"a packed array is damaged: {error}", code="E-PACKED") from error
    if len(raw) == expected and not inflate.eof:
        raise StorageError("a packed array ends before its checksum", code="E-PACKED")
    if len(raw) != expected:
        raise StorageError(
            f"a packed array holds {len(raw)} bytes or more, expected {expected}", code="E-PACKED"
        )
    return np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))
