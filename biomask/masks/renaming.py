"""Which column of the data is which gene of the mask, and what is done to names to find out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from biomask.errors import AlignmentError, ArgumentError
from biomask.masks.alignment_report import Entry
from biomask.masks.mask import Mask
from biomask.masks.naming import strip_version, trim
from biomask.masks.transforms import rename_genes

MERGES = {"sum": np.sum, "mean": np.mean, "max": np.max}


@dataclass(frozen=True)
class NameRules:
    """How names are treated, alike for the first data and for all that come later.

    Attributes
    ----------
    rename : mapping of a name in the data to the name in the mask
    strip_versions : bool
        Whether Ensembl ids lose their version.
    on_duplicate : {"error", "sum", "mean", "max", "first"}
    """

    rename: Mapping[str, str]
    strip_versions: bool
    on_duplicate: str

    def __post_init__(self):
        accepted = ["error", "first", *MERGES]
        if self.on_duplicate not in accepted:
            raise ArgumentError(
                f"on_duplicate must be one of {accepted}, received {self.on_duplicate!r}",
                code="E-ARGUMENT",
            )

    def cleaned(self, name: str) -> tuple[str, str]:
        """(name without margins and version, why it changed)."""
        trimmed = trim(name)
        bare = strip_version(trimmed) if self.strip_versions else trimmed
        reasons = ["white space removed"] * (trimmed != name)
        return bare, ", ".join(reasons + ["Ensembl version removed"] * (bare != trimmed))


def column_names(names: np.ndarray, rules: NameRules, log: list[Entry]) -> pd.Index:
    """The names of the data's columns after the rules; each change goes to `log`."""
    result = []
    for name in names:
        new, why = rules.cleaned(name)
        wanted = rules.rename.get(name, rules.rename.get(new))
        if wanted is not None:
            new, why = str(wanted), "rename="
        if new != name:
            log.append(Entry("renamed", "data", name, new, why))
        result.append(new)
    there = {*names, *map(trim, names)}
    for name in rules.rename:
        if name not in there:
            log.append(Entry("note", "data", str(name), detail="rename= names it; not in the data"))
    nameless = int((names == "").sum())
    if nameless:
        detail = f"{nameless} columns have no name and are left out"
        log.append(Entry("note", "data", "", detail=detail))
    return pd.Index(result, dtype=object)


def mask_with_clean_names(mask: Mask, rules: NameRules, log: list[Entry]) -> Mask:
    """The mask with its genes' names after the rules; itself when none changes.

    Raises
    ------
    MaskError
        Two genes of the mask come to have the same name.
    """
    changes = {}
    for name in mask.genes:
        new, why = rules.cleaned(name)
        if new != name:
            changes[name] = new
            log.append(Entry("renamed", "mask", name, new, why))
    return rename_genes(mask, changes) if changes else mask


def positions_of(names: pd.Index, genes: pd.Index) -> dict[str, np.ndarray]:
    """Where each of `genes` stands among `names`; every one must be there."""
    places = pd.Series(np.arange(len(names))).groupby(names.to_numpy(), sort=False).indices
    return {gene: places[gene] for gene in genes}


def check_duplicates(
    names: pd.Index, genes: pd.Index, given: np.ndarray, rules: NameRules, log: list[Entry]
) -> None:
    """Refuse, or log, names that several columns carry.

    Parameters
    ----------
    names : Index
        Names of the columns after the rules.
    genes : Index
        The genes of the mask: only their repeats matter.
    given : object array
        The names as they were given, to be shown.
    """
    repeated = names[names.duplicated(keep=False)].unique()
    places = {name: np.flatnonzero(names == name) for name in repeated if name}
    used = [name for name in places if name in genes]
    texts = {
        name: ", ".join(f"{given[i]!r} at column {i + 1}" for i in at)
        for name, at in places.items()
    }
    if used and rules.on_duplicate == "error":
        raise AlignmentError(
            f"{len(used)} genes have several columns in the data "
            f"({'; '.join(texts[name] for name in used[:5])})",
            code="E-ALIGN-DUPLICATE",
            genes=used,
            hint='Choose on_duplicate="sum", "mean", "max" or "first", or rename the columns.',
        )
    for name, text in texts.items():
        if name in used:
            log.append(Entry("merged", "data", name, detail=f"{rules.on_duplicate} of {text}"))
        else:
            log.append(Entry("ignored", "data", name, detail=f"not used by the mask: {text}"))
