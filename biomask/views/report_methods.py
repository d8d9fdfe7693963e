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

REFERENCES = (
    "Phipson B, Smyth GK (2010) Permutation p-values should never be zero. Stat Appl Genet Mol "
    "Biol 9:39.",
    "Westfall PH, Young SS (1993) Resampling-based multiple testing. Wiley.",
    "Benjamini Y, Hochberg Y (1995) Controlling the false discovery rate. J R Stat Soc B "
    "57:289-300.",
    "Benjamini Y, Bogomolov M (2014) Selective inference on multiple families of hypotheses. "
    "J R Stat Soc B 76:297-318.",
    "Nogueira S, Sechidis K, Brown G (2018) On the stability of feature selection algorithms. "
    "J Mach Learn Res 18:174.",
)
_FREEDMAN_LANE = (
    "Freedman D, Lane D (1983) A nonstochastic interpretation of reported significance levels. "
    "J Bus Econ Stat 1:292-298."
)
_BERRETT = (
    "Berrett TB, Wang Y, Barber RF, Samworth RJ (2020) The conditional permutation test for "
    "independence while controlling for confounders. J R Stat Soc B 82:175-197."
)


def references(study: Study) -> tuple[str, ...]:
    """What `methods` cites."""
    s = study.settings
    if not s.get("covariates"):
        return REFERENCES
    return (*REFERENCES, _FREEDMAN_LANE if s["task"] == "regression" else _BERRETT)


_EDGES = (
    "Connections were tested in the same way inside selected pathways only, with the false "
    "discovery rate corrected for the selection (Benjamini & Bogomolov 2014). "
)
_PARTIAL = (
    " The loss is the negative log partial likelihood (Cox 1972); risk sets are those of the batch "
    "in training, with ties after Efron (1977), and those of the fold on held-out samples, with "
    "ties after Breslow (1974)."
)


def methods(study: Study) -> str:
    """A paragraph for a paper, from the settings of the study."""
    return " ".join([_networks(study), _training(study), _effect(study), _tests(study)])


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
    return f"tell {len(s['classes'])} classes apart" if s["classes"] else "predict the outcome"


def _training(study: Study) -> str:
    s = study.settings
    whole = ", with all samples of a subject in the same fold" if s["subjects"] else ""
    return (
        f"The hidden units are {s['activation']} units and the output is linear in them. In "
        f"{s['folds']}-fold cross-validation{whole}, {some(s['seeds'], 'network')} with different "
        f"initial weights {'was' if s['seeds'] == 1 else 'were'} trained per fold, minimising the "
        f"{LOSS_NAME.get(s['task'], 'log-loss')} with Adam (learning rate {s['learning_rate']:g}, "
        f"batches of {s['batch_size']}, at most {some(s['epochs'], 'epoch')}; where an epoch has "
        "fewer than 8 steps, as many epochs as make 8 count as one), dropout of "
        f"{s['dropout']:g} on the pathway units and an L2 penalty of {s['l2']:g} on the weights. "
        f"{_beside(s)}Genes were scaled inside the training part of each fold, 15 % of which was "
        "watched: "
        "training stopped when the loss there had not fallen for 80 steps, and the weights of its "
        "lowest loss were kept."
    )


def _beside(s: dict) -> str:
    """Sentences on class weights and covariates, where there are any."""
    text = ""
    if s.get("class_weight"):
        text += "The training loss of a sample was weighted by the inverse size of its class. "
    if s.get("covariates"):
        text += (
            f"Covariates ({', '.join(s['covariates'])}), scaled as the genes, entered the linear "
            "output beside the pathways. "
        )
    return text


def _given_covariates(s: dict) -> str:
    """How labels were permuted where there are covariates."""
    if not s.get("covariates"):
        return ""
    if s["task"] == "regression":
        return (
            "What was permuted is the residuals of the outcome on the covariates, added back to "
            "the fit (Freedman & Lane 1983). "
        )
    return (
        "Permutations were drawn with their probability given the covariates, from a logistic "
        "regression of the labels on them (Berrett et al. 2020). "
    )


def _effect(study: Study) -> str:
    s = study.settings
    if s["task"] == LATENT:
        return report_latent.METHODS
    unit = UNIT.get(s["task"], "nats")
    return (
        "The effect of a pathway is the mean increase of the loss on held-out samples "
        f"({unit} per sample) when its unit is held at its training mean"
        f"{', the levels above computed again,' if isinstance(study.mask, Hierarchy) else ','} "
        f"averaged over the networks of a fold.{_PARTIAL if s['task'] == 'survival' else ''}"
    )


def _tests(study: Study) -> str:
    s = study.settings
    if not s["permutations"]:
        return "No labels were permuted, so that no effect was tested."
    moved = "pairs of time and event" if s["task"] == "survival" else "labels"
    if s["subjects"]:
        moved += " (of whole subjects where a subject has one label)"
    if s.get("strata"):
        moved += f" within {s['strata']} strata"
    top = int(study.stability["top"])
    repeated, edges = "Everything was repeated", _EDGES
    if s["task"] == LATENT:  # no network saw a label
        repeated, edges = "The comparison was repeated", ""
    return (
        f"{repeated} for {s['permutations']:,} permutations of the {moved}, which "
        "gives p = (1 + number of permutations with an effect at least as large) / "
        f"({s['permutations']:,} + 1) (Phipson & Smyth 2010), family-wise p-values by single-step "
        "max-T on effects standardised for each pathway (Westfall & Young 1993) and q-values "
        f"(Benjamini & Hochberg 1995). Pathways with a family-wise p or q of at most {LEVEL:g} "
        f"were selected. {edges}{_given_covariates(s)}"
        "Stability is the mean pairwise Spearman correlation of the effects between seeds and "
        f"between folds, and the index of Nogueira et al. (2018) for the top {top} of them. "
        "Pathways with a Jaccard index of at least 0.8 are reported as not separable."
    )


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
