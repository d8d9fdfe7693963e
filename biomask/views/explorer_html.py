"""The explorer's texts as HTML in which every name is escaped, and its style."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from biomask.inference.study import MAIN_SCORE
from biomask.views.report_tables import (
    MISSING,
    Column,
    decimals,
    directions,
    name_html,
    numbers,
    p_values,
    render,
)
from biomask.views.report_text import UNIT, p_number

if TYPE_CHECKING:
    from biomask.inference.study import Study
    from biomask.views.explorer_details import Details
    from biomask.views.explorer_source import Heading, Source

GENES = 200  # rows of the table of genes
NEIGHBOUR_WIDTH = 230  # pixels of the numbers beside a neighbour
_P_VALUES = ("p", "p_fwer", "q")

# JupyterLab's own variables, so that the explorer follows its theme; the second value is for
# other notebooks.
STYLE = """<style>
.biomask { --ink: var(--jp-ui-font-color1, #1b1f24); --soft: var(--jp-ui-font-color2, #59636e);
  --line: var(--jp-border-color2, #d5dae0); --back: var(--jp-layout-color1, #fff);
  --hover: var(--jp-layout-color2, #eef1f4); --mark: var(--jp-brand-color1, #0072b2);
  color: var(--ink); background: var(--back); padding: 4px 2px; }
.biomask .widget-html-content, .biomask .jupyter-widgets { color: var(--ink); }
.biomask .widget-html-content { line-height: 1.45; font-size: 13px; }
.biomask h3 { font-size: 17px; line-height: 1.3; margin: 0 0 2px; font-weight: 600; }
.biomask h3, .biomask p, .biomask li, .biomask th { overflow-wrap: anywhere; }
.biomask p { margin: 2px 0; }
.biomask .soft { color: var(--soft); }
.biomask summary { cursor: pointer; color: var(--soft); }
.biomask ul { margin: 2px 0 2px 18px; padding: 0; }
.biomask .bm-controls { gap: 4px 14px; align-items: center; }
.biomask .bm-pager { align-items: center; }
.biomask .bm-controls .widget-label { color: var(--soft); width: auto; min-width: 0; }
.biomask .bm-controls .widget-readout { min-width: 34px; width: 34px; margin-left: 8px; }
.biomask .bm-table { border-top: 1px solid var(--line); }
.biomask .bm-row { border-bottom: 1px solid var(--line); align-items: center; }
.biomask .bm-row:hover { background: var(--hover); }
.biomask .bm-row.bm-chosen { background: var(--hover); box-shadow: inset 3px 0 var(--mark); }
.biomask .bm-row.bm-chosen button { font-weight: 600; }
.biomask .bm-row .jupyter-button, .biomask .bm-head .jupyter-button,
.biomask .bm-link.jupyter-button { background: none; color: var(--ink); box-shadow: none;
  text-align: left; margin: 0; padding: 0 8px; height: 26px; line-height: 26px; font-size: 13px;
  unicode-bidi: isolate; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.biomask .bm-row .jupyter-button:hover, .biomask .bm-link.jupyter-button:hover {
  text-decoration: underline; }
.biomask .bm-head .jupyter-button { color: var(--soft); font-weight: 600; }
.biomask .bm-head .bm-number.jupyter-button { text-align: right; }
.biomask .bm-head .bm-sorted.jupyter-button { color: var(--ink); }
.biomask button:focus-visible, .biomask input:focus-visible, .biomask select:focus-visible,
.biomask summary:focus-visible, .biomask .noUi-handle:focus-visible {
  outline: 2px solid var(--mark); outline-offset: -1px; }
.biomask .bm-cells { display: grid; font-variant-numeric: tabular-nums; text-align: right;
  line-height: 26px; height: 26px; }
.biomask .bm-cells span { padding: 0 8px; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }
.biomask .bm-cells .bm-words { text-align: left; }
.biomask .bm-found { font-weight: 600; }
.biomask .bm-details { border-top: 2px solid var(--mark); margin-top: 10px; padding-top: 8px; }
.biomask .bm-figures { display: flex; flex-wrap: wrap; gap: 10px; margin: 6px 0; }
.biomask figure { margin: 0; background: #fff; border: 1px solid var(--line); border-radius: 4px;
  padding: 6px 8px; box-sizing: border-box; min-width: 0; }
.biomask figcaption { color: #333; font-size: 12px; font-weight: 600; }
.biomask figure img { display: block; width: 100%; height: auto; margin: 2px 0 0; }
.biomask .scroll { max-height: 252px; overflow: auto; }
.biomask table { border-collapse: collapse; width: 100%; font-size: 12px;
  font-variant-numeric: tabular-nums; }
.biomask caption, .biomask .bm-title { text-align: left; font-weight: 600; padding: 4px 0;
  font-size: 13px; color: var(--ink); caption-side: top; }
.biomask th, .biomask td { text-align: right; padding: 2px 8px; font-weight: 400;
  border-bottom: 1px solid var(--line); }
.biomask th:first-child { text-align: left; }
.biomask thead th { position: sticky; top: 0; background: var(--back); color: var(--soft);
  font-weight: 600; }
.biomask td.words { text-align: left; }
.biomask .mark { display: inline-block; font-size: 11px; line-height: 1.4; padding: 0 .5em;
  border: 1px solid var(--mark); border-radius: 1em; color: var(--mark); font-weight: 400; }
.biomask .bar { display: inline-block; height: 8px; background: var(--mark); margin-right: 4px;
  border-radius: 2px; }
.biomask .bm-between { display: flex; justify-content: space-between; }
.biomask .bm-sides { gap: 4px 24px; }
.biomask mark { background: none; color: var(--mark); font-weight: 700; }
.biomask .bm-wrong { color: var(--jp-error-color1, #b00020); }
</style>"""


def escaped(text: object) -> str:
    """Text, of which nothing is taken for a tag."""
    return html.escape(str(text))


def head_html(source: Source) -> str:
    """Title, sizes, and what has to be said, folded away."""
    notes = "".join(f"<li>{escaped(note)}</li>" for note in source.notes)
    folded = f"<details><summary>What has to be said</summary><ul>{notes}</ul></details>"
    return (
        f'<h3>{escaped(source.title)}</h3><p class="soft">{escaped(source.subtitle)}</p>'
        f"{folded if notes else ''}"
    )


def cells_html(headings: list[Heading], table: pd.DataFrame, whole: pd.DataFrame) -> list[str]:
    """The numbers of each row of `table`, beside its name; decimals are those of `whole`."""
    columns = [_column(heading.column, table, whole) for heading in headings[1:]]
    widths = " ".join(f"{heading.width}px" for heading in headings[1:])
    rows = []
    for cells in zip(*(column.cells for column in columns), strict=True):
        spans = "".join(
            f"<span{' class=bm-words' if column.words else ''}>{cell}</span>"
            for column, cell in zip(columns, cells, strict=True)
        )
        rows.append(f'<div class="bm-cells" style="grid-template-columns: {widths}">{spans}</div>')
    return rows


def _column(name: str, table: pd.DataFrame, whole: pd.DataFrame) -> Column:
    values = table[name]
    if name in _P_VALUES:
        return p_values(name, values)
    if name == "rank_median":
        return Column(name, [_rank(row) for _, row in table.iterrows()], [])
    if name == "coverage":
        return Column(name, [f"{value:.0%}" for value in values], [])
    if not pd.api.types.is_numeric_dtype(values):
        return Column(name, [name_html(value) or MISSING for value in values], [], words=True)
    if name == "jaccard":
        return Column(name, [decimals(value, 2) for value in values], [])
    if pd.api.types.is_integer_dtype(values):
        return numbers(name, values)
    return Column(name, [decimals(value, places(whole[name])) for value in values], [])


def places(values: pd.Series) -> int:
    """Decimals that show three digits of the largest value."""
    largest = float(np.nanmax(np.abs(values))) if values.notna().any() else 0.0
    return min(8, max(1, 2 - int(np.floor(np.log10(largest))))) if largest else 1


def _rank(row: pd.Series) -> str:
    if row["rank_low"] == row["rank_high"]:
        return f"{row['rank_median']:g}"
    return f"{row['rank_median']:g} ({row['rank_low']:.0f}–{row['rank_high']:.0f})"


def seed_html(study: Study, seed: int) -> str:
    """What the numbers of one seed are, and how well its networks predict."""
    scores = study.scores[study.scores["seed"] == seed]
    name = MAIN_SCORE[study.settings["task"]]
    held_out = f"{name} {decimals(scores[name].mean(), 3)} held out"
    return (
        f'<span class="soft">effects and ranks of seed {seed + 1} alone ({held_out}); '
        "p-values of all seeds</span>"
    )


# ------------------------------------------------------------------------ one pathway


def details_html(source: Source, found: Details) -> str:
    """Name, description and the facts about a pathway."""
    facts = _study_facts(source, found) if source.study else _mask_facts(source, found)
    marks = ' <span class="mark">selected</span>' if _is_selected(source, found) else ""
    text = f"<h3>{name_html(found.name)}{marks}</h3>"
    if found.description:
        text += f'<p class="soft">{escaped(found.description)}</p>'
    text += f"<p>{' · '.join(facts)}</p>"
    if found.inseparable:
        others = ", ".join(name_html(name) for name in found.inseparable)
        text += f"<p>Not separable, for its genes are nearly the same, from {others}.</p>"
    if source.study and not found.tested:
        text += '<p class="soft">Connections are tested only inside selected pathways.</p>'
    return text


def _is_selected(source: Source, found: Details) -> bool:
    return "selected" in source.table and bool(source.table.loc[found.name, "selected"])


def _study_facts(source: Source, found: Details) -> list[str]:
    study, table = source.study, source.table.loc[[found.name]]
    row = table.iloc[0]
    unit = escaped(UNIT.get(study.settings["task"], "nats"))
    facts = [f"{int(row['size']):,} genes"] if "size" in row else []
    facts.append(f"effect {decimals(row['effect'], places(source.table['effect']))} {unit}")
    facts += [f"{name} = {p_number(row[name])}" for name in _P_VALUES if name in row.index]
    facts.append(f"rank {_rank(row)} of {len(source.table):,}")
    (way,) = [column.cells[0] for column in directions(study, table)]
    return [*facts, f"genes up {way}"] if way != MISSING else facts


def _mask_facts(source: Source, found: Details) -> list[str]:
    row = source.table.loc[found.name]
    facts = [f"{row['size']:,} genes", f"{row['only_here']:,} of them in no other pathway"]
    if source.coverage is not None:
        whole = source.coverage.loc[found.name]
        facts.append(f"the data have {whole['present']:,} of {whole['size']:,}")
    return facts


def genes_html(found: Details, marked: list[str]) -> str:
    """The genes of a pathway; those that were searched for stand out."""
    table = found.genes.head(GENES)
    wanted = set(marked)
    names = [
        f"<mark>{name_html(gene)}</mark>" if gene in wanted else name_html(gene)
        for gene in table["gene"]
    ]
    columns = [Column("Gene", names, [], words=True)]
    if found.tested:
        columns += [
            Column("Effect", [decimals(v, places(table["effect"])) for v in table["effect"]], []),
            p_values("p", table["p"]),
            p_values("q", table["q"]),
            Column("Sign", [_sign(*pair) for pair in zip(*_signs(table), strict=True)], []),
        ]
    in_pathways = [MISSING if pd.isna(n) else f"{n:.0f}" for n in table["pathways"]]
    columns.append(Column("In pathways", in_pathways, []))
    more = len(found.genes) - len(table)
    label = f"Genes, the first {GENES} of {len(found.genes):,}" if more > 0 else "Genes"
    return render(columns, label, sortable=False)


def _signs(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    return table["sign"], table["sign_agreement"]


def _sign(sign: float, agreement: float) -> str:
    """Which way, and in how many of the networks."""
    if pd.isna(sign) or sign == 0:
        return MISSING
    return f"{'+' if sign > 0 else '−'} {agreement:.0%}"


def neighbours_head_html(found: Details) -> str:
    """The headings above the neighbours."""
    if found.neighbours.empty:
        return '<div class="bm-title">Shares no gene with another pathway</div>'
    return (
        '<div class="bm-title bm-between"><span>Shares genes with</span>'
        f"{_neighbour_cells('of its genes', 'Jaccard')}</div>"
    )


def neighbour_html(row: pd.Series, size: int) -> str:
    """Beside the name of a neighbour: how much it shares."""
    bar = f'<i class="bar" style="width: {48 * row["jaccard"]:.0f}px"></i>'
    index = f"{bar} {decimals(row['jaccard'], 2)}"
    alike = "" if row["separable"] else "≈ "
    return _neighbour_cells(f"{row['shared']:,} of {size:,}", f"{alike}{index}")


def _neighbour_cells(shared: str, index: str) -> str:
    return (
        f'<div class="bm-cells soft" style="grid-template-columns: 110px '
        f'{NEIGHBOUR_WIDTH - 110}px"><span>{shared}</span><span>{index}</span></div>'
    )
