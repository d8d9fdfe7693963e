"""Masks -> files that `read_gmt` and `read_edges` read back to the same sets."""

from __future__ import annotations

import csv
import gzip
import io
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from biomask.errors import BiomaskError, BiomaskWarning, MaskError, raise_together
from biomask.masks.gmt import WEIGHT
from biomask.masks.mask import Mask
from biomask.masks.text import foreign, is_blank
from biomask.storage import atomic_write

_REFUSED = {"\t": "a tab", "\n": "a newline", "\r": "a carriage return", "\0": "a NUL character"}


def write_gmt(mask: Mask, path: str | Path, *, overwrite: bool = True) -> None:
    """Write the gene sets of `mask` as GMT, UTF-8, one pathway a line with its description.

    A pathway without genes is written without genes (`read_gmt` needs ``on_empty="keep"`` for
    it). Genes in no pathway have no place in a GMT file; a warning counts them.

    Parameters
    ----------
    mask : Mask
        Without weights.
    path : path
        Replaced atomically. gzip when it ends in ``.gz``; the same mask gives the same bytes.
    overwrite : bool
        False refuses to replace an existing file.

    Raises
    ------
    MaskError
        The mask has weights (E-WRITE-WEIGHTS), or a name or description cannot be read back: it
        holds a tab, newline, carriage return, NUL or lone surrogate, begins with a byte-order
        mark, would make the file look like a web page or an archive, a name is white space only,
        or a gene ends in a comma and a number, like a weight (E-WRITE-NAME).
    StorageError
        The file cannot be written.
    """
    if mask.weighted:
        raise MaskError(
            "the mask has weights, and GMT has no place for them",
            code="E-WRITE-WEIGHTS",
            hint="Use write_edges.",
        )
    descriptions = mask.descriptions
    _check_names(mask, descriptions, gmt=True)
    unused = int((mask.degrees() == 0).sum())
    if unused:
        _warn_lost(f"{unused} genes in no pathway", "GMT")
    lines = (
        "\t".join([name, description, *members]) + "\n"
        for description, (name, members) in zip(descriptions, mask.to_sets().items(), strict=True)
    )
    _write_text("".join(lines), path, overwrite)


def write_edges(mask: Mask, path: str | Path, *, overwrite: bool = True) -> None:
    """Write one row an edge: ``gene``, ``pathway``, and ``weight`` where the mask has weights.

    Rows are sorted by pathway, then gene, in the order of the mask. Genes and pathways without an
    edge have no place in such a table; a warning counts them.

    Parameters
    ----------
    mask : Mask
        Any; weights are written with all the digits of a float32.
    path : path
        Replaced atomically. Commas when it ends in ``.csv`` or ``.csv.gz``, else tabs; gzip when
        it ends in ``.gz``; the same mask gives the same bytes.
    overwrite : bool
        False refuses to replace an existing file.

    Raises
    ------
    MaskError
        A name cannot be read back, as in `write_gmt` (E-WRITE-NAME).
    StorageError
        The file cannot be written.
    """
    _check_names(mask, [])
    unused, empty = int((mask.degrees() == 0).sum()), int((mask.sizes() == 0).sum())
    if unused or empty:
        _warn_lost(f"{unused} genes and {empty} pathways without an edge", "an edge list")
    comma = ".csv" in [suffix.lower() for suffix in Path(path).suffixes[-2:]]
    edges = mask.to_edges()
    columns = [edges["gene"], edges["pathway"]]
    if mask.weighted:
        columns.append([str(weight) for weight in edges["weight"].to_numpy(np.float32)])
    out = io.StringIO()
    writer = csv.writer(out, delimiter="," if comma else "\t", lineterminator="\n")
    writer.writerow(["gene", "pathway", "weight"][: len(columns)])
    writer.writerows(zip(*columns, strict=True))
    _write_text(out.getvalue(), path, overwrite)


def _check_names(mask: Mask, descriptions: Iterable[str], *, gmt: bool = False) -> None:
    problems: list[BiomaskError] = []
    for kind, names in [
        ("gene", mask.genes),
        ("pathway", mask.pathways),
        ("description", descriptions),
    ]:
        for name in names:
            why = _unreadable(name, blank_allowed=kind == "description")
            if gmt and kind == "gene" and WEIGHT.fullmatch(name):
                why = "ends like a weight"
            if why:
                problems.append(
                    MaskError(
                        f"the {kind} {name!r} {why}, which could not be read back",
                        code="E-WRITE-NAME",
                        genes=[name] if kind == "gene" else (),
                        hint="Rename it first.",
                    )
                )
    raise_together(problems)


def _unreadable(name: str, *, blank_allowed: bool) -> str:
    """Why the readers would not give this name back; "" if they do."""
    for character, what in _REFUSED.items():
        if character in name:
            return f"holds {what}"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "holds half a surrogate pair"
    if name.startswith("\ufeff"):
        return "begins with a byte-order mark"
    return "is white space only" if is_blank(name) and not blank_allowed else ""


def _warn_lost(what: str, where: str) -> None:
    warnings.warn(
        f"{what} are not in the file: {where} has no place for them.", BiomaskWarning, stacklevel=3
    )


def _write_text(text: str, path: str | Path, overwrite: bool) -> None:
    content = text.encode()
    if what := foreign(content):
        raise MaskError(
            f"the file would begin with {text[:20]!r} and be taken for {what}",
            code="E-WRITE-NAME",
            hint="Rename the first pathway.",
        )
    if str(path).lower().endswith(".gz"):
        packed = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as stream:
            stream.write(content)
        content = packed.getvalue()
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)
