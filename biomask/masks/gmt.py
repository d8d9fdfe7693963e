"""GMT files: one gene set a line, ``name <tab> description <tab> gene <tab> gene ...``."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from scipy import sparse

from biomask.errors import ArgumentError, BiomaskError, BiomaskWarning, ReadError, raise_together
from biomask.masks.mask import Mask
from biomask.masks.notes import Note
from biomask.masks.text import is_blank, numbered_lines, read_text, reading


class _Set(NamedTuple):
    name: str
    description: str
    members: np.ndarray  # sorted positions in the list of genes
    line: int


def read_gmt(
    path: str | Path,
    *,
    on_duplicate: Literal["error", "first", "union", "rename"] = "error",
    on_empty: Literal["error", "keep"] = "error",
    encoding: str = "utf-8",
) -> Mask:
    """Read gene sets from a GMT file, plain or gzip, told by content.

    Only tabs separate: names and genes may contain spaces. The second field is always the
    description, be it blank, "na" or a URL, and is kept in `Mask.descriptions`. Genes and
    pathways come in order of first appearance, their names exactly as they are written.

    Parameters
    ----------
    path : path
        The file.
    on_duplicate : {"error", "first", "union", "rename"}
        What to do when one name has two different gene sets: refuse, keep the first, keep the
        genes of all, or call the later ones ``"name (2)"``. A repeat with the same genes is kept
        once in any case.
    on_empty : {"error", "keep"}
        What to do with a set without genes.
    encoding : str
        How the text is encoded. Nothing is guessed.

    Returns
    -------
    Mask
        `Mask.report` lists what was skipped, merged, renamed or kept once, with its line.

    Raises
    ------
    ReadError
        With all problems of the file: no tabs (E-GMT-TABS), no genes (E-GMT-EMPTY), no name
        (E-GMT-NAME), a repeated name (E-GMT-DUPLICATE); or the file cannot be read as text.

    Warns
    -----
    BiomaskWarning
        Most descriptions are genes of other sets, so the description column seems to be missing.
    """
    _check_choice("on_duplicate", on_duplicate, ("error", "first", "union", "rename"))
    _check_choice("on_empty", on_empty, ("error", "keep"))
    text = read_text(path, kind="GMT", encoding=encoding)
    genes: defaultdict[str, int] = defaultdict()
    genes.default_factory = genes.__len__  # a gene seen for the first time gets the next position
    parser = _Parser(path, genes, keep_empty=on_empty == "keep")
    for number, line in numbered_lines(text, "set"):
        parser.line(number, line)
    raise_together(parser.problems)
    if not parser.sets:
        raise ReadError(
            "no gene set in the file", code="E-EMPTY", file=path, hint="Download or write it again."
        )
    names = np.array(list(genes), dtype=object)
    sets, notes = _without_repeats(parser.sets, on_duplicate, path, names)
    _warn_without_descriptions(sets, genes, path)
    with reading(path):
        return _to_mask(sets, names, [*parser.all_notes(), *notes])


def _check_choice(argument: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ArgumentError(
            f"{argument} must be one of {', '.join(map(repr, choices))}, received {value!r}",
            code="E-ARGUMENT",
        )


class _Parser:
    """Turns lines into sets, and keeps account of what was odd."""

    def __init__(self, path: str | Path, genes: defaultdict[str, int], *, keep_empty: bool):
        self.path, self.genes, self.keep_empty = path, genes, keep_empty
        self.sets: list[_Set] = []
        self.notes: list[Note] = []
        self.problems: list[BiomaskError] = []
        self.blank: list[int] = []  # line numbers
        self.padded: list[int] = []

    def line(self, number: int, line: str) -> None:
        if is_blank(line):
            self.blank.append(number)
            return
        if "\t" not in line:
            self._refuse(
                "E-GMT-TABS",
                f"no tab in the line, which starts with {line[:40]!r}",
                number,
                "GMT is name, description, genes; save the file as tab-separated text.",
            )
            return
        name, description, *genes = line.split("\t")
        if is_blank(name):
            self._refuse("E-GMT-NAME", "a gene set without a name", number, "Name it.")
            return
        genes = self._without_blanks(name, genes, number)
        if not genes and not self._accept_empty(name, number):
            return
        members = self._members(name, genes, number)
        self.sets.append(_Set(name, description, members, number))

    def _refuse(self, code: str, problem: str, number: int, hint: str) -> None:
        self.problems.append(ReadError(problem, code=code, file=self.path, line=number, hint=hint))

    def _without_blanks(self, name: str, genes: list[str], number: int) -> list[str]:
        if all(map(str.strip, genes)):
            return genes
        while genes and is_blank(genes[-1]):
            genes.pop()
            if not self.padded or self.padded[-1] != number:
                self.padded.append(number)
        kept = [gene for gene in genes if not is_blank(gene)]
        if len(kept) < len(genes):
            count = f"{len(genes) - len(kept)} between the genes"
            self.notes.append(Note("skipped empty field", name, count, number))
        return kept

    def _accept_empty(self, name: str, number: int) -> bool:
        if self.keep_empty:
            self.notes.append(Note("kept empty set", name, "no genes", number))
        else:
            self._refuse(
                "E-GMT-EMPTY",
                f"gene set {name!r} has no genes (fewer than three fields)",
                number,
                'Pass on_empty="keep" to keep it as an empty pathway.',
            )
        return self.keep_empty

    def _members(self, name: str, genes: list[str], number: int) -> np.ndarray:
        codes = np.fromiter(map(self.genes.__getitem__, genes), np.int32, len(genes))
        members = np.sort(codes)
        again = members[1:] == members[:-1]
        if again.any():
            repeated = set(members[1:][again].tolist())
            members = np.unique(members)
            self.notes += [
                Note("kept once", gene, f"listed {genes.count(gene)} times in {name!r}", number)
                for gene in dict.fromkeys(genes)
                if self.genes[gene] in repeated
            ]
        return members

    def all_notes(self) -> list[Note]:
        """The notes on single sets, and one on each thing that concerns many lines."""
        return [
            *_count_note("skipped empty lines", self.blank),
            *_count_note("ignored trailing tabs", self.padded),
            *self.notes,
        ]


def _count_note(action: str, lines: list[int]) -> list[Note]:
    return [Note(action, "file", f"{len(lines)} lines", lines[0])] if lines else []


def _without_repeats(
    sets: list[_Set], on_duplicate: str, path: str | Path, genes: np.ndarray
) -> tuple[list[_Set], list[Note]]:
    kept: dict[str, _Set] = {}
    resolve = _Repeats(on_duplicate, path, genes, taken={one.name for one in sets})
    for one in sets:
        first = kept.get(one.name)
        if first is None:
            kept[one.name] = one
            continue
        for result in resolve(first, one):
            kept[result.name] = result
    raise_together(resolve.problems)
    return list(kept.values()), resolve.notes


class _Repeats:
    """What becomes of a set whose name was there before."""

    def __init__(self, on_duplicate: str, path: str | Path, genes: np.ndarray, taken: set[str]):
        self.path, self.genes, self.taken = path, genes, taken
        self.seen: defaultdict[str, list[_Set]] = defaultdict(list)
        self.notes: list[Note] = []
        self.problems: list[BiomaskError] = []
        self.way: Callable[[_Set, _Set], list[_Set]] = getattr(self, f"_{on_duplicate}")

    def __call__(self, first: _Set, again: _Set) -> list[_Set]:
        for earlier in [first, *self.seen[again.name]]:
            if np.array_equal(earlier.members, again.members):
                self._note("kept once", earlier, again, "has the same genes")
                return []
        self.seen[again.name].append(again)
        return self.way(first, again)

    def _note(self, action: str, first: _Set, again: _Set, detail: str) -> None:
        text = f"line {first.line} {detail}"
        if again.description != first.description:
            text += f"; the description {again.description!r} of line {again.line} was left out"
        self.notes.append(Note(action, again.name, text, again.line))

    def _error(self, first: _Set, again: _Set) -> list[_Set]:
        self.problems.append(
            ReadError(
                f"gene set {again.name!r} is on line {first.line} too, with other genes",
                code="E-GMT-DUPLICATE",
                file=self.path,
                line=again.line,
                genes=self.genes[np.setxor1d(first.members, again.members)],
                hint='Correct the file, or pass on_duplicate="first", "union" or "rename".',
            )
        )
        return []

    def _first(self, first: _Set, again: _Set) -> list[_Set]:
        lost = len(np.setdiff1d(again.members, first.members))
        self._note("dropped repeated set", first, again, f"was kept; {lost} genes only here")
        return []

    def _union(self, first: _Set, again: _Set) -> list[_Set]:
        self._note("merged sets", first, again, "has this name and other genes")
        return [first._replace(members=np.union1d(first.members, again.members))]

    def _rename(self, first: _Set, again: _Set) -> list[_Set]:
        number = 2
        while (name := f"{again.name} ({number})") in self.taken:
            number += 1
        self.taken.add(name)
        self.notes.append(
            Note("renamed set", again.name, f"to {name!r}; line {first.line} has it", again.line)
        )
        return [again._replace(name=name)]


def _warn_without_descriptions(sets: list[_Set], genes: dict[str, int], path: str | Path) -> None:
    suspects = [one.description for one in sets if one.description in genes]
    if len(suspects) >= 3 and 2 * len(suspects) > len(sets):
        warnings.warn(
            f"{path}: the descriptions of {len(suspects)} of {len(sets)} sets, such as "
            f"{suspects[0]!r}, are genes of other sets. GMT's second field is a description and "
            "never a gene; if this file has none, insert an empty second column.",
            BiomaskWarning,
            stacklevel=3,
        )


def _to_mask(sets: list[_Set], genes: np.ndarray, notes: list[Note]) -> Mask:
    members = np.concatenate([one.members for one in sets])
    counts = np.bincount(members, minlength=len(genes))
    used = np.flatnonzero(counts)  # a repeat that was left out may have brought genes
    rows = (np.cumsum(counts > 0) - 1)[members]
    starts = np.concatenate([[0], np.cumsum([len(one.members) for one in sets])])
    matrix = sparse.csc_array(
        (np.ones(len(rows), np.float32), rows, starts), shape=(len(used), len(sets))
    )
    return Mask(
        matrix,
        genes[used],
        [one.name for one in sets],
        descriptions={one.name: one.description for one in sets},
        notes=notes,
    )
