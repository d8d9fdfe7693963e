"""From gene sets and relations to one mask a level: the rules that `Hierarchy` states."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.errors import ArgumentError, BiomaskWarning, MaskError
from biomask.masks import ancestry
from biomask.masks.ancestry import Parents
from biomask.masks.checks import name_list
from biomask.masks.mask import Mask
from biomask.masks.notes import Note

OWN = " (own genes)"  # ends the name of the unit by which an inner pathway's own genes enter
RESIDUAL = "(residual)"


class Limits(NamedTuple):
    """Which pathways may stay: of at least so many genes, and at most so deep."""

    min_genes: int = 1
    max_depth: int | None = None

    def check(self) -> None:
        """Refuse limits that are no numbers from 1."""
        for name, value in self._asdict().items():
            if value is None and name == "max_depth":
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ArgumentError(
                    f"{name} must be a whole number from 1, received {value!r}", code="E-ARGUMENT"
                )


def build_levels(
    sets: Mask,
    pairs: Iterable[tuple[str, str]],
    limits: Limits,
    *,
    genes: Iterable[str] | None = None,
    residual: bool = False,
) -> tuple[list[Mask], list[Note]]:
    """The masks of a hierarchy, and a note for every rule that was applied.

    Parameters
    ----------
    sets : Mask
        Gene sets of all pathways, unweighted.
    pairs : iterable of (child, parent)
    limits : Limits
    genes, residual
        As in `Hierarchy.from_sets`.
    """
    limits.check()
    _check_sets(sets)
    parents, notes = ancestry.parents_of(pairs)
    parents, more = ancestry.without_unknown(parents, set(sets.pathways))
    notes += more
    parents = {name: parents.get(name, []) for name in sets.pathways}
    members, more = _with_children(sets, parents)
    notes += more
    parents, more = _within(limits, parents, members)
    notes += more
    every = dict.fromkeys([*sets.genes, *name_list([] if genes is None else genes, "genes")])
    universe = pd.Index(list(every), dtype=object)
    entries, more = _entry_units(parents, members, limits.min_genes, universe)
    notes += more
    parents |= {name: [name.removesuffix(OWN)] for name in entries if name not in parents}
    more = _unused(entries, universe)
    if residual and more:
        taken = [note.subject for note in more]
        entries[RESIDUAL] = set(universe.get_indexer(taken).tolist())
        parents[RESIDUAL] = []
        more = [Note("residual", RESIDUAL, f"{len(taken)} genes in no kept pathway")]
    notes += more
    return _masks(entries, parents, universe, sets.descriptions), notes


# ------------------------------------------------------------------------ which genes and units


def _check_sets(sets: Mask) -> None:
    if not isinstance(sets, Mask):
        raise ArgumentError(
            f"the gene sets must be a Mask, received {type(sets).__name__}",
            code="E-ARGUMENT",
            hint="bm.read_gmt or bm.Mask.from_sets makes one.",
        )
    if sets.weighted:
        raise MaskError(
            "the gene sets have weights, which a hierarchy has no use for: the genes of a "
            "pathway reach it through others",
            code="E-HIERARCHY-WEIGHTS",
            hint="Read them with weighted=False.",
        )
    taken = [name for name in sets.pathways if name.endswith(OWN) or name == RESIDUAL]
    if taken:
        raise MaskError(
            f"a name that ends in {OWN!r} or is {RESIDUAL!r} is kept for what a hierarchy adds",
            code="E-HIERARCHY-NAME",
            genes=taken,
            hint="Rename these gene sets.",
        )


def _with_children(sets: Mask, parents: Parents) -> tuple[dict[str, set[int]], list[Note]]:
    """Positions of the genes of every pathway, those of its descendants among them."""
    place = {name: j for j, name in enumerate(sets.pathways)}
    pairs = [
        (place[name], place[ancestor])
        for name, above in ancestry.ancestors_of(parents).items()
        for ancestor in above
    ]
    rows, cols = np.array(pairs).T
    upward = sparse.csc_array(
        (np.ones(len(pairs), np.float32), (rows, cols)), shape=(len(place), len(place))
    )
    full = sparse.csc_array(sets.to_scipy() @ upward)
    pieces = np.split(full.indices, full.indptr[1:-1])
    members = {name: set(piece.tolist()) for name, piece in zip(place, pieces, strict=True)}
    notes = [
        Note("added genes", name, f"{len(members[name]) - size} genes that only its children had")
        for name, size in sets.sizes().items()
        if len(members[name]) > size
    ]
    return members, notes


def _within(
    limits: Limits, parents: Parents, members: Mapping[str, set[int]]
) -> tuple[Parents, list[Note]]:
    """The pathways that are large enough and not too deep.

    A child has no more genes than its parents and is deeper than they are, so whatever hung on a
    pathway that goes has gone too.
    """
    notes = []
    large = {name for name in parents if len(members[name]) >= limits.min_genes}
    for name in parents:
        if name not in large:
            detail = f"{len(members[name])} genes, fewer than min_genes={limits.min_genes}"
            notes.append(Note("dropped pathway", name, detail))
    if not large:
        largest = max(len(members[name]) for name in parents)
        raise MaskError(
            f"no pathway has {limits.min_genes} genes or more; the largest has {largest}",
            code="E-MASK-EMPTY",
            hint="Lower min_genes.",
        )
    parents = ancestry.restricted(parents, large)
    if limits.max_depth is None:
        return parents, notes
    depths = ancestry.depths_of(parents)
    for name, above in parents.items():
        if depths[name] > limits.max_depth:
            detail = (
                f"depth {depths[name]}, below max_depth={limits.max_depth}; its genes are in "
                f"those of {'; '.join(above)}"
            )
            notes.append(Note("dropped pathway", name, detail))
    shallow = {name for name in parents if depths[name] <= limits.max_depth}
    return ancestry.restricted(parents, shallow), notes


def _entry_units(
    parents: Parents, members: Mapping[str, set[int]], min_genes: int, genes: pd.Index
) -> tuple[dict[str, set[int]], list[Note]]:
    """Genes of every unit fed by genes: leaves, then the own genes of inner pathways by level."""
    children = ancestry.children_of(parents)
    depths = ancestry.depths_of(parents)
    leaves = {name: members[name] for name in parents if not children[name]}
    reached, own, notes = dict(leaves), {}, []
    inner = [name for name in parents if children[name]]
    for name in sorted(inner, key=depths.get, reverse=True):
        covered = set().union(*(reached[child] for child in children[name]))
        rest = members[name] - covered
        reached[name] = covered
        if len(rest) >= min_genes:
            own[name + OWN] = rest
            reached[name] = members[name]
            detail = f"{len(rest)} of {len(members[name])} genes that none of its children has"
            notes.append(Note("own genes", name, detail))
        elif rest:
            names = ", ".join(genes[sorted(rest)])
            detail = f"{len(rest)} of its own genes, fewer than min_genes={min_genes}: {names}"
            notes.append(Note("left out genes", name, detail))
    return leaves | own, notes


def _unused(entries: Mapping[str, set[int]], genes: pd.Index) -> list[Note]:
    used = set().union(*entries.values())
    return [
        Note("dropped gene", gene, "in no kept pathway")
        for i, gene in enumerate(genes)
        if i not in used
    ]


# ------------------------------------------------------------------------ the chain


def _masks(
    entries: Mapping[str, set[int]], parents: Parents, genes: pd.Index, texts: pd.Series
) -> list[Mask]:
    """One mask a level; see `Hierarchy` for what its columns are."""
    depths = ancestry.depths_of(parents)
    top = max(depths.values())
    level = {name: 0 if name in entries else top - depth for name, depth in depths.items()}
    until = {  # the last level whose mask carries a unit
        name: max((level[parent] for parent in above), default=top) - 1
        for name, above in parents.items()
    }
    masks = [_entry_mask(entries, genes, texts)]
    for i in range(1, top):
        below = masks[-1].pathways.tolist()
        computed = [name for name in parents if level[name] == i]
        carried = [name for name in below if until[name] >= i]
        edges = [(name, p) for name in below for p in parents[name] if level[p] == i]
        edges += [(name, name) for name in carried]
        masks.append(_upper_mask(below, [*computed, *carried], edges, texts))
    return masks


def _entry_mask(entries: Mapping[str, set[int]], genes: pd.Index, texts: pd.Series) -> Mask:
    rows = np.array([row for members in entries.values() for row in sorted(members)])
    cols = np.repeat(np.arange(len(entries)), [len(members) for members in entries.values()])
    used = np.unique(rows)
    matrix = sparse.csc_array(
        (np.ones(len(rows), np.float32), (np.searchsorted(used, rows), cols)),
        shape=(len(used), len(entries)),
    )
    return Mask(matrix, genes[used], list(entries), descriptions=texts.to_dict())


def _upper_mask(
    rows: Sequence[str], cols: Sequence[str], edges: Sequence[tuple[str, str]], texts: pd.Series
) -> Mask:
    row, col = pd.Index(rows), pd.Index(cols)
    sources, targets = zip(*edges, strict=True)
    matrix = sparse.csc_array(
        (np.ones(len(edges), np.float32), (row.get_indexer(sources), col.get_indexer(targets))),
        shape=(len(row), len(col)),
    )
    with quiet_when_dense():
        return Mask(matrix, rows, cols, descriptions=texts.to_dict())


@contextlib.contextmanager
def quiet_when_dense() -> Iterator[None]:
    """No warning of a dense mask: further up, every unit may well feed every pathway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiomaskWarning)
        yield
