"""Gene names as people write them: cleaning, and guessing why two lists do not meet."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from biomask.errors import AlignmentError, listed
from biomask.masks.symbols import MONTHS, PREDECESSOR, SUCCESSOR, genes_behind_date

_ENSEMBL = re.compile(r"(ENS([A-Z]{3,4})?[GTP]\d{11})(\.\d+)?(_PAR_Y)?")
_MARGIN = re.compile(r"^[\s\u200b-\u200d\u2060\ufeff]+|[\s\u200b-\u200d\u2060\ufeff]+$")
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))
_LOOKALIKES = str.maketrans(
    "АВСЕНІЈКМОРЅТХУ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ" + "асеіјорѕхуο",
    "ABCEHIJKMOPSTXY" + "ABEZHIKMNOPTYX" + "aceijopsxyo",
)
_KINDS = {
    "Ensembl ids": _ENSEMBL,
    "Entrez ids": re.compile(r"\d+"),
    "Entrez ids read as decimal numbers (7157.0)": re.compile(r"\d+\.0"),
    "probe set ids": re.compile(r"\w+_at|ILMN_\d+"),
    "RefSeq accessions": re.compile(r"[NX][MRP]_\d+(\.\d+)?"),
    "UniProt accessions": re.compile(
        r"[OPQ]\d[A-Z\d]{3}\d(-\d+)?|[A-NR-Z]\d([A-Z][A-Z\d]{2}\d){1,2}(-\d+)?"
    ),
}
LOOK = "looks the same but has other characters"
PUNCTUATION = "differs in punctuation"
SUCCEEDED = "renamed by HGNC"
PRECEDED = "the older symbol"
SPREADSHEET = "converted by a spreadsheet"
MORE = "has more in it than the name"
CASE = "differs in upper and lower case"
_CAUSES = {  # with the share of the mask's names that it would explain
    LOOK: "{:.0%} of the names only look the same (Cyrillic letters, non-breaking spaces).",
    PUNCTUATION: "{:.0%} of the names differ in punctuation, as when R turns HLA-A into HLA.A.",
    SUCCEEDED: "{:.0%} of the mask's genes stand in the data under their older symbols.",
    PRECEDED: "{:.0%} of the mask's genes are older symbols; the data have the newer ones.",
    SPREADSHEET: "a spreadsheet turned names into dates or numbers ({:.0%} of the mask's genes).",
    CASE: "{:.0%} of the names differ in upper and lower case; rename the data's columns.",
}
_MORE = tuple(  # what may stand before or behind the name of a gene
    re.compile(pattern)
    for pattern in (
        r"\s*[\[(].*$",  # TP53 (7157), as DepMap's
        r"\|.*$",  # TP53|7157, as Firehose's
        r"^.*\|",
        r"^[^_]*_+",  # GRCh38_TP53, as Cell Ranger's of two genomes
        r"_+[^_]*$",  # TP53_HUMAN
        r"_.*$",
        r"^[^:]*:",
        r":.*$",
        r"^[^-]*-",  # gene-TP53, as NCBI's
        r"-(ENS[A-Z]*)?\d+(\.\d+)?$",  # TP53-201
        r"\.[^.]*$",  # TP53.1, as R's make.unique
        r"^[^.]*\.",
        r"\s*[\s;,/].*$",  # TP53 /// WRAP53, as Affymetrix'
        r"^.*[\s;,/]",
        r"^b?['\"]|['\"]$",
        r"^X(?=\d)",  # X7157, as R's make.names
    )
)
_SOME = 0.25  # share of the names so shortened that must be names of the other side
_NOTABLE = 0.05  # share of the mask's unmatched names that makes a cause worth telling
_EXAMINED = 2000  # names looked at to tell what kind of names they are


class Candidate(NamedTuple):
    """A name of the data that is probably another name of the mask."""

    name: str
    candidate: str
    why: str


# ------------------------------------------------------------------------ cleaning


def text_names(index: pd.Index) -> np.ndarray:
    """The names as an object array of str; "" where a name is missing.

    Raises
    ------
    AlignmentError
        The names have several levels.
    """
    if isinstance(index, pd.MultiIndex):
        raise AlignmentError(
            f"gene names have {index.nlevels} levels ({listed(index.names)})",
            code="E-ALIGN-LEVELS",
            hint="Keep one: data.columns = data.columns.get_level_values(0).",
        )
    missing = pd.isna(index)
    names = ["" if gone else str(name) for name, gone in zip(index, missing, strict=True)]
    return np.array(names, dtype=object)


def trim(name: str) -> str:
    """Without the white space around it, including non-breaking and zero-width spaces."""
    return _MARGIN.sub("", name)


def strip_version(name: str) -> str:
    """An Ensembl id without ``.version`` and ``_PAR_Y``; every other name as it is."""
    found = _ENSEMBL.fullmatch(name)
    return found[1] if found else name


def plain(name: str) -> str:
    """With Latin letters, ASCII dashes and no white space, as the eye reads it."""
    if name.isascii() and name.isalnum():
        return name  # most symbols, quickly
    text = unicodedata.normalize("NFKC", name).translate(_LOOKALIKES).translate(_DASHES)
    return re.sub(r"[\s\u200b-\u200d\u2060\ufeff]+", "", text)


def _one_dash(name: str) -> str:
    return re.sub(r"[.\s_/-]", "-", name)  # R's make.names writes HLA-A as HLA.A


# ------------------------------------------------------------------------ spreadsheets


def excel_genes(name: str, mask_genes: Collection[str] = ()) -> tuple[str, ...] | None:
    """What a spreadsheet may have turned into `name`.

    Parameters
    ----------
    name : str
        Such as ``1-Mar``, ``Mar-01``, ``2020-03-01``, ``1. Mrz``, ``43891`` or ``2.31E+13``.
    mask_genes : collection of str, optional
        Genes one would like to find; those of them that fit come first.

    Returns
    -------
    tuple of str or None
        None when `name` does not look like a converted date or number; it may be empty when it
        does but no gene is known for it.
    """
    number = re.fullmatch(r"(\d)([.,]\d+)?E\+(\d{2})", name)
    if number:
        return tuple(gene for gene in mask_genes if _in_scientific(gene, name))
    if not re.search(r"[-./ ]", name) and not name.isdecimal():
        return None  # most symbols, quickly
    dates = list(_dates(name))
    genes = [gene for date in dates for gene in genes_behind_date(*date)]
    if not dates or (name.isdecimal() and not genes):
        return None
    wanted = [gene for gene in genes if gene in mask_genes]
    return tuple(dict.fromkeys(wanted or genes))


def _dates(name: str) -> Iterator[tuple[int, int]]:
    """Every (month, day) that `name` can be read as."""
    word = r"([^\W\d_]{3,5})\.?"
    if found := re.fullmatch(rf"(\d{{1,2}})[-./ ]+{word}([-./ ]+\d{{2,4}})?", name):
        day, month = found[1], found[2]
    elif found := re.fullmatch(rf"{word}[-./ ]+(\d\d|\d{{4}})", name):
        day, month = found[2], found[1]
    else:
        yield from _dates_in_digits(name)
        return
    if month.lower() in MONTHS:
        yield MONTHS[month.lower()], int(day)


def _dates_in_digits(name: str) -> Iterator[tuple[int, int]]:
    if found := re.fullmatch(r"\d{4}-(\d\d)-(\d\d)([ T]00:00:00)?", name):
        yield int(found[1]), int(found[2])
    elif found := re.fullmatch(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4}|\d{2})", name):
        yield int(found[1]), int(found[2])  # month first, as in the United States
        yield int(found[2]), int(found[1])
    elif re.fullmatch(r"[345]\d{4}", name):  # days since the spreadsheet's epoch: 1982 to 2064
        date = datetime.date(1899, 12, 30) + datetime.timedelta(days=int(name))
        yield date.month, date.day


def _in_scientific(gene: str, shown: str) -> bool:
    """Whether a clone such as 2310009E13Rik is shown as `shown`, such as 2.31E+19."""
    clone = re.fullmatch(r"(\d+E\d+)(Rik)?", gene)
    digits = len(shown.partition("E")[0]) - 2
    return bool(clone) and f"{float(clone[1]):.{max(digits, 0)}E}" == shown.replace(",", ".")


# ------------------------------------------------------------------------ candidates


def candidates(
    data_names: Iterable[str], mask_names: Collection[str], *, among: Sequence[str] = ()
) -> list[Candidate]:
    """Pairs of an unmatched name of the data and the unmatched mask name it probably means.

    Nothing is applied: pass the ones you believe as ``rename=``.

    Parameters
    ----------
    among : sequence of str, optional
        All names of the data: only where most of these are numbers is a number a gene's.
    """
    names, mask_names = list(data_names), dict.fromkeys(mask_names)
    serials = _kind_among(names, among) != "Entrez ids"
    by_look = {plain(name): name for name in mask_names}
    by_dash = {_one_dash(name): name for name in mask_names}
    shorter, longer = _by_shortened(names, mask_names)
    found = []
    for name in names:
        look, dash = by_look.get(plain(name)), by_dash.get(_one_dash(name))
        new, old = SUCCESSOR.get(name), PREDECESSOR.get(name)
        if look is not None:
            found.append(Candidate(name, look, LOOK))
        elif dash is not None:
            found.append(Candidate(name, dash, PUNCTUATION))
        elif new in mask_names:
            found.append(Candidate(name, new, SUCCEEDED))
        elif old in mask_names:
            found.append(Candidate(name, old, PRECEDED))
        elif (bare := strip_version(shorter.get(name, name))) in longer:
            found.append(Candidate(name, longer[bare], MORE))
        elif serials or not name.isdecimal():
            genes = excel_genes(name, mask_names)
            if genes is not None:
                found.append(Candidate(name, " or ".join(genes), SPREADSHEET))
    return found


def _by_shortened(names: Sequence[str], mask_names: Collection[str]) -> tuple[dict, dict]:
    """Names of the data to what is left of them, and that to names of the mask.

    Only of the side that has more in its names; the names of the other are as they are.
    """
    if pattern := _more(names, mask_names):
        shorter = {name: pattern.sub("", name) for name in names}
        return shorter, {strip_version(name): name for name in mask_names}
    if pattern := _more(mask_names, names):
        return {}, {strip_version(pattern.sub("", name)): name for name in mask_names}
    return {}, {}


def _more(names: Iterable[str], wanted: Iterable[str]) -> re.Pattern | None:
    """What to strip from `names` so that most of `wanted` are among them; None if nothing helps.

    Upper and lower case and versions do not matter.
    """
    goal = {strip_version(name).casefold() for name in wanted}
    names = [name for name in names if not name.isalnum() or name[0] == "X"]
    names = [name for name in names if strip_version(name) == name]
    best, found = None, 0
    for pattern in _MORE:
        short = [pattern.sub("", name) for name in names if pattern.search(name)]
        hits = len(goal.intersection(strip_version(name).casefold() for name in short))
        if hits > found and hits >= _SOME * min(len(goal), len(short)):
            best, found = pattern, hits
    return best


# ------------------------------------------------------------------------ causes


def kind_of(names: Sequence[str]) -> str:
    """What most of the names are: "gene symbols" unless they look like something else."""
    sample = [name for name in names if name][:: max(1, len(names) // _EXAMINED)]
    for kind, pattern in _KINDS.items():
        if sum(pattern.fullmatch(name) is not None for name in sample) > len(sample) / 2:
            return kind
    return "gene symbols"


def _kind_among(names: Sequence[str], among: Sequence[str]) -> str:
    kind = kind_of(names)
    return kind_of(among) if kind == "Entrez ids" and len(among) else kind


def probable_cause(
    data_names: Sequence[str],
    mask_names: Sequence[str],
    proposed: Sequence[Candidate] | None = None,
    *,
    among: Sequence[str] = (),
) -> str:
    """Why so few of the mask's names are among the data's, in a sentence; "" when unknown.

    Parameters
    ----------
    data_names, mask_names : sequence of str
        The names of each side that have no partner on the other.
    proposed : sequence of Candidate, optional
        Their `candidates`, when they are known already.
    among
        As in `candidates`.
    """
    if not len(data_names) or not len(mask_names):
        return ""
    if list(data_names) == [str(i) for i in range(len(data_names))]:
        return "the columns of the data are numbered, not named; set them to the gene names."
    if more := _more_cause(data_names, mask_names):
        return more
    data_kind, mask_kind = _kind_among(data_names, among), kind_of(mask_names)
    if data_kind != mask_kind:
        return (
            f"the data have {data_kind} where the mask has {mask_kind}; translate one into the "
            "other (in an AnnData, a column of .var often holds the other kind)."
        )
    if data_kind == "Ensembl ids":
        return _ensembl_cause(data_names, mask_names)
    proposed = candidates(data_names, mask_names, among=among) if proposed is None else proposed
    counts = Counter(candidate.why for candidate in proposed)
    shares = {why: count / len(mask_names) for why, count in counts.items()}
    shares[CASE] = _shared(data_names, mask_names, str.casefold)
    cause = max(shares, key=shares.__getitem__)
    if cause == CASE and shares[CASE] and (species := _species_cause(data_names, mask_names)):
        return species
    return _CAUSES[cause].format(shares[cause]) if shares[cause] >= _NOTABLE else ""


def _more_cause(data_names: Sequence[str], mask_names: Sequence[str]) -> str:
    for side, names, others in [("data", data_names, mask_names), ("mask", mask_names, data_names)]:
        pattern = _more(names, others)
        if pattern is None:
            continue
        short = {pattern.sub("", name): name for name in names}
        keys = {strip_version(name).casefold() for name in others}
        exact_last = sorted(short, key=set(others).__contains__)
        by_case = {strip_version(name).casefold(): name for name in exact_last}
        found = [by_case[key] for key in by_case if key in keys]
        if len(found) < _NOTABLE * min(len(names), len(others)):
            continue
        strip = f"data.columns.str.replace({pattern.pattern!r}, '', regex=True)"
        way = f"data.columns = {strip} (of an AnnData, var_names)"
        if side == "mask":
            strip = f"re.sub({pattern.pattern!r}, '', gene)"
            way = f"rename={{{strip}: gene for gene in mask.genes}}"
        cause = (
            f"the names of the {side} have more in them than the gene ({short[found[0]]!r} for "
            f"{found[0]!r}); without it {len(found)} more would be shared: {way}."
        )
        if 2 * len(short.keys() & set(others)) < len(found):
            pair = [short, others] if side == "data" else [others, short]
            cause += f" After that: {probable_cause(*map(list, pair))}"
        return cause
    return ""


def _shared(data_names: Iterable[str], mask_names: Collection[str], way) -> float:
    there = {way(name) for name in data_names}
    return sum(way(name) in there for name in mask_names) / len(mask_names)


def _ensembl_cause(data_names: Iterable[str], mask_names: Collection[str]) -> str:
    if _shared(data_names, mask_names, strip_version) >= _NOTABLE:
        return "Ensembl version suffixes (ENSG00000141510.16); pass strip_versions=True."
    species = [
        {found[2] or "human" for name in names if (found := _ENSEMBL.fullmatch(name))}
        for names in (data_names, mask_names)
    ]
    if species[0].isdisjoint(species[1]):
        return (
            f"species: Ensembl ids of {listed(sorted(species[0]))} in the data, of "
            f"{listed(sorted(species[1]))} in the mask; use gene sets of the data's species or "
            "map orthologs."
        )
    return ""


def _species_cause(data_names: Iterable[str], mask_names: Iterable[str]) -> str:
    data_mouse, mask_mouse = (_share_of_mouse(names) > 0.5 for names in (data_names, mask_names))
    if data_mouse == mask_mouse:
        return ""
    species = ("mouse", "human") if data_mouse else ("human", "mouse")
    return (
        "species: the data have {} symbols, the mask has {} ones (mouse Trp53, human TP53); use "
        "gene sets of the data's species or an ortholog table. Changing the case is no ortholog "
        "mapping: it pairs genes that are not orthologs and misses those with other names."
    ).format(*species)


def _share_of_mouse(names: Iterable[str]) -> float:
    lettered = [name for name in names if sum(map(str.isalpha, name)) > 1]
    return sum(n[0].isupper() and n[1:] == n[1:].lower() for n in lettered) / max(len(lettered), 1)
