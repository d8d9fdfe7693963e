"""Times and events: matched and checked, reduced to what a partial likelihood sees, scored."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from biomask.errors import BiomaskWarning, DataError, listed
from biomask.inference.losses import partial_likelihood
from biomask.masks.matrices import sample_values

COLUMNS = ("time", "event")


def read_outcome(y) -> dict[str, pd.Series | np.ndarray]:
    """The columns ``time`` and ``event`` of y.

    Parameters
    ----------
    y : DataFrame with these columns in any order, or array, shape (n, 2), time first

    Raises
    ------
    DataError
        Other columns, or another shape.
    """
    y, by_name = sample_values(y, "y")
    if isinstance(y, pd.DataFrame):
        if sorted(map(str, y.columns)) != sorted(COLUMNS):
            raise DataError(
                f"y has the columns {listed(y.columns, 5)}, task='survival' needs exactly 'time' "
                "and 'event'",
                code="E-SURVIVAL",
                hint='Choose and rename them: y[["days", "died"]].set_axis(["time", "event"], '
                "axis=1).",
            )
        return {name: y[name] if by_name else y[name].to_numpy() for name in COLUMNS}
    if np.ndim(y) != 2 or np.shape(y)[1] != 2:
        raise DataError(
            f"y has shape {np.shape(y)}, task='survival' needs a time and an event for each sample",
            code="E-SURVIVAL",
            hint="Pass a DataFrame with the columns time and event, or an array (samples, 2).",
        )
    return dict(zip(COLUMNS, np.asarray(y).T, strict=True))


def checked_outcome(y: pd.DataFrame) -> pd.DataFrame:
    """Time as float64 and event as 0/1 int64.

    Raises
    ------
    DataError
        Times that are no numbers, negative, infinite or all the same; events other than 0 and 1,
        or none.
    """
    try:
        y = y.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"time and event must be numbers: {error}", code="E-LABELS") from error
    wrong = y.index[~(np.isfinite(y["time"]) & (y["time"] >= 0))]
    if len(wrong):
        raise DataError(
            f"time is negative or infinite for {len(wrong)} samples, such as {listed(wrong, 3)}",
            code="E-LABELS",
            hint="Count time from the start of follow-up of each sample.",
        )
    wrong = y.index[~y["event"].isin([0, 1])]
    if len(wrong):
        raise DataError(
            f"event is neither 0 nor 1 for {len(wrong)} samples, such as {listed(wrong, 3)} "
            f"({y.loc[wrong[0], 'event']:g})",
            code="E-LABELS",
            hint="1 stands for an event that was seen, 0 for censored.",
        )
    if not y["event"].any():
        raise DataError(
            "no sample has an event (event = 1), so there is nothing to learn",
            code="E-EVENTS",
            hint="1 stands for an event that was seen, 0 for censored.",
        )
    if y["time"].min() == y["time"].max():
        raise DataError(f"time is {y['time'].iloc[0]:g} for every sample", code="E-LABELS")
    return y.astype({"event": np.int64})


def event_ranks(y: pd.DataFrame) -> np.ndarray:
    """What the partial likelihood sees of times and events, float32, shape (n, 2).

    The first column is the number of distinct event times up to the sample's time, the second the
    event. Risk sets, ties and comparable pairs stay what they were; samples that were censored
    between the same two events become equal, as they are; and float32 holds the ranks exactly.
    """
    events = np.unique(y.loc[y["event"] == 1, "time"])
    rank = np.searchsorted(events, y["time"], side="right")
    return np.column_stack([rank, y["event"]]).astype(np.float32)


def check_folds(event: np.ndarray, held_out: Sequence[np.ndarray]) -> None:
    """Warn of folds that hold out no event, and refuse too few events for as many folds.

    Folds are not balanced by events: see `biomask.inference.folds`.

    Raises
    ------
    DataError
        Fewer than two events for each fold.
    """
    total = int(event.sum())
    if total < 2 * len(held_out):
        raise DataError(
            f"{total} events are too few for {len(held_out)} folds: 2 for each are the least",
            code="E-EVENTS",
            hint="Use fewer folds; with a dozen events little can be found anyway.",
        )
    empty = [str(f + 1) for f, part in enumerate(held_out) if not event[part].any()]
    if empty:
        warnings.warn(
            f"no event is held out in fold {', '.join(empty)} of {len(held_out)}, which adds "
            "nothing to any effect and has no score. Use fewer folds or another random_state.",
            BiomaskWarning,
            stacklevel=4,
        )


def survival_score(y: np.ndarray, log_risk: np.ndarray) -> dict[str, float]:
    """Held-out scores of one network.

    Parameters
    ----------
    y : array, shape (n, 2)
        Time and event.
    log_risk : float array, shape (n,)

    Returns
    -------
    dict
        ``partial_loss``, the negative log partial likelihood (Breslow) per event, in nats, and
        ``concordance`` (Harrell's, by lifelines); NaN without an event, or a pair to compare.
    """
    from lifelines.utils import concordance_index  # takes two seconds to import

    time, event = y.T
    loss = partial_likelihood(log_risk[:, None].astype(np.float64), time, event).sum()
    try:
        concordance = float(concordance_index(time, -log_risk, event))
    except ZeroDivisionError:  # no two samples can be compared
        concordance = np.nan
    return {
        "partial_loss": float(loss / event.sum()) if event.any() else np.nan,
        "concordance": concordance,
    }
