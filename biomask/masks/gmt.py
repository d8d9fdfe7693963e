"""GMT files: one gene set a line, ``name <tab> description <tab> gene <tab> gene ...``."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from scipy import sparse

from biomask.errors import ArgumentError, BiomaskError, BiomaskWarning, ReadError, raise_together
from biomask.masks.edges import DIRECTIONS, sign_of
from biomask.masks.mask import Mask
from biomask.masks.notes import Note
from biomask.masks.tables import cell_value
from biomask.masks.text import is_blank, numbered_lines, read_text, reading

_NOTHING = {"", "na", "n/a", "nan", "none", "null"}  # descriptions that say nothing
_LINKS = ("http://", "https://", ">")  # and how those begin that are links
WEIGHT = re.compile(r"([^\s,]+),([-+]?\d+(\.\d+)?([eE][-+]?\d+)?)")  # as Enrichr's GENE,1.0
_SEVERAL = re.compile(r"[A-Za-z][\w.-]*(\s*[,;|/\s]\s*[A-Za-z][\w.-]*)+")  # names in one field
_SEPARATORS = {",": "commas", ";": "semicolons", "|": "bars", " ": "spaces"}
_PEEK = 20  # lines looked at to see whether this is a table of numbers


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
    pathways come in order of first appearance, their names exactly as they are written. The
    weights of Enrichr (``GENE,1.0``) are left out. A GMX file, in which a column is a set, is
    recognised by its names and its row of descriptions, and read as the sets it has.

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
        (E-GMT-NAME), a repeated name (E-GMT-DUPLICATE); the file is a table (E-FORMAT), or cannot
        be read as text.

    Warns
    -----
    BiomaskWarning
        Most descriptions are genes of other sets, so the description column seems to be missing;
        or signs, as in a SIF network; columns seem to be sets; weights other than 1 are left out.
    """
    _check_choice("on_duplicate", on_duplicate, ("error", "first", "union", "rename"))
    _check_choice("on_empty", on_empty, ("error", "keep"))
    text = read_text(path, kind="GMT", encoding=encoding)
    _refuse_other_formats(text, path)
    text, notes = _with_sets_in_lines(text, path)
    genes: defaultdict[str, int] = defaultdict()
    genes.default_factory = genes.__len__  # a gene seen for the first time gets the next position
    parser = _Parser(path, genes, keep_empty=on_empty == "keep")
    for number, line in numbered_lines(text, "set"):
        parser.line(number, line)
    raise_together(parser.problems)
    parser.warn_of_fields()
    if not parser.sets:
        raise ReadError(
            "no gene set in the file", code="E-EMPTY", file=path, hint="Download or write it again."
        )
    names = np.array(list(genes), dtype=object)
    _warn_of_signs(parser.sets, path)
    sets, repeats = _without_repeats(parser.sets, on_duplicate, path, names)
    _warn_without_descriptions(sets, genes, path)
    with reading(path):
        return _to_mask(sets, names, [*notes, *parser.all_notes(), *repeats])


def _check_choice(argument: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ArgumentError(
            f"{argument} must be one of {', '.join(map(repr, choices))}, received {value!r}",
            code="E-ARGUMENT",
        )


# ------------------------------------------------------------------------ what looks like GMT


def _refuse_other_formats(text: str, path: str | Path) -> None:
    """Refuse what is no GMT file, and say what it is."""
    rows = [line.split("\t") for line in islice(_lines(text), _PEEK)]
    if not rows:
        return
    names = {cell.strip().casefold() for cell in rows[0]}
    numbers = [[cell_value(cell) for cell in row[1:]] for row in rows]
    cells = [number for row in numbers[1:] for number in row]
    code, kind, hint = "E-FORMAT", "", "GMT is name, description, genes, with tabs between."
    if "\t" not in text:
        code, kind = "E-GMT-TABS", "a list of genes (GRP)"
        hint = "bm.Mask.from_sets({'name': genes}) makes a set of them."
        for mark, marks in _SEPARATORS.items():
            if 2 * sum(mark in row[0] for row in rows) > len(rows):
                kind, hint = f"text with {marks} and no tabs", f"Put tabs for the {marks}."
                break
    elif any(names.issuperset(pair) for pair in DIRECTIONS):
        kind, hint = "a table of connections", "bm.read_edges reads it."
    elif cells and None not in cells and {*numbers[0]} == {None} and len({*map(len, rows)}) == 1:
        kind, hint = "a table of numbers", "bm.read_matrix reads it."
    if kind:
        raise ReadError(f"this is {kind}, not GMT", code=code, file=path, line=1, hint=hint)


def _lines(text: str) -> Iterator[str]:
    return (line for line in text.split("\n") if not is_blank(line))


def _with_sets_in_lines(text: str, path: str | Path) -> tuple[str, list[Note]]:
    """The text of a GMX file (a column is a set, its name and description on top) as GMT."""
    named = Path(path).name.casefold().removesuffix(".gz").endswith(".gmx")
    widths = (line.rstrip("\t").count("\t") for line in _lines(text))
    first = next(widths, None)
    if first is None or any(width > first for width in widths):
        return text, []
    rows = [line.split("\t") for line in _lines(text)]
    columns = [list(map(str.strip, column)) for column in zip_longest(*rows, fillvalue="")]
    described = len(rows) > 2 and all(
        _says_nothing(cell) or (named and cell == name)
        for name, cell in zip_longest(rows[0], rows[1], fillvalue="")
    )
    if not (described or _columns_are_sets(columns, named)):
        return text, []
    if not (described or named):
        warnings.warn(
            f"{path}: the columns look like sets (GMX), and are read as such: the first cells of "
            "the lines are genes in other columns, those of the first line are not. If a line is a "
            "set, write na in its second field.",
            BiomaskWarning,
            stacklevel=3,
        )
    genes = [gene for column in columns for gene in column[2:]]
    second = [column[1] for column in columns if column[1]]
    described = described or 4 * sum(map({*genes}.__contains__, second)) < len(second)
    sets = [[c[0], c[1] if described else "", *filter(None, c[1 + described :])] for c in columns]
    sets = ["\t".join(one) if any(one) else "" for one in sets]
    below = "the row below the names has descriptions" if described else "no row of descriptions"
    return "\n".join(sets), [
        Note("read columns as sets", "file", f"GMX, {below}; lines are columns")
    ]


def _says_nothing(description: str) -> bool:
    return description.strip().casefold() in _NOTHING or description.startswith(_LINKS)


def _columns_are_sets(columns: Sequence[Sequence[str]], named: bool) -> bool:
    """Whether genes stand below the first cell of the columns, not behind that of the lines.

    Genes are in several sets, and the names of sets are no genes. Where no gene is in two sets the
    name of the file decides.
    """
    below = [set(filter(None, column[1:])) for column in columns]
    top = {column[0] for column in columns}
    others = set().union(*below[1:])
    if top & (below[0] | others) or columns[0] == columns[1]:
        return False
    filled = [cell for cell in columns[1][1:] if cell]
    if filled and all(map(_says_nothing, filled)):
        return False  # a column of descriptions
    shared = len(below[0] & others), len(below[1] & set().union(below[0], *below[2:]))
    if named:
        return True
    return shared[0] >= max(3, len(below[0]) / 4) and (not filled or shared[1] >= len(below[1]) / 4)


# ------------------------------------------------------------------------ lines


class _Parser:
    """Turns lines into sets, and keeps account of what was odd."""

    def __init__(self, path: str | Path, genes: defaultdict[str, int], *, keep_empty: bool):
        self.path, self.genes, self.keep_empty = path, genes, keep_empty
        self.sets: list[_Set] = []
        self.notes: list[Note] = []
        self.problems: list[BiomaskError] = []
        self.blank: list[int] = []  # line numbers
        self.padded: list[int] = []
        self.weighted: list[int] = []
        self.weights: set[float] = set()

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
        if "," in line:
            genes = self._without_weights(genes, number)
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

    def _without_weights(self, genes: list[str], number: int) -> list[str]:
        found = [WEIGHT.fullmatch(gene) for gene in genes]
        if not all(found):  # a whole number may belong to the name of a metabolite
            found = [match if match and match[3] else None for match in found]
        if any(found):
            self.weighted.append(number)
            self.weights |= {float(match[2]) for match in found if match}
        return [m[1] if m else gene for m, gene in zip(found, genes, strict=True)]

    def warn_of_fields(self) -> None:
        """Warn of sets with all their genes in one field, and of weights other than 1."""
        names = list(self.genes)
        single = [names[one.members[0]] for one in self.sets if len(one.members) == 1]
        several = [name for name in single if _SEVERAL.fullmatch(name)]
        if 2 * len(several) > len(self.sets):
            warnings.warn(
                f"{self.path}: {len(several)} of {len(self.sets)} sets seem to have all their "
                f"genes in one field, such as {several[0][:40]!r}; put tabs between the genes.",
                BiomaskWarning,
                stacklevel=3,
            )
        if self.weights - {1.0}:
            warnings.warn(
                f"{self.path}: the weights of genes, {self._span()}, are left out: a gene is in a "
                "set or not. bm.read_edges reads a table with a column weight.",
                BiomaskWarning,
                stacklevel=3,
            )

    def _span(self) -> str:
        low, high = min(self.weights), max(self.weights)
        return f"all {low:g}" if low == high else f"{low:g} to {high:g}"

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
            *(
                note._replace(detail=f"{note.detail}, {self._span()}")
                for note in _count_note("dropped weights", self.weighted)
            ),
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


def _warn_of_signs(sets: list[_Set], path: str | Path) -> None:
    """Warn of a network in SIF, ``MYC <tab> inhibits <tab> TP53``."""
    signs = [d for d in (one.description for one in sets) if len(d) > 1 and sign_of(d)]
    if 2 * len(signs) > len(sets):
        warnings.warn(
            f"{path}: the second field of {len(signs)} of {len(sets)} lines is a sign, such as "
            f"{signs[0]!r}, which a set of genes does not keep. bm.read_edges reads a table with "
            "the columns source, sign and target.",
            BiomaskWarning,
            stacklevel=3,
        )


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
