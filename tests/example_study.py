"""A study put together by hand, for the tests of what shows it; nothing was trained."""

from __future__ import annotations

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
P = len(SETS)  # 13: two pages
EFFECTS = [0.3, 0.2, 0.25, 0.1, 0.05, 0.04, *(0.01 - 0.002 * k for k in range(1, 8))]
P_FWER = [0.01, 0.02, 0.04, 0.06, 0.2, 0.5, *[1.0] * 7]
SAMPLES = [f"s{i}" for i in range(12)]


def example_study(**changes) -> bm.Study:
    """13 pathways, the first three selected; two folds of 8 and 4 samples, two seeds.

    With seed 0 alone every effect is twice the study's; with seed 1 alone it is 0 but for
    ``Twin two``, whose effect is that of seed 0 turned round.
    """
    mask = bm.Mask.from_sets(SETS, descriptions={"Interferon alpha": "R-HSA-909733 <i>"})
    effects = np.array(EFFECTS)
    ranks = pd.Series(-effects).rank().to_numpy()
    pathways = pd.DataFrame(
        {
            "size": mask.sizes().to_numpy(),
            "effect": effects,
            "p": np.minimum(1, np.array(P_FWER) / 2 + 0.005),
            "p_fwer": P_FWER,
            "q": np.minimum(1, np.array(P_FWER) / 1.5),
            "null_mean": 0.0,
            "null_low": -0.01,
            "null_high": 0.01,
            "selected": np.array(P_FWER) <= 0.05,
            "rank_low": np.maximum(1, ranks - 1),
            "rank_median": ranks,
            "rank_high": ranks + 1,
            "direction": [0.4, 0.2, -0.1, *[np.nan] * (P - 3)],
            "not_separable": pd.array(
                [1 if name.startswith("Twin") else pd.NA for name in SETS], "Int64"
            ),
        },
        index=pd.Index(list(SETS), name="pathway"),
    )
    parts = {
        "mask": mask,
        "pathways": pathways,
        "edges": _edges(mask),
        "scores": pd.DataFrame(
            {
                "fold": [0, 0, 1, 1],
                "seed": [0, 1, 0, 1],
                "accuracy": [1.0, 0.5, 0.75, 0.75],
                "auc": [0.9, 0.6, 0.8, 0.7],
            }
        ),
        "stability": pd.Series({"seeds": 0.5, "folds": 0.8, "top": 6.0}, name="stability"),
        "null": pd.DataFrame(
            np.linspace(-0.03, 0.03, 99 * P).reshape(99, P), columns=mask.pathways
        ).rename_axis("permutation"),
        "predictions": pd.DataFrame(
            {"y": ["ctrl", "stim"] * 6, "fold": [0] * 8 + [1] * 4, "prediction": 0.5}, SAMPLES
        ),
        "activity": pd.DataFrame(
            np.arange(12.0 * P).reshape(12, P), index=SAMPLES, columns=mask.pathways
        ),
        "settings": {
            "task": "binary", "classes": ["ctrl", "stim"], "samples": 12, "genes": mask.shape[0],
            "folds": 2, "seeds": 2, "permutations": 99, "subjects": None, "strata": None,
            "biomask": bm.__version__, "attainable": "",
        },
        "notes": ["3 of 13 pathways are selected <b>"],
        "effects": _by_network(effects, mask.pathways),
    }  # fmt: skip
    return bm.Study(**(parts | changes))


def _by_network(effects: np.ndarray, names: pd.Index) -> pd.DataFrame:
    """Rows as in the scores: fold 0 (8 samples) has 1.25 of a seed's effect, fold 1 (4) half."""
    one, other = 2 * effects, np.zeros(P)
    turned = list(names).index("Twin two")
    one[turned], other[turned] = -0.02, 0.1  # mean 0.04
    rows = [1.25 * one, 1.25 * other, 0.5 * one, 0.5 * other]
    return pd.DataFrame(rows, columns=names)


def _edges(mask: bm.Mask) -> pd.DataFrame:
    edges = mask.to_edges()[["gene", "pathway"]]
    edges = edges[edges["pathway"].isin(list(SETS)[:3])].reset_index(drop=True)
    n = len(edges)  # 4 + 3 + 2
    return edges.assign(
        effect=[0.01, 0.2, 0.1, -0.01, 0.05, 0.15, 0.02, 0.1, 0.01],
        p=[0.5, *[0.01] * (n - 1)],
        q=[0.6, *[0.02] * (n - 1)],
        sign=[0, *[1] * (n - 2), -1],
        sign_agreement=[0.5, *[1.0] * (n - 2), 0.75],
    )
