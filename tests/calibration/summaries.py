"""What the rows of many data sets say: rates, and the intervals they have to be in."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats


def interval(rate: float, n: float, confidence: float = 0.99) -> tuple[float, float]:
    """Where the share of `n` independent trials lies when each succeeds with probability `rate`."""
    n = max(1, int(n))
    low, high = stats.binom.interval(confidence, n, rate)
    return low / n, high / n


def type_one(table: pd.DataFrame, alpha: float, column: str = "p") -> tuple[float, float, float]:
    """Share of p <= alpha, and the 99 % interval it has to be in.

    The tests of one data set share its labels. The interval is that of a binomial with the number
    of tests divided by the design effect (Kish 1965): the variance of the share between data sets
    over the variance it would have if tests were independent, at least 1.
    """
    hit = table[column] <= alpha + 1e-12
    shares = hit.groupby(table["set"]).mean()
    tests_a_set = len(table) / len(shares)
    design_effect = max(1.0, shares.var() * tests_a_set / (alpha * (1 - alpha)))
    return float(hit.mean()), *interval(alpha, len(table) / design_effect)


def false_alarms(table: pd.DataFrame, alpha: float = 0.05) -> tuple[float, float]:
    """Share of data sets with any p_fwer <= alpha, and alpha + 2.58 standard errors."""
    alarms = table.groupby("set")["p_fwer"].min() <= alpha + 1e-12
    return float(alarms.mean()), alpha + 2.58 * np.sqrt(alpha * (1 - alpha) / len(alarms))


def trend(table: pd.DataFrame, column: str) -> tuple[float, float]:
    """Spearman correlation of p with a column over pooled data sets, and its 99 % half-width."""
    rho = stats.spearmanr(table["p"], table[column]).statistic
    return float(rho), 2.58 / np.sqrt(len(table) - 1)


def power(table: pd.DataFrame, column: str = "p", alpha: float = 0.05) -> float:
    """Share of the active pathways with p <= alpha."""
    return float((table.loc[table["active"], column] <= alpha + 1e-12).mean())


def decoy_rates(table: pd.DataFrame, alpha: float = 0.05) -> pd.DataFrame:
    """Share of p <= alpha of each kind of pathway (rows) by each test (columns)."""
    columns = {"p": "network effect", "p_weight": "network weight", "p_marginal": "t-test"}
    hits = table[list(columns)].rename(columns=columns) <= alpha + 1e-12
    return hits.groupby(table["kind"]).mean()


def edge_errors(table: pd.DataFrame, q: float = 0.05) -> dict[str, float]:
    """Discoveries at q, the mean over data sets of the false share, and signs that are right."""
    found = table[table["q"] <= q]
    false_share = (~found["active"]).groupby(found["set"]).mean()
    false_share = false_share.reindex(table["set"].unique(), fill_value=0.0)
    true = found[found["active"]]
    return {
        "discoveries": len(found),
        "false": int((~found["active"]).sum()),
        "fdr": float(false_share.mean()),
        "fdr_se": float(false_share.std() / np.sqrt(len(false_share))),
        "found": len(true) / max(1, int(table["active"].sum())),
        "sign_right": float((true["sign"] == true["true_sign"]).mean()),
        "null_p05": float((table.loc[~table["active"], "p"] <= q).mean()),
    }
