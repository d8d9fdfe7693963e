"""The methods paragraph of a report, its references, and the calls that repeat the study.

Everything here is plain text; the page escapes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from biomask.masks.hierarchy import Hierarchy
from biomask.views import report_latent
from biomask.views.report_text import LATENT, LEVEL, LOSS_NAME, UNIT, some

if TYPE_CHECKING:
    from biomask.inference.study import Study

_SOURCES = {
    "Breslow (1974)": "Breslow N (1974) Covariance analysis of censored survival data. Biometrics "
    "30:89-99.",
    "Cohen 1988": "Cohen J (1988) Statistical power analysis for the behavioral sciences, 2nd "
    "edition. Erlbaum.",
    "Cox 1972": "Cox DR (1972) Regression models and life-tables. J R Stat Soc B 34:187-220.",
    "Efron (1977)": "Efron B (1977) The efficiency of Cox's likelihood function for censored data. "
    "J Am Stat Assoc 72:557-565.",
    "Freedman & Lane 1983": "Freedman D, Lane D (1983) A nonstochastic interpretation of reported "
    "significance levels. J Bus Econ Stat 1:292-298.",
    "Berrett et al. 2020": "Berrett TB, Wang Y, Barber RF, Samworth RJ (2020) The conditional "
    "permutation test for independence while controlling for confounders. J R Stat Soc B "
    "82:175-197.",
    "Phipson & Smyth 2010": "Phipson B, Smyth GK (2010) Permutation p-values should never be zero. "
    "Stat Appl Genet Mol Biol 9:39.",
    "Westfall & Young 1993": "Westfall PH, Young SS (1993) Resampling-based multiple testing. "
    "Wiley.",
    "Benjamini & Hochberg 1995": "Benjamini Y, Hochberg Y (1995) Controlling the false discovery "
    "rate. J R Stat Soc B 57:289-300.",
    "Benjamini & Bogomolov 2014": "Benjamini Y, Bogomolov M (2014) Selective inference on multiple "
    "families of hypotheses. J R Stat Soc B 76:297-318.",
    "Nogueira et al. (2018)": "Nogueira S, Sechidis K, Brown G (2018) On the stability of feature "
    "selection algorithms. J Mach Learn Res 18:174.",
}
_PARTIAL = (
    "The loss is the negative log partial likelihood (Cox 1972); risk sets are those of the batch "
    "in training, with ties after Efron (1977), and those of the fold on held-out samples, with "
    "ties after Breslow (1974)."
)


def methods(study: Study) -> str:
    """A paragraph for a paper: every sentence from what the study says was done."""
    parts = (_networks, _training, _data, _duration, _effect, _tests, _selection, _stability)
    return " ".join(filter(None, (part(study) for part in parts)))


def references(study: Study) -> tuple[str, ...]:
    """What `methods` cites."""
    text = methods(study)
    return tuple(entry for cited, entry in _SOURCES.items() if cited in text)


def _networks(study: Study) -> str:
    s, mask = study.settings, study.mask
    versions = s.get("versions") or {}
    made = ", ".join(
        [f"biomask {s['biomask']}", *(f"{k} {v}" for k, v in sorted(versions.items()))]
    )
    return (
        f"Neural networks with one hidden unit for each of {mask.shape[1]:,} pathways were trained "
        f"on {s['samples']:,} samples to {_aim(s)} from the expression of {mask.shape[0]:,} genes; "
        f"{_wiring(study)} ({mask.n_edges:,} connections, {made})."
    )


def _wiring(study: Study) -> str:
    if not isinstance(study.mask, Hierarchy):
        return "a unit receives only the genes of its pathway"
    read = "every level" if study.settings["outputs"] == "all" else "the roots"
    return (
        f"the units lie in {len(study.mask)} levels; a unit receives only the genes of its pathway "
        f"or, above them, only the units of its parts, and the output reads the units of {read}"
    )


def _aim(s: dict) -> str:
    if s["task"] == "binary":
        return f"tell “{s['classes'][1]}” from “{s['classes'][0]}”"
    if s["task"] == "survival":
        return "predict the time to the event"
    if s["task"] == LATENT:
        return report_latent.aim(s)
    if s["classes"]:
        return f"tell {len(s['classes'])} classes apart"
    return f"predict {s.get('outcome') or 'the outcome'}"


def _training(study: Study) -> str:
    s = study.settings
    whole = ", with all samples of a subject in the same fold" if s["subjects"] else ""
    trained = "one network was trained per fold"
    if s["seeds"] > 1:
        trained = f"{s['seeds']:,} networks with different initial weights were trained per fold"
    dropout = f"dropout of {s['dropout']:g} on the pathway units" if s["dropout"] else "no dropout"
    l2 = f"an L2 penalty of {s['l2']:g} on the weights" if s["l2"] else "no L2 penalty"
    return (
        f"The hidden units are {s['activation']} units and the output is linear in them. In "
        f"{s['folds']}-fold cross-validation{whole}, {trained}, minimising the "
        f"{LOSS_NAME.get(s['task'], 'log-loss')} with Adam (learning rate {s['learning_rate']:g}, "
        f"batches of up to {some(s['batch_size'], 'sample')}), {dropout} and {l2}."
    )


def _data(study: Study) -> str:
    """How samples were weighted, scaled and read, and what stood beside the genes."""
    s, text = study.settings, ""
    if s.get("class_weight"):
        text += "The training loss of a sample was weighted by the inverse size of its class. "
    if s.get("covariates"):
        text += (
            f"Covariates ({', '.join(s['covariates'])}), scaled as the genes, entered the linear "
            "output beside the pathways, without a penalty. "
        )
    if s.get("on_disk"):
        text += (
            "Expression was read from disk in every epoch, in chunks of samples mixed at random. "
        )
    return text + "Genes were scaled by the mean and deviation of the training part of each fold."


def _duration(study: Study) -> str:
    s = study.settings
    passes = s.get("passes") or ["one or more"]  # an older file does not say
    epochs = some(s["epochs"], "epoch")
    if passes != [1]:
        epochs += (
            f" (of {' or '.join(map(str, passes))} passes over the training samples each, so that "
            "an epoch has at least 8 steps)"
        )
    if not s.get("watched"):
        return f"Every network was trained for {epochs} and kept its last weights."
    share = f"{100 * s['watched']:g} % of the {'subjects' if s['subjects'] else 'samples'}"
    return (
        f"Networks were trained for at most {epochs}. {share} in the training part of each fold "
        "were watched: training stopped when the loss there had not fallen for at least 80 steps, "
        "and the weights of its lowest loss were kept."
    )


def _effect(study: Study) -> str:
    s = study.settings
    averaged = ", averaged over the networks of a fold" if s["seeds"] > 1 else ""
    if s["task"] == LATENT:
        return f"{report_latent.METHODS}{averaged}."
    again = ", the levels above computed again" if isinstance(study.mask, Hierarchy) else ""
    text = (
        "The effect of a pathway is the mean increase of the loss on held-out samples "
        f"({UNIT.get(s['task'], 'nats')} per sample) when its unit is held at its training mean"
        f"{again}{averaged}."
    )
    return f"{text} {_PARTIAL}" if s["task"] == "survival" else text


def _tests(study: Study) -> str:
    s = study.settings
    if not s["permutations"]:
        return "No labels were permuted, so that no effect was tested."
    # No autoencoder sees a label.
    repeated = "The comparison was" if s["task"] == LATENT else "Everything was"
    return (
        f"{repeated} repeated for {_permutations(s)}, which "
        "gives p = (1 + number of permutations with an effect at least as large) / "
        f"({s['permutations']:,} + 1) (Phipson & Smyth 2010), family-wise p-values by single-step "
        "max-T on effects standardised for each pathway (Westfall & Young 1993) and q-values "
        f"(Benjamini & Hochberg 1995).{_given_covariates(s)}"
    )


def _permutations(s: dict) -> str:
    """How many there were, and what changed places within what."""
    text = some(s["permutations"], "permutation")
    if s.get("exhaustive"):
        text = f"every other way to deal the labels, {text}"
    moved = "pairs of time and event" if s["task"] == "survival" else "labels"
    whole = " of whole subjects" if s.get("exchanged") == "subjects" else ""
    if s["subjects"] and "exchanged" not in s:  # an older file
        whole = " (of whole subjects where a subject has one label)"
    within = ["subjects"] * (s.get("exchanged") == "samples within subjects")
    within += [f"{s['strata']:,} strata"] if _stratified(s) else []
    return f"{text} of the {moved}{whole}{' within ' * bool(within)}{' and '.join(within)}"


def _stratified(s: dict) -> bool:
    return (s.get("strata") or 1) > 1


def _given_covariates(s: dict) -> str:
    """How labels were permuted where there are covariates."""
    if not s.get("covariates"):
        return ""
    if s["task"] == "regression":
        return (
            " What was permuted is the residuals of the outcome on the covariates, added back to "
            "the fit (Freedman & Lane 1983)."
        )
    strata = " and the strata" if _stratified(s) else ""
    return (
        " Permutations were drawn with their probability given the covariates, from a logistic "
        f"regression of the labels on them{strata} (Berrett et al. 2020)."
    )


def _selection(study: Study) -> str:
    if not study.settings["permutations"]:
        return ""
    n = int(study.pathways["selected"].sum())
    text = (
        f"Pathways with a family-wise p or q of at most {LEVEL:g} were selected, {n:,} of "
        f"{len(study.pathways):,}."
    )
    if study.edges.empty:
        return text
    return (
        f"{text} The {len(study.edges):,} connections inside selected pathways were tested in the "
        "same way, with the false discovery rate corrected for the selection (Benjamini & "
        "Bogomolov 2014)."
    )


def _stability(study: Study) -> str:
    """Measures that could be taken: one seed agrees with none."""
    known = study.stability.dropna()
    between = " and ".join(f"between {what}" for what in ("seeds", "folds") if what in known)
    parts = [f"the mean pairwise Spearman correlation of the effects {between}"] * bool(between)
    if "top_index" in known:
        top = some(int(known["top"]), "pathway")
        parts.append(f"the index of Nogueira et al. (2018) for the {top} of the largest effect")
    text = f"Stability is {', and '.join(parts)}. " if parts else ""
    return text + "Pathways with a Jaccard index of at least 0.8 are reported as not separable."


# ------------------------------------------------------------------------ how to repeat it


def call(study: Study) -> str:
    """Python that makes the study again."""
    s = study.settings
    data = ["groups=groups"] * bool(s["subjects"]) + ["strata=strata"] * bool(s.get("strata"))
    data += ["covariates=covariates"] * bool(s.get("covariates"))
    data += [f"class_weight={s.get('class_weight')!r}"] * bool(s.get("class_weight"))
    counts = [f"{name}={s[name]!r}" for name in ("folds", "seeds", "permutations")]
    training = ["epochs", "batch_size", "learning_rate", "dropout", "l2", "activation"]
    training += ["outputs"] * isinstance(study.mask, Hierarchy)
    lines = [
        ", ".join(["mask, X, y", f"task={s['task']!r}", *data]),
        ", ".join([*counts, f"random_state={s['random_state']!r}"]),
        ", ".join(f"{name}={s[name]!r}" for name in training[:3]),
        ", ".join(f"{name}={s[name]!r}" for name in training[3:]),
    ]
    inside = "".join(f"    {line},\n" for line in lines)
    return f"import biomask as bm\n\nstudy = bm.crossfit(\n{inside})\n"


def not_compared() -> str:
    """Why the page says nothing about random masks, before the call that would change that."""
    return (
        "Whether the annotation predicts better than random masks of the same shape was not "
        "tested: the p-values of the pathways do not say so. To test it, run compare_models on "
        "the same data and hand the table to the report:"
    )


def compare_call(study: Study) -> str:
    """Python that tests the annotation in the way of the study."""
    s = study.settings
    data = ", groups=groups" * bool(s["subjects"]) + ", strata=strata" * bool(s.get("strata"))
    mask = "mask.flatten()" if isinstance(study.mask, Hierarchy) else "mask"
    return (
        "comparison = bm.compare_models(\n"
        f"    {mask}, X, y, task={s['task']!r}{data}, folds={s['folds']}, rewired=99,\n)\n"
        'bm.report(study, "report.html", comparison=comparison)\n'
    )
