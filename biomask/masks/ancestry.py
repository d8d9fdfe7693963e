"""Which pathway is part of which: order, cycles, ancestors and depths, on plain dictionaries."""

from __future__ import annotations

import graphlib
from collections.abc import Container, Iterable, Mapping

from biomask.errors import MaskError, listed
from biomask.masks.notes import Note

Parents = dict[str, list[str]]  # child to its parents; every pathway is a key


def parents_of(pairs: Iterable[tuple[str, str]]) -> tuple[Parents, list[Note]]:
    """Parents of every name in the (child, parent) pairs, and a note on each repeated pair."""
    parents: dict[str, dict[str, None]] = {}
    notes = []
    for child, parent in pairs:
        parents.setdefault(parent, {})
        known = parents.setdefault(child, {})
        if parent in known:
            notes.append(Note("kept once", f"{child} -> {parent}", "the relation is repeated"))
        known[parent] = None
    return {child: list(above) for child, above in parents.items()}, notes


def parents_first(parents: Parents) -> list[str]:
    """Every pathway after all its parents.

    Raises
    ------
    MaskError
        The relations go around in a circle (E-HIERARCHY-CYCLE), which the text prints.
    """
    try:
        return list(graphlib.TopologicalSorter(parents).static_order())
    except graphlib.CycleError as error:
        cycle = error.args[1]
        raise MaskError(
            f"the relations go around in a circle: {' -> '.join(cycle)} (each the parent of the "
            "next)",
            code="E-HIERARCHY-CYCLE",
            genes=cycle[:-1],
            hint="Remove one of these relations.",
        ) from error


def without_unknown(parents: Parents, known: Container[str]) -> tuple[Parents, list[Note]]:
    """The relations among `known` pathways; each of the others hands its children to its parents.

    Returns
    -------
    parents : dict
        Parents of every known pathway in the relations.
    notes : list of Note
        One on each pathway that was between or above known ones or below them, and one on all
        the others together.

    Raises
    ------
    MaskError
        There are relations, and not one pathway in them is known (E-HIERARCHY-UNKNOWN).
    """
    order = parents_first(parents)
    unknown = [name for name in order if name not in known]
    if parents and len(unknown) == len(parents):
        raise MaskError(
            f"none of the {len(unknown)} pathways of the relations is among the gene sets",
            code="E-HIERARCHY-UNKNOWN",
            genes=unknown,
            hint="Relations must name the pathways as the gene sets do.",
        )
    above: Parents = {}  # the nearest known ancestors
    for name in order:
        lists = [[p] if p in known else above[p] for p in parents[name]]
        above[name] = list(dict.fromkeys(p for found in lists for p in found))
    below: dict[str, dict[str, None]] = {name: {} for name in order}  # nearest known descendants
    for name in reversed(order):
        for parent in parents[name]:
            below[parent] |= {name: None} if name in known else below[name]
    notes = []
    strangers = [name for name in unknown if not above[name] and not below[name]]
    for name in unknown:
        if above[name] or below[name]:
            notes.append(Note("unknown pathway", name, _joined(list(below[name]), above[name])))
    if strangers:
        detail = (
            f"not among the gene sets, nor is anything they are related to: {listed(strangers)}"
        )
        notes.append(Note("unknown pathways", f"{len(strangers)} pathways", detail))
    return {name: above[name] for name in order if name in known}, notes


def _joined(children: list[str], parents: list[str]) -> str:
    if not children:
        return "no gene set of this name; it has no child that has one"
    above = listed(parents, 3) if parents else "nothing: no gene set is above it"
    return f"no gene set of this name; {listed(children, 3)} joined to {above}"


def ancestors_of(parents: Parents) -> dict[str, set[str]]:
    """Every pathway's ancestors, itself among them."""
    found: dict[str, set[str]] = {}
    for name in parents_first(parents):
        found[name] = {name}.union(*(found[parent] for parent in parents[name]))
    return found


def depths_of(parents: Parents) -> dict[str, int]:
    """The longest path to every pathway from a root; a root has depth 1."""
    depths: dict[str, int] = {}
    for name in parents_first(parents):
        depths[name] = 1 + max((depths[parent] for parent in parents[name]), default=0)
    return depths


def restricted(parents: Parents, kept: Container[str]) -> Parents:
    """The relations among the `kept` pathways."""
    return {
        name: [parent for parent in above if parent in kept]
        for name, above in parents.items()
        if name in kept
    }


def children_of(parents: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Children of every pathway, in the order of the keys."""
    children: dict[str, list[str]] = {name: [] for name in parents}
    for name, above in parents.items():
        for parent in above:
            children[parent].append(name)
    return children
