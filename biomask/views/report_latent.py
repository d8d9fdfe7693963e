"""The sentences of a report about autoencoders: two groups compared, nothing predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from biomask.inference.study import Study

TASK = "autoencoder"
EFFECT = "difference in held-out latent activity, in standard deviations, without its sign"
NO_GENES = "No gene was tested: a latent variable is compared between the groups as a whole."
NOT_COMPARED = (
    "Not tested: compare_models, which would, compares predictions, and autoencoders make none."
)
PATHWAYS = (
    "The effect of a pathway is the difference between the mean activities of the two groups in "
    "held-out samples, in standard deviations within groups."
)
GENES_UP = "the group in which the genes of the pathway are up, as its activity says"
RECONSTRUCTION = (
    "Squared error of the reconstruction of every held-out sample, the mean over genes and seeds, "
    "in variances of a gene. Boxes hold half of the samples."
)
METHODS = (
    "The effect of a pathway is |m1 − m0| / s, with m the means of the activity in the two groups "
    "and s the pooled standard deviation within them (Cohen 1988), over all samples. The activity "
    "of a sample is that of its latent variable in the networks that were trained without it, "
    "standardised by their training samples and turned to rise with the mean expression of the "
    "pathway’s genes"
)


def heading(study: Study) -> str:
    """The question of the study, as a title."""
    zero, one = study.settings["classes"]
    return f"Pathways whose activity differs between “{one}” and “{zero}”"


def largest(study: Study, name: str) -> str:
    """The size of one pathway's effect, in words that follow its name."""
    zero, one = study.settings["classes"]
    row = study.pathways.loc[name]
    higher, lower = (one, zero) if row["direction"] > 0 else (zero, one)
    return f"{row['effect']:.2g} standard deviations higher in “{higher}” than in “{lower}”"


def no_reconstruction(study: Study) -> str:
    """A warning where the networks learnt nothing, or ""."""
    r2 = float(study.scores["r2"].mean())
    if r2 > 0:
        return ""
    return (
        "the networks reconstruct held-out samples no better than the training mean of every gene "
        f"does (mean r2 {r2:.3g}), so the latent variables mean little"
    )


def aim(settings: dict) -> str:
    """What the networks were trained for."""
    zero, one = settings["classes"]
    return (
        "reconstruct the genes from the units over the same connections, without knowing which "
        f"are “{one}” and which “{zero}”,"
    )
