"""The tables of a report, as HTML in which every name is escaped."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from biomask.inference.stability import stability_wording
from biomask.views import report_latent
from biomask.views.report_text import LATENT, chance_loss, effect_meaning, p_number, unresolved

if TYPE_CHECKING:
    from biomask.inference.study import Study

ROWS = 50  # of the pathways; all of them are in the CSV
EDGE_PATHWAYS, EDGE_GENES = 5, 10  # pathways in the table of the edges, and genes of each
MISSING = "–"


class Column(NamedTuple):
    """A column of cells, which are HTML, with the values that sort them.

    Columns of words are set left and may break; the others hold numbers.
    """

    name: str
    cells: Sequence[str]
    keys: Sequence[object]
    meaning: str = ""
    words: bool = False


# ------------------------------------------------------------------------ the tables


def pathway_table(study: Study) -> str:
    """The pathways of the largest effect."""
    table = study.top(ROWS)
    names = [_pathway(study, name) for name in table.index]
    columns = [
        Column("Pathway", names, list(table.index)),
        numbers("Genes", table["size"], "genes of the pathway in the data"),
        numbers("Effect", table["effect"], effect_meaning(study)),
        p_values("p", table["p"], "permutation p-value, not corrected"),
        p_values("p_fwer", table["p_fwer"], "corrected for all pathways, by max-T"),
        *_q(study, table["q"]),
        _ranks(table),
        *directions(study, table),
    ]
    return render(columns, f"The {len(table)} pathways with the largest effect")


def edge_table(study: Study) -> str:
    """The edges of the largest effect inside the first few selected pathways."""
    order = [
        name for name in study.top(len(study.pathways)).index if study.pathways["selected"][name]
    ]
    parts = [
        study.edges[study.edges["pathway"] == name].nlargest(EDGE_GENES, "effect")
        for name in order[:EDGE_PATHWAYS]
    ]
    table = pd.concat(parts)
    agreement = table["sign_agreement"]
    columns = [
        _names("Gene", table["gene"]),
        _names("Pathway", table["pathway"]),
        numbers("Effect", table["effect"], "increase of the held-out loss without the edge"),
        p_values("p", table["p"], "permutation p-value"),
        p_values("q", table["q"], "corrected for genes and for the selection of the pathway"),
        Column(
            "Sign",
            [{1: "+", -1: "−"}.get(int(sign), MISSING) for sign in table["sign"]],
            list(table["sign"]),
            "way the gene moves the outcome through this pathway",
        ),
        Column(
            "Agreement",
            [f"{value:.0%}" for value in agreement],
            list(agreement),
            "share of the networks with that sign; 50 % is a coin",
        ),
    ]
    return render(columns, "Genes with the largest effect inside selected pathways")


def score_table(study: Study) -> str:
    """Held-out scores of every fold, and of a constant."""
    metrics = [name for name in study.scores if name not in ("fold", "seed")]
    by_fold = study.scores.groupby("fold")[metrics]
    mean, low, high = by_fold.mean(), by_fold.min(), by_fold.max()
    rows = [f"Fold {fold + 1}" for fold in mean.index]
    constant = _constant(study)
    columns = [Column("", [*rows, "All folds", "A constant"], [])]
    for metric in metrics:
        cells = [
            _spread(*(part.loc[fold, metric] for part in (mean, low, high))) for fold in mean.index
        ]
        whole = study.scores[metric]
        cells.append(f"<b>{_spread(whole.mean(), whole.min(), whole.max())}</b>")
        cells.append(decimals(constant[metric], 3) if metric in constant else MISSING)
        columns.append(Column(html.escape(metric.replace("_", " ")), cells, []))
    return render(columns, "Held-out scores: mean over seeds (lowest to highest)", sortable=False)


def stability_table(study: Study) -> str:
    """How far seeds and folds agree, and what that is called."""
    s = study.stability
    index, low, high = (float(s[name]) for name in ("top_index", "top_low", "top_high"))
    interval = "" if math.isnan(index) else f" ({decimals(low, 2)} to {decimals(high, 2)})"
    rows = [
        ("Effects between seeds, Spearman", float(s["seeds"]), ""),
        ("Effects between folds, Spearman", float(s["folds"]), ""),
        (f"Selection of the top {int(s['top'])}, Nogueira’s index", index, interval),
    ]
    words = [stability_wording(value) for _, value, _ in rows[:2]]
    words.append("1: always the same; 0: as chance would")
    columns = [
        Column("Agreement of", [label for label, _, _ in rows], []),
        Column("Value", [decimals(value, 2) + extra for _, value, extra in rows], []),
        Column("Meaning", words, [], words=True),
    ]
    return render(columns, "Agreement between seeds and between folds", sortable=False)


def comparison_table(table: pd.DataFrame) -> str:
    """Every model, with its scores and its difference from the masked network."""
    scores = [name for name in table if name not in ("difference", "low", "high")]
    differences = [
        MISSING if row["difference"] == row["low"] == row["high"] == 0 else _spread(*row)
        for _, row in table[["difference", "low", "high"]].iterrows()
    ]
    columns = [
        _names("Model", table.index),
        *(
            Column(html.escape(n), [decimals(v, 3) for v in table[n]], list(table[n]))
            for n in scores
        ),
        Column("Loss minus masked", differences, list(table["difference"]), "with a 95 % interval"),
    ]
    return render(columns, "Models on the same folds")


def fact_table(facts: dict) -> str:
    """Names and values, such as the settings."""
    values = [name_html(MISSING if value in (None, "") else value) for value in facts.values()]
    names = [name_html(name) for name in facts]
    columns = [Column("Setting", names, []), Column("Value", values, [], words=True)]
    return render(columns, "", sortable=False)


# ------------------------------------------------------------------------ columns


def numbers(name: str, values: pd.Series, meaning: str = "") -> Column:
    """Whole numbers, or numbers with the decimals that the largest needs for three digits."""
    if pd.api.types.is_integer_dtype(values):
        return Column(name, [f"{value:,}" for value in values], list(values), meaning)
    largest = float(np.nanmax(np.abs(values))) if values.notna().any() else 0.0
    places = min(8, max(1, 2 - math.floor(math.log10(largest)))) if largest else 1
    return Column(name, [decimals(value, places) for value in values], list(values), meaning)


def p_values(name: str, values: pd.Series, meaning: str = "") -> Column:
    """p- or q-values."""
    cells = [MISSING if pd.isna(p) else p_number(p).replace("-", "−") for p in values]
    return Column(name, cells, list(values), meaning)


def _names(name: str, values: Iterable[str]) -> Column:
    return Column(name, [name_html(value) for value in values], list(values), words=True)


def _q(study: Study, values: pd.Series) -> list[Column]:
    """No column where the permutations cannot resolve q."""
    meaning = "false discovery rate at which the pathway is found"
    return [] if unresolved(study) else [p_values("q", values, meaning)]


def _ranks(table: pd.DataFrame) -> Column:
    cells = [
        f"{row['rank_median']:g} ({row['rank_low']:.0f}–{row['rank_high']:.0f})"
        for _, row in table.iterrows()
    ]
    meaning = "median rank over folds and seeds, and the range of 90 %"
    return Column("Rank", cells, list(table["rank_median"]), meaning)


def directions(study: Study, table: pd.DataFrame) -> list[Column]:
    """Which way the outcome goes when the pathway's genes go up."""
    classes = study.settings["classes"]
    meaning = "where samples go when the genes of the pathway go up"
    if study.settings["task"] == LATENT:
        meaning = report_latent.GENES_UP
    if "direction" in table:
        ways = {"survival": ["lower risk", "higher risk"]}.get(
            study.settings["task"], classes or ["lower", "higher"]
        )
        texts = [MISSING if pd.isna(d) or d == 0 else ways[int(d > 0)] for d in table["direction"]]
        keys = list(table["direction"])
    else:
        signed = table[[f"direction_{name}" for name in classes]].to_numpy()
        known = np.isfinite(signed).all(axis=1)
        best = np.where(np.isfinite(signed), signed, -np.inf).argmax(axis=1)
        texts = [str(classes[c]) if k else MISSING for c, k in zip(best, known, strict=True)]
        keys = texts
    cells = [text if text == MISSING else f"→&nbsp;{name_html(text)}" for text in texts]
    return [Column("Genes up", cells, keys, meaning, words=True)]


def _pathway(study: Study, name: str) -> str:
    row = study.pathways.loc[name]
    cell = f"<b>{name_html(name)}</b>" if row["selected"] else name_html(name)
    if row["selected"]:
        cell += ' <span class="mark">selected</span>'
    if not pd.isna(row["not_separable"]):
        cell += f' <span class="mark group">not separable, group {int(row["not_separable"])}</span>'
    return cell


def _constant(study: Study) -> dict[str, float]:
    """Scores of always answering the same."""
    if study.settings["task"] == "regression":
        return {"squared_error": 1.0, "r2": 0.0}
    if study.settings["task"] == "survival":
        return {"partial_loss": chance_loss(study), "concordance": 0.5}
    if study.settings["task"] == LATENT:
        return {"r2": 0.0}
    common = study.predictions["y"].value_counts(normalize=True).max()
    return {"log_loss": chance_loss(study), "accuracy": float(common), "auc": 0.5}


# ------------------------------------------------------------------------ cells and rows


def name_html(name: object) -> str:
    """A name, escaped, kept from changing the direction of its surroundings, free to break."""
    return f"<bdi>{html.escape(str(name)).replace('_', '_<wbr>')}</bdi>"


def decimals(value: float, places: int) -> str:
    """A number with a typographic minus; a dash for none."""
    return MISSING if pd.isna(value) else f"{value:z.{places}f}".replace("-", "−")


def render(columns: Sequence[Column], label: str, *, sortable: bool = True) -> str:
    """A table; the name of the column stands in every cell, for narrow screens."""
    heads = "".join(_head(column, sortable) for column in columns)
    rows = []
    for i in range(len(columns[0].cells)):
        first = f'<th scope="row"{_key(columns[0], i)}>{columns[0].cells[i]}</th>'
        rest = "".join(
            f'<td{_kind(column)} data-label="{html.escape(column.name)}"{_key(column, i)}>'
            f"{column.cells[i]}</td>"
            for column in columns[1:]
        )
        rows.append(f"<tr>{first}{rest}</tr>\n")
    caption = f"<caption>{html.escape(label)}</caption>" if label else ""
    return (
        f'<div class="scroll"><table{" class=sortable" * sortable}>{caption}'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody></table></div>"
    )


def _head(column: Column, sortable: bool) -> str:
    title = f' title="{html.escape(column.meaning)}"' if column.meaning else ""
    text = f'<button type="button">{column.name}</button>' if sortable else column.name
    return f'<th scope="col"{_kind(column)}{title}>{text}</th>'


def _kind(column: Column) -> str:
    return ' class="words"' if column.words else ""


def _key(column: Column, row: int) -> str:
    if not len(column.keys):
        return ""
    value = column.keys[row]
    return f' data-key="{"" if pd.isna(value) else html.escape(str(value))}"'


def _spread(mean: float, low: float, high: float) -> str:
    return f"{decimals(mean, 3)} ({decimals(low, 3)} to {decimals(high, 3)})"
