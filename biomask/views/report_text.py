"""The sentences of a report: what a study found, and what must be said with it.

Everything here is plain text; the page escapes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from biomask.inference.losses import partial_likelihood
from biomask.inference.significance import resolution_note
from biomask.inference.stability import STABLE, stability_wording
from biomask.views import report_latent

if TYPE_CHECKING:
    from biomask.inference.study import Study

LATENT = report_latent.TASK
LEVEL = 0.05  # of p_fwer or q, as in `crossfit`
LOSS_NAME = {  # log-loss for the other tasks
    "regression": "squared error",
    "survival": "negative log partial likelihood",
    LATENT: "squared error summed over genes",
}
LOSS_COLUMN = {"regression": "squared_error", "survival": "partial_loss"}  # else log_loss
UNIT = {"regression": "variances of the outcome"}  # nats for the other tasks
GROUPS = 5  # of pathways that are not separable, with a remark each


class Remark(NamedTuple):
    """Something that has to be said; `warns` when it limits what may be concluded."""

    text: str
    warns: bool


def heading(study: Study) -> str:
    """The question of the study, as a title."""
    classes = study.settings["classes"]
    if study.settings["task"] == "binary":
        return f"Pathways that tell “{classes[1]}” from “{classes[0]}”"
    if study.settings["task"] == "multiclass":
        return f"Pathways that tell {len(classes)} classes apart"
    if study.settings["task"] == "survival":
        return "Pathways that predict the time to the event"
    if study.settings["task"] == LATENT:
        return report_latent.heading(study)
    return f"Pathways that predict {study.settings.get('outcome') or 'the outcome'}"


def effect_meaning(study: Study) -> str:
    """What the column of effects holds."""
    if study.settings["task"] == LATENT:
        return report_latent.EFFECT
    return "rise of the held-out loss without the pathway"


def design(study: Study) -> str:
    """Sizes of everything, on one line."""
    n = study.settings
    subjects = f" of {n['subjects']:,} subjects" if n["subjects"] else ""
    return (
        f"{n['samples']:,} samples{subjects} · {n['genes']:,} genes · "
        f"{len(study.pathways):,} pathways · {some(n['folds'], 'fold')} × "
        f"{some(n['seeds'], 'seed')} × ({n['permutations']:,} permutations + 1) · "
        f"biomask {n['biomask']}"
    )


# ------------------------------------------------------------------------ the finding


def finding(study: Study) -> str:
    """What was found, in one sentence that claims no more than the tests allow."""
    table = study.pathways.sort_values("effect", ascending=False, kind="stable")
    if study.settings["attainable"]:
        return (
            "Nothing can be called significant here, however large its effect; the largest of "
            f"{len(table):,} effects is that of {table.index[0]}."
        )
    selected = table[table["selected"]]
    if selected.empty:
        best = table["p_fwer"].idxmin()
        return (
            f"For none of {len(table):,} pathways is the held-out effect larger than chance allows "
            f"(the smallest p_fwer is {p_number(table['p_fwer'].min())}, of {best}), which is no "
            "proof that none has an effect."
        )
    name, row = selected.index[0], selected.iloc[0]
    unit = UNIT.get(study.settings["task"], "nats")
    moved = "rises" if row["effect"] > 0 else "changes"
    caveat = stability_wording(float(study.stability[["seeds", "folds"]].min()))
    joint = "but" if caveat == stability_wording(0.0) else "and"
    size = f"without which the loss {moved} by {row['effect']:.2g} {unit} per sample"
    if study.settings["task"] == LATENT:
        size = f"whose activity is {report_latent.largest(study, name)}"
    return (
        f"For {len(selected):,} of {len(table):,} pathways the held-out effect is larger than "
        f"chance allows (p_fwer or q at most {LEVEL:g}); the largest is that of {name}, {size} "
        f"({_why_selected(row)}), {joint} {caveat}."
    )


def _why_selected(row: pd.Series) -> str:
    """The p-value that selected a pathway; both where it is the weaker statement, q, alone."""
    by_chance = f"p_fwer = {p_number(row['p_fwer'])}"
    return by_chance if row["p_fwer"] <= LEVEL else f"{by_chance}, q = {p_number(row['q'])}"


# ------------------------------------------------------------------------ what must be said


def remarks(study: Study) -> list[Remark]:
    """Warnings first; worked out from the tables, so that an edited list of notes hides nothing."""
    said = [
        Remark(study.settings["attainable"], True),
        Remark(unresolved(study), True),
        Remark(_no_prediction(study), True),
        *(_agreement(study, what) for what in ("seeds", "folds")),
        Remark(_useless(study), True),
        *(Remark(text, True) for text in _inseparable(study)),
        Remark(_exchangeable(study), False),
    ]
    # What crossfit noted is in there already, often with more detail; the rest follows.
    known = " ".join([*(remark.text for remark in said), _selection(study)]).casefold()
    said += [Remark(note, False) for note in study.notes if note.casefold() not in known]
    said = [Remark(as_sentence(text), warns) for text, warns in said if text]
    return sorted(said, key=lambda remark: not remark.warns)


def unresolved(study: Study) -> str:
    """Why q could not have fallen to the level, or "" when it could."""
    found = int((study.pathways["q"] <= LEVEL).sum())
    return resolution_note(len(study.pathways), len(study.null), found, level=LEVEL)


def chance_loss(study: Study) -> float:
    """The loss of always predicting the shares of the classes, the mean, or the same risk."""
    if study.settings["task"] == "regression":
        return 1.0
    if study.settings["task"] == "survival":
        folds = [part for _, part in study.predictions.groupby("fold") if part["event"].any()]
        return float(np.mean([_equal_risk_loss(part) for part in folds]))
    share = study.predictions["y"].value_counts(normalize=True).to_numpy()
    return float(-(share * np.log(share)).sum())


def _equal_risk_loss(part: pd.DataFrame) -> float:
    """The negative log partial likelihood per event of a fold whose samples are all alike."""
    time, event = part["time"].to_numpy(), part["event"].to_numpy()
    return float(partial_likelihood(np.zeros((len(part), 1)), time, event).sum() / event.sum())


def groups(study: Study) -> pd.Series:
    """The names of the pathways in every group that cannot be told apart."""
    number = study.pathways["not_separable"].dropna()
    return number.index.to_series().groupby(number.astype(int).to_numpy()).agg(list)


def _no_prediction(study: Study) -> str:
    if study.settings["task"] == LATENT:
        return report_latent.no_reconstruction(study)
    column = LOSS_COLUMN.get(study.settings["task"], "log_loss")
    loss, constant = float(study.scores[column].mean()), chance_loss(study)
    if loss < constant:
        return ""
    name = LOSS_NAME.get(study.settings["task"], "log-loss")
    return (
        f"the networks predict held-out samples no better than a constant does (mean {name} "
        f"{loss:.3g}, of a constant {constant:.3g}), so there is little for a pathway to explain"
    )


def _agreement(study: Study, what: str) -> Remark:
    value = float(study.stability[what])
    known = "" if np.isnan(value) else f" (mean Spearman correlation {value:.2f})"
    return Remark(f"between {what}, {stability_wording(value)}{known}", not value >= STABLE)


def _useless(study: Study) -> str:
    table = study.pathways
    names = table.index[table["selected"] & (table["effect"] <= 0)]
    if names.empty:
        return ""
    has = "has" if len(names) == 1 else "have"
    return (
        f"{some(len(names), 'selected pathway')} ({_first(names)}) {has} an effect of 0 or below: "
        "larger than under permuted labels, but no help to the prediction"
    )


def _inseparable(study: Study) -> list[str]:
    """A sentence for every group with a selected pathway, and one for the other groups."""
    found = groups(study)
    selected = set(study.pathways.index[study.pathways["selected"]])
    shown = [g for g, names in found.items() if selected.intersection(names)][:GROUPS]
    said = [
        f"not separable, group {number}: {_first(found[number], 6)} have nearly the same genes "
        "(Jaccard index at least 0.8); an effect of one is an effect of the group"
        for number in shown
    ]
    left = len(found) - len(shown)
    if left:
        what = "more group" if said else "group"
        said.append(
            f"{some(left, what)} of pathways cannot be separated, because their genes are nearly "
            "the same; the table marks them"
        )
    return said


def _exchangeable(study: Study) -> str:
    if study.settings["subjects"]:
        return ""
    return (
        "every sample counts as independent of the others; where one subject gave several, the "
        "p-values are too small unless the study is repeated with groups="
    )


def _selection(study: Study) -> str:
    """The note of `crossfit` that `finding` makes needless."""
    n = int(study.pathways["selected"].sum())
    return f"{n} of {len(study.pathways)} pathways are selected (p_fwer or q at most {LEVEL})"


# ------------------------------------------------------------------------ words and numbers


def p_number(p: float) -> str:
    """A p-value with the digits that mean something."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"


def as_sentence(text: str) -> str:
    """A capital in front and a full stop behind."""
    return text[:1].upper() + text[1:] + ("" if text[-1:] in (".", "") else ".")


def some(n: int, what: str) -> str:
    """A number and what it counts."""
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def _first(names, shown: int = 3) -> str:
    names = [str(name) for name in names]
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
