"""One small study per task, trained by `crossfit`: what the tests of studies and views start from.

Labels follow the genes of the interferon sets, so that these come first in every study. Names
that would be markup or a spreadsheet formula are names of gene sets here, as a file may have them.
"""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pandas as pd

import biomask as bm

EVIL = '<script>document.title="taken"</script><img src=x onerror="document.title=1">'
EVIL_GENE = '<img src=x onerror="document.title=2">'
FORMULA = '=HYPERLINK("http://x")'
SETS = {
    "Interferon alpha": ["IFIT1", "IFIT3", "IRF7", "MX1"],
    "Interferon gamma": ["IRF7", "IFIT3", "STAT1"],
    EVIL: ["STAT1", EVIL_GENE],
    FORMULA: ["TP53", "MDM2"],
    "Twin one": ["TP53", "CDKN1A", "BAX"],
    "Twin two": ["TP53", "CDKN1A", "BAX"],
    **{f"Filler {k:02d}": [f"F{k}", "COMMON"] for k in range(1, 8)},
}
PARENTS = {"Interferon alpha": "Interferon", "Interferon gamma": "Interferon"}
CALL = {"folds": 2, "seeds": 2, "permutations": 19, "epochs": 20, "learning_rate": 1e-2}
KINDS = (
    "binary", "multiclass", "gaps", "regression", "survival", "autoencoder", "hierarchy",
    "covariates", "groups", "watched",
)  # fmt: skip


def mask() -> bm.Mask:
    """13 gene sets, more than one page of the explorer; one with a description."""
    return bm.Mask.from_sets(SETS, descriptions={"Interferon alpha": "R-HSA-909733 <i>"})


def hierarchy() -> bm.Hierarchy:
    """The same sets with a parent above the two interferon sets."""
    genes = [gene for name in PARENTS for gene in SETS[name]]
    sets = bm.Mask.from_sets(SETS | {"Interferon": sorted(set(genes))})
    relations = pd.DataFrame(PARENTS.items(), columns=["child", "parent"])
    return bm.Hierarchy.from_sets(sets, relations)


def data(n: int = 60) -> tuple[pd.DataFrame, pd.Series]:
    """(X, signal): n samples of all genes; the signal is the sum of the interferon genes."""
    rng = np.random.default_rng(11)
    genes = mask().genes
    X = pd.DataFrame(rng.normal(size=(n, len(genes))), [f"s{i}" for i in range(n)], genes)
    return X, X[SETS["Interferon alpha"]].sum(axis=1) + rng.normal(scale=0.3, size=n)


def assert_same(a: bm.Study, b: bm.Study) -> None:
    """Equal to the last bit, types and order included."""
    for part in dataclasses.fields(bm.Study):
        one, other = getattr(a, part.name), getattr(b, part.name)
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other, check_exact=True)
        elif isinstance(one, pd.Series):
            pd.testing.assert_series_equal(one, other, check_exact=True)
        else:
            assert one == other


@cache
def study_of(kind: str) -> bm.Study:
    """The study of one of `KINDS`; trained once per process, and never to be changed."""
    X, signal = data(420 if kind == "watched" else 60)
    rng = np.random.default_rng(5)
    two = pd.Series(np.where(signal > 0, "stim", "ctrl"), X.index, name="condition")
    third = signal.rank(method="first").to_numpy() * 3 // (len(X) + 1)
    third = third.astype(int)
    options: dict = {
        "task": kind if kind in ("regression", "survival", "autoencoder") else "binary"
    }
    y: pd.Series | pd.DataFrame = two
    if kind == "multiclass":
        options["task"] = "multiclass"
        y = pd.Series(np.array(["B", "CD4 T", "monocyte"])[third], X.index, name="cell type")
    elif kind == "gaps":
        options["task"] = "multiclass"
        y = pd.Series(np.array([1, 2, 5])[third], X.index, name="stage")
    elif kind == "regression":
        y = signal.rename("dose")
    elif kind == "survival":
        y = pd.DataFrame({"time": np.exp(-signal), "event": rng.random(len(X)) < 0.8}, X.index)
    elif kind == "covariates":
        age = pd.Series(rng.normal(50, 10, len(X)), X.index)
        options["covariates"] = pd.DataFrame({"age": age, "sex": rng.choice(["f", "m"], len(X))})
    elif kind == "groups":
        donor = two.groupby(two).cumcount() % 6
        options["groups"] = two + " donor " + donor.astype(str)
    elif kind == "watched":
        options |= {"folds": 5, "seeds": 1, "epochs": 2}
    wired = hierarchy() if kind == "hierarchy" else mask()
    return bm.crossfit(wired, X, y, **(CALL | options), progress=False)
