"""What state expression values are in: counts, normalised, logged, logged twice, centred."""

from __future__ import annotations

import numpy as np

# One log1p of counts normalised to 10,000 stays below 9.3, two below 2.4.
_TWICE_LOGGED_MAX = 2.4
_LOGGED_MAX = 30.0
_EQUAL_TOTALS = 1e-3  # relative spread of the samples' totals


def state_of(values: np.ndarray, all_genes: np.ndarray) -> tuple[str, str]:
    """Name the state of the values.

    Parameters
    ----------
    values : float32 array, shape (n_samples, n_genes)
        The aligned values; their range is judged.
    all_genes : float32 array, shape (m_samples, all_genes)
        Some samples with every gene of the data: only their totals show a normalisation.

    Returns
    -------
    (state, advice)
        `advice` is "" when the values are fit for a network.
    """
    low, high = float(values.min()), float(values.max())
    whole = low >= 0 and bool((values == np.floor(values)).all())
    return state_from(low, high, whole, all_genes)


def state_from(low: float, high: float, whole: bool, all_genes: np.ndarray) -> tuple[str, str]:
    """The same from the range of the values, and whether all are whole numbers."""
    if low < 0:
        return "centred or scaled (negative values)", ""
    if whole and high <= 2:
        return "small whole numbers (0, 1, 2)", ""
    if whole:
        return "raw counts (whole numbers)", (
            "Normalise and log them before aligning (scanpy: normalize_total, log1p): the totals "
            "need all genes, and counts as they are saturate a network."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        once = np.expm1(all_genes.astype(np.float64))
        totals = {
            "normalised to equal totals, not logged": all_genes.astype(np.float64).sum(axis=1),
            "normalised and log1p": once.sum(axis=1),
            "log1p applied twice": np.expm1(once).sum(axis=1),
        }
    for state, sums in totals.items():
        if _equal(sums):
            return state, _ADVICE.get(state, "")
    return _by_range(low, high)


_ADVICE = {
    "normalised to equal totals, not logged": "Log them (log1p) unless this is what you want.",
    "log1p applied twice": "Undo one of them (numpy.expm1).",
}


def _equal(totals: np.ndarray) -> bool:
    if len(totals) < 3 or not np.isfinite(totals).all() or totals.min() <= 0:
        return False
    return bool(np.ptp(totals) <= _EQUAL_TOTALS * totals.mean())


def _by_range(smallest: float, largest: float) -> tuple[str, str]:
    span = f"{smallest:.3g} to {largest:.3g}"
    if largest > _LOGGED_MAX:
        return f"not logged (values from {span})", "Log them (log1p) unless this is what you want."
    if largest <= 1:
        return f"on a unit scale (values from {span})", ""
    if largest <= _TWICE_LOGGED_MAX:
        return f"logged, perhaps twice (values from {span})", ""
    return f"logged (values from {span})", ""
