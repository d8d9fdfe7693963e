"""report: one self-contained page of a Study, to send to somebody."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from biomask.errors import ArgumentError
from biomask.inference.study import Study
from biomask.storage import atomic_write
from biomask.views import report_figures as figures
from biomask.views import report_latent
from biomask.views import report_methods as methods
from biomask.views import report_tables as tables
from biomask.views import report_text as text
from biomask.views.report_page import page
from biomask.views.spreadsheet import csv_text

_REM = 8.5  # on the page for an inch of a figure: text of 8 points becomes as large as the page's
_DIGESTS = ("mask", "data", "labels")


def report(study: Study, path: str | Path, *, comparison: pd.DataFrame | None = None) -> Path:
    """Write what a study found to one HTML page that needs nothing else.

    The page starts with the finding and with everything that limits it: labels too few for any
    p-value to be small, permutations too few for q, a ranking that is not stable, pathways that
    cannot be told apart. Then follow the tables (also as CSV, inside the page), the figures, a
    methods paragraph to paste into a paper, and the call that makes the study again. It reads at
    the width of a laptop and of a phone, and in print.

    Parameters
    ----------
    study : Study
    path : path
        Replaced atomically. The same study gives the same bytes.
    comparison : DataFrame, optional
        What `biomask.compare_models` returned for the same data: whether the annotation predicts
        better than random masks of the same shape. Without it the page says how to test that.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    ArgumentError
        `study` is no Study, or `comparison` is no table of `compare_models`.
    StorageError
        The file cannot be written; an older one is left as it was.
    """
    _check(study, comparison)
    title = html.escape(text.heading(study))
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="soft">{html.escape(text.design(study))}</p>',
        f'<p class="finding">{_words(text.finding(study))}</p>',
        _remarks(study),
        _pathways(study),
        _stability(study),
        _genes(study),
        _prediction(study),
        _annotation(study, comparison),
        _methods(study),
        _again(study),
    ]
    content = page(title, "\n".join(parts))
    with atomic_write(path) as temporary:
        temporary.write_text(content, "utf-8", newline="\n")
    return Path(path)


def _check(study: object, comparison: object) -> None:
    if not isinstance(study, Study):
        raise ArgumentError(
            f"report needs a Study, received {type(study).__name__}",
            code="E-REPORT",
            hint="crossfit makes one, load_study reads one from its file.",
        )
    if comparison is not None and not (
        isinstance(comparison, pd.DataFrame) and "sentence" in comparison.attrs
    ):
        raise ArgumentError(
            "comparison must be the table that compare_models returned, with its attrs. "
            f"Received: {type(comparison).__name__}",
            code="E-REPORT",
        )


# ------------------------------------------------------------------------ sections


def _remarks(study: Study) -> str:
    items = "\n".join(
        f"<li{' class=warns' * warns}>{_words(words)}</li>" for words, warns in text.remarks(study)
    )
    return f'<ul class="remarks">\n{items}\n</ul>'


def _pathways(study: Study) -> str:
    permutations, tested = study.settings["permutations"], ""
    if permutations:
        resolved = "" if text.unresolved(study) else ", q is the false discovery rate"
        tested = (
            f"The smallest p that {text.some(permutations, 'permutation')} can give is "
            f"{text.p_number(1 / (permutations + 1))}; p_fwer is corrected for all pathways at "
            f"once{resolved}. "
        )
    means = "The effect of a pathway is how much worse held-out samples are predicted without it."
    up = "where the outcome goes when the genes of the pathway go up"
    if study.settings["task"] == report_latent.TASK:
        means, up = report_latent.PATHWAYS, report_latent.GENES_UP
    return _section(
        "Pathways",
        f"<p>{means} {tested}“Genes up” is {up}.</p>",
        tables.pathway_table(study),
        _csv(study.pathways, "pathways.csv", f"All {len(study.pathways):,} pathways as CSV"),
        _grid([figures.effects(study)]),
        _nulls(study),
    )


def _nulls(study: Study) -> str:
    drawn = figures.nulls(study)
    if not drawn:
        return ""
    return (
        f"<h3>The largest effects beside what permuted labels give</h3>\n{_grid(drawn, names=True)}"
    )


def _stability(study: Study) -> str:
    return _section(
        "Stability of the ranking",
        tables.stability_table(study),
        _grid([figures.stability(study)]),
    )


def _genes(study: Study) -> str:
    if study.edges.empty:
        words = "No pathway was selected, so that no gene was tested."
        if study.settings["task"] == report_latent.TASK:
            words = report_latent.NO_GENES
        return _section("Genes", f"<p>{words}</p>")
    n = study.edges["pathway"].nunique()
    return _section(
        "Genes of the selected pathways",
        "<p>The effect of a gene inside a pathway is how much worse held-out samples are predicted "
        "when this one connection is held at its mean. Bars to the left help nothing.</p>",
        _grid(figures.genes(study), names=True),
        tables.edge_table(study),
        _csv(
            study.edges.reset_index(drop=True),
            "edges.csv",
            f"All {len(study.edges):,} connections of {text.some(n, 'selected pathway')} as CSV",
        ),
    )


def _prediction(study: Study) -> str:
    what = "Reconstruction" if study.settings["task"] == report_latent.TASK else "Prediction"
    return _section(
        f"{what} of held-out samples",
        tables.score_table(study),
        _grid([figures.prediction(study)]),
        _csv(study.predictions, "predictions.csv", f"{what} of every held-out sample as CSV"),
    )


def _annotation(study: Study, comparison: pd.DataFrame | None) -> str:
    name = "Is the annotation better than random masks?"
    if study.settings["task"] == "survival":
        words = "Not tested: compare_models, which would, has no survival models to compare with."
        return _section(name, f"<p>{words}</p>")
    if study.settings["task"] == report_latent.TASK:
        return _section(name, f"<p>{report_latent.NOT_COMPARED}</p>")
    if comparison is None:
        words = html.escape(methods.not_compared())
        return _section(name, f"<p>{words}</p>", _code(methods.compare_call(study)))
    return _section(
        name,
        f"<p>{html.escape(comparison.attrs['sentence'])}</p>",
        _grid([figures.comparison(comparison)]),
        tables.comparison_table(comparison),
        _csv(comparison, "comparison.csv", "This table as CSV"),
    )


def _methods(study: Study) -> str:
    references = "\n".join(f"<li>{html.escape(entry)}</li>" for entry in methods.references(study))
    return _section(
        "Methods",
        '<p class="soft screen">To paste into a paper; one click selects it.</p>',
        f"<blockquote>{html.escape(methods.methods(study))}</blockquote>",
        f'<ol class="soft">\n{references}\n</ol>' if references else "",
    )


def _again(study: Study) -> str:
    settings = {key: value for key, value in sorted(study.settings.items()) if key not in _DIGESTS}
    versions = settings.pop("versions", None) or {}
    made = {"biomask": settings.pop("biomask"), **dict(sorted(versions.items()))}
    digests = {f"sha256 of the {key}": study.settings[key] for key in _DIGESTS}
    return _section(
        "Making it again",
        "<p>This call, on data with these digests and with these versions, gives the same numbers. "
        f"Folds, permutations, initial weights ({text.some(study.settings['seeds'], 'seed')} in "
        "each fold) and dropout all follow from <code>random_state</code>.</p>",
        _code(methods.call(study)),
        tables.fact_table({**digests, **{f"version of {k}": v for k, v in made.items()}}),
        "<details><summary>All settings</summary>",
        tables.fact_table({key: _plain(value) for key, value in settings.items()}),
        "</details>",
    )


# ------------------------------------------------------------------------ pieces


def _section(title: str, *parts: str) -> str:
    inside = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{title}</h2>\n{inside}\n</section>"


def _grid(drawn: Iterable[figures.Figure], *, names: bool = False) -> str:
    """Figures side by side; with `names` their captions are names, and stand above them."""
    cells = []
    for svg, inches, alternative, caption in drawn:
        source = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
        size = f"max-width:{_REM * inches:.1f}rem"
        image = f'<img src="{source}" style="{size}" alt="{html.escape(alternative)}">'
        if names:
            below = f"<figcaption>{tables.name_html(caption)}</figcaption>"
            cells.append(f"<figure>{below}{image}</figure>")
        else:
            below = f"<figcaption>{html.escape(caption)}</figcaption>"
            cells.append(f"<figure>{image}{below}</figure>")
    return f'<div class="figures">\n{"".join(cells)}\n</div>'


def _csv(table: pd.DataFrame, name: str, words: str) -> str:
    content = base64.b64encode(csv_text(table).encode("utf-8")).decode()
    return (
        f'<p class="screen"><a download="{name}" href="data:text/csv;charset=utf-8;base64,'
        f'{content}">{words}</a></p>'
    )


def _words(sentence: str) -> str:
    """Escaped; the long names inside may break after an underscore."""
    return html.escape(sentence).replace("_", "_<wbr>")


def _code(source: str) -> str:
    return f"<pre><code>{html.escape(source)}</code></pre>"


def _plain(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
