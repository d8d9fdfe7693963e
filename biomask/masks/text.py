"""Bytes and text from files that nobody vouches for: bounded, unpacked, decoded, or refused."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from biomask.errors import (
    ArgumentError,
    BiomaskError,
    MaskError,
    ReadError,
    StorageError,
    raise_together,
)
from biomask.storage import check_unpacked_size

GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"
NUMPY = b"\x93NUMPY"
HDF5 = b"\x89HDF\r\n\x1a\n"
_NOT_TEXT = {
    GZIP: "a gzip file inside a gzip file",
    ZIP: "a zip archive (.npz, .xlsx, ...)",
    b"PK\x05\x06": "an empty zip archive",
    NUMPY: "a NumPy array (.npy)",
    HDF5: "an HDF5 file (.h5ad, ...)",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"%PDF-": "a PDF",
}
HTML = "an HTML page"
_PAGES = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml")
_STRUCTURES = {
    re.compile(rb"[\[{]\s*[\[{\"]"): "JSON",
    re.compile(rb"<\?xml[^>]*>\s*<(?!!doctype html|html)"): "an XML file",
}
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark begins the same way
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BIG = 20_000_000  # characters from which on a progress bar is worth having


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn what the mask or the storage has against a file into a ReadError that names the file."""
    try:
        yield
    except (MaskError, StorageError) as error:
        raise ReadError(
            error.problem,
            code=error.code,
            file=path,
            line=error.line,
            column=error.column,
            genes=error.genes,
            hint=error.hint,
        ) from error
    except OSError as error:
        raise ReadError(
            f"cannot read the file: {error.strerror or error}",
            code="E-NO-FILE" if isinstance(error, FileNotFoundError) else "E-READ",
            file=path,
            hint="Check the path and the permissions.",
        ) from error


def is_blank(name: str) -> bool:
    """Whether a name is empty or white space only, which readers and writers treat as none."""
    return not name.strip()


def read_bytes(path: str | Path) -> bytes:
    """The content of a file, unpacked when it is gzip, whatever the file is called.

    Raises
    ------
    ReadError
        No such file, empty, truncated, or it would unpack to more than `biomask.storage` allows.
    """
    path = Path(path)
    with reading(path):
        size = path.stat().st_size
        if path.is_dir():
            raise ReadError(
                "this is a folder, not a file",
                code="E-READ",
                file=path,
                hint="Pass the path of a file in it.",
            )
        check_unpacked_size(size, size, path)
        raw = path.read_bytes()
        if raw.startswith(GZIP):
            raw = _gunzip(raw, path)
    if not raw:
        raise ReadError(
            "the file is empty", code="E-EMPTY", file=path, hint="Download or write it again."
        )
    return raw


def _gunzip(packed: bytes, path: Path) -> bytes:
    # Twice: the first time only counts, so that a bomb is refused before anything is allocated.
    total = 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            while chunk := stream.read(1 << 20):
                total += len(chunk)
                check_unpacked_size(total, len(packed), path)
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            return stream.read(total)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ReadError(
            f"the gzip file is truncated or damaged: its {len(packed)} bytes unpack to {total} "
            f"bytes and then fail ({error})",
            code="E-TRUNCATED",
            file=path,
            hint="Download or write it again.",
        ) from error


def read_text(path: str | Path, *, kind: str, encoding: str = "utf-8") -> str:
    r"""The text of a file, without byte-order mark, with ``\n`` as the only line ending.

    Parameters
    ----------
    path : path
        Plain or gzip, told by content.
    kind : str
        What the file should be, for the messages: "GMT", "a table".
    encoding : str
        Any Python codec. Nothing is guessed.

    Raises
    ------
    ReadError
        What `read_bytes` raises; another kind of file, such as an HTML page; bytes that are not
        `encoding`, with line and byte.
    ArgumentError
        No codec has this name.
    """
    return decode(read_bytes(path), path, kind=kind, encoding=encoding)


def decode(raw: bytes, path: str | Path, *, kind: str, encoding: str) -> str:
    """What `read_text` does with the bytes once it has them."""
    what = foreign(raw)
    if what == HTML:
        raise ReadError(
            f"the file looks like HTML, not {kind}: it starts with {raw.lstrip()[:40]!r}",
            code="E-HTML",
            file=path,
            hint="The download was probably an error or login page; open the file and see.",
        )
    if what:
        raise ReadError(
            f"this is {what}, not {kind}",
            code="E-FORMAT",
            file=path,
            hint="Unpack it, or pass it to the function that reads such files.",
        )
    codec = _codec(encoding)
    _check_mark(raw, path, codec)
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError as error:
        raise_together(_undecodable(raw, path, codec, error))
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        raise ReadError(
            f"a NUL character: the file is binary or UTF-16, not {kind} in {codec}",
            code="E-ENCODING",
            file=path,
            line=text.count("\n", 0, text.index("\0")) + 1,
            hint='Pass encoding="utf-16-le" (or "utf-16-be") if it is UTF-16.',
        )
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def foreign(raw: bytes) -> str:
    """What a file that begins with these bytes is instead of text; "" if it may be text."""
    for magic, what in _NOT_TEXT.items():
        if raw.startswith(magic):
            return what
    start = raw[:200].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for pattern, what in _STRUCTURES.items():
        if pattern.match(start):
            return what
    return HTML if start.startswith(_PAGES) else ""


def _codec(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except (LookupError, TypeError) as error:
        raise ArgumentError(
            f"encoding={encoding!r} is not an encoding that Python knows",
            code="E-ARGUMENT",
            hint='Such as "utf-8", "latin-1" or "utf-16".',
        ) from error


def _check_mark(raw: bytes, path: str | Path, codec: str) -> None:
    for mark, found in _MARKS.items():
        if raw.startswith(mark):
            if not codec.startswith(found):
                raise ReadError(
                    f"the file begins with the mark of {found.upper()}, so it is not {codec}",
                    code="E-ENCODING",
                    file=path,
                    line=1,
                    column=1,
                    hint=f'Pass encoding="{found}", or save the file as UTF-8.',
                )
            return


def _undecodable(
    raw: bytes, path: str | Path, codec: str, first: UnicodeDecodeError
) -> list[BiomaskError]:
    """A problem for every line that is not `codec`; only the first where bytes are not lines."""
    if codec.startswith(("utf-16", "utf-32")):
        line = raw[: first.start].decode(codec, "replace").count("\n") + 1
        return [_bad_byte(raw, path, codec, line, first.start)]
    problems = []
    lines = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            line.decode(codec)
        except UnicodeDecodeError as error:
            problems.append(_bad_byte(line, path, codec, number, error.start))
    return problems or [_bad_byte(raw, path, codec, 1, first.start)]


def _bad_byte(raw: bytes, path: str | Path, codec: str, line: int, start: int) -> BiomaskError:
    return ReadError(
        f"byte {start + 1} of the line, 0x{raw[start]:02x}, is not {codec} "
        f"({path}:{line}:{start + 1})",
        code="E-ENCODING",
        file=path,
        line=line,
        column=start + 1,
        hint='Save the file as UTF-8, or pass its encoding=, such as encoding="latin-1".',
    )


def numbered_lines(text: str, unit: str) -> Iterator[tuple[int, str]]:
    """(line number from 1, line) of a text, with a progress bar when that takes seconds."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if len(text) < _BIG:
        return enumerate(lines, start=1)
    from tqdm.auto import tqdm  # imports ipywidgets, which only a long wait is worth

    return enumerate(tqdm(lines, desc="reading", unit=unit, delay=2, leave=False), start=1)
