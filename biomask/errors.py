"""One hierarchy of errors: each says what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

SHOWN = 10  # how many names a message lists before it only counts the rest


class BiomaskWarning(UserWarning):
    """Something is unusual but not wrong; the text says what and why it matters."""


class BiomaskError(ValueError):
    """A problem with the user's input or files.

    Attributes
    ----------
    code : str
        Short stable identifier, such as ``"E-GMT-TABS"``.
    file : str or None
        The file at fault.
    line, column : int or str or None
        Where in the file, counted from 1; ``column`` may be a column's name.
    genes : list of str
        Every name concerned (the text shows the first ten).
    hint : str
        What to do about it.
    problems : list of BiomaskError
        All problems found together; ``[self]`` when there is one.
    """

    def __init__(
        self,
        problem: str,
        *,
        code: str,
        file: str | Path | None = None,
        line: int | None = None,
        column: int | str | None = None,
        genes: Iterable[object] = (),
        hint: str = "",
        problems: Sequence[BiomaskError] = (),
    ):
        self.problem = problem
        self.code = code
        self.file = None if file is None else str(file)
        self.line = line
        self.column = column
        self.genes = [str(gene) for gene in genes]
        self.hint = hint
        self.problems = list(problems) or [self]
        super().__init__(self._text())

    def _text(self) -> str:
        if self.problems != [self]:
            lines = [f"{self.problem} [{self.code}]", *(f"  {p}" for p in self.problems[:SHOWN])]
            left = len(self.problems) - SHOWN
            return "\n".join([*lines, f"  and {left} more"] if left > 0 else lines)
        where = [str(part) for part in (self.file, self.line) if part is not None]
        text = f"{':'.join(where)}: {self.problem}" if where else self.problem
        if self.column is not None:
            text += f" (column {self.column})"
        if self.genes:
            text += f": {listed(self.genes)}"
        if text[-1] not in ".!?":
            text += "."
        if self.hint:
            text += f" {self.hint}"
        return f"{text} [{self.code}]"

    def __reduce__(self):
        # Keyword-only arguments: without this the error could not cross a process boundary.
        state = {k: v for k, v in self.__dict__.items() if k != "problem"}
        if self.problems == [self]:
            state["problems"] = ()
        return (_rebuild, (type(self), self.problem, state))


def _rebuild(kind: type[BiomaskError], problem: str, state: dict) -> BiomaskError:
    return kind(problem, **state)


class ReadError(BiomaskError):
    """A file or table is not what it should be."""


class MaskError(BiomaskError):
    """Names or edges that make no mask, or a request that the mask cannot answer."""


class AlignmentError(BiomaskError):
    """The names of the data and of the mask do not fit."""


class DataError(BiomaskError):
    """Values in X or y that cannot be used."""


class ArgumentError(BiomaskError):
    """An argument outside what the function accepts."""


class ModelError(BiomaskError):
    """A model that lacks what was asked of it, or does not fit the data."""


class StorageError(BiomaskError):
    """A file could not be written, or what was read back is not what was written."""


def listed(names: Iterable[object], shown: int = SHOWN) -> str:
    """The first `shown` names, quoted, and how many more there are."""
    names = [str(name) for name in names]
    text = ", ".join(repr(name) for name in names[:shown])
    return text if len(names) <= shown else f"{text} and {len(names) - shown} more"


def raise_together(problems: Sequence[BiomaskError]) -> None:
    """Raise nothing, the one problem, or one error of the first problem's kind that lists all."""
    if not problems:
        return
    first = problems[0]
    if len(problems) == 1:
        raise first
    files = {p.file for p in problems}
    where = f"{first.file}: " if len(files) == 1 and first.file else ""
    raise type(first)(
        f"{where}{len(problems)} problems",
        code=first.code,
        file=first.file,
        line=first.line,
        column=first.column,
        genes=dict.fromkeys(gene for p in problems for gene in p.genes),
        hint=first.hint,
        problems=problems,
    )
