"""Study: the results of a cross-fit as labelled tables, saved and read without TensorFlow."""

from __future__ import annotations

import dataclasses
import html
import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from biomask.errors import BiomaskError, StorageError
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.masks.packing import (
    hierarchy_from_config,
    hierarchy_to_config,
    mask_from_config,
    mask_to_config,
)
from biomask.storage import check_manifest, read_zip, write_zip

SCHEMA = 1
_KIND = "biomask study"
# Which of a task's scores is shown where there is room for one.
MAIN_SCORE = {
    "binary": "auc",
    "multiclass": "accuracy",
    "regression": "r2",
    "survival": "concordance",
    "autoencoder": "r2",
}
_TABLES = ("pathways", "edges", "scores", "null", "predictions", "activity", "effects")
_ARRAYS = ("null", "activity", "effects")  # of pathways; their numbers are kept as .npy
SHOWN = 10  # pathways in the HTML table


@dataclass(frozen=True, eq=False)
class Study:
    """What `biomask.crossfit` found.

    Attributes
    ----------
    mask : Mask or Hierarchy
    pathways : DataFrame, indexed by pathway
        ``size``; ``effect``: increase of the held-out loss without the pathway, per sample (nats,
        or variances of y), or for autoencoders the difference in activity (standard deviations);
        ``p``, ``p_fwer``, ``q``; ``selected``: p_fwer or q at most .05;
        ``null_mean``, ``null_low``, ``null_high``: mean, 5 % and 95 % quantile of the effect under
        permuted labels; ``rank_low``, ``rank_median``, ``rank_high``
        over folds and seeds; ``direction``: sign and size of the held-out change of the outcome
        when the pathway's genes go up (``direction_CLASS`` for several classes);
        ``not_separable``: number of the group of pathways with nearly the same genes, missing for
        most. Of a hierarchy every unit once, with ``level``, ``depth`` and ``parents``
        (`Hierarchy.table`); its size and its genes are those below it.
    edges : DataFrame
        ``gene``, ``pathway``, ``effect``, ``p``, ``q``, ``sign``, ``sign_agreement`` of the edges
        inside selected pathways. Of a hierarchy also ``level``: 0 for edges from genes; above,
        ``gene`` names the child from which an edge runs to its parent.
    scores : DataFrame
        Held-out scores, a row each ``fold`` and ``seed``; ``recall_CLASS`` is the share of that
        class's samples that are predicted to be of it.
    stability : Series
        Mean Spearman correlation of the effects between ``seeds`` and between ``folds``, and
        Nogueira's index of the ``top`` selection with its interval.
    null : DataFrame, permutations x pathways
        The effects under permuted labels.
    predictions : DataFrame, indexed by sample
        ``y``, ``fold``, and the held-out ``prediction`` (``prediction_CLASS`` for several
        classes), the mean over seeds: a probability, or a value. For survival ``time`` and
        ``event`` instead of ``y``, and the log risk, less its mean over the fold. For autoencoders
        the ``squared_error`` of the reconstruction instead, a mean over genes.
    activity : DataFrame, samples x pathways
        Held-out activity, turned to rise with the pathway's genes; the mean over seeds. Of
        autoencoders standardised by the training samples.
    settings : dict
        Everything the result depends on, with the digests of mask, data and labels. ``classes``
        are those of ``predictions["y"]``; their text is the CLASS of column names.
    notes : list of str
        What has to be said with the tables.
    effects : DataFrame, rows as in `scores` x pathways
        The effect in each fold with each seed, whose mean over seeds, folds weighted by their
        samples, is ``pathways["effect"]``; of autoencoders the difference among the held-out
        samples alone. Empty where the file was written without it, or a fold lacks a group.
    """

    mask: Mask | Hierarchy
    pathways: pd.DataFrame
    edges: pd.DataFrame
    scores: pd.DataFrame
    stability: pd.Series
    null: pd.DataFrame
    predictions: pd.DataFrame
    activity: pd.DataFrame
    settings: dict
    notes: list[str]
    effects: pd.DataFrame = field(default_factory=pd.DataFrame)

    def replace(self, **changes) -> Study:
        """A copy with some parts changed."""
        return dataclasses.replace(self, **changes)

    def top(self, n: int = 10) -> pd.DataFrame:
        """The `n` pathways of the largest effect."""
        return self.pathways.sort_values("effect", ascending=False, kind="stable").head(n)

    def save(self, path: str | Path) -> None:
        """Write the study to one file: no pickle, every member hashed, the same bytes each time.

        Raises
        ------
        StorageError
            The file cannot be written; an older file of that name is left as it was.
        """
        members = {f"{name}.json": _table_bytes(getattr(self, name)) for name in _TABLES}
        members["stability.json"] = _table_bytes(self.stability.to_frame())
        members["mask.json"] = json.dumps(_mask_config(self.mask)).encode()
        for name in _ARRAYS:
            members[f"{name}.npy"] = _array_bytes(getattr(self, name).to_numpy())
            members[f"{name}.json"] = _table_bytes(getattr(self, name).iloc[:, :0])
        manifest = {
            "kind": _KIND,
            "schema": SCHEMA,
            "settings": self.settings,
            "notes": self.notes,
        }
        write_zip(path, members, manifest)

    def __repr__(self) -> str:
        return (
            f"Study({len(self.pathways):,} pathways, {self.settings['samples']:,} samples, "
            f"{self.settings['folds']} folds x {self.settings['seeds']} seeds x "
            f"{self.settings['permutations'] + 1} label vectors)"
        )

    def _repr_html_(self) -> str:
        columns = ["size", "effect", "p", "p_fwer", "q", "rank_low", "rank_high"]
        table = self.top(SHOWN)[columns].to_html(float_format="{:.3g}".format, escape=True)
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return f"<p><b>{html.escape(repr(self))}</b></p><ul>{notes}</ul>{table}"


def load_study(path: str | Path) -> Study:
    """Read what `Study.save` wrote.

    Raises
    ------
    StorageError
        No such file, damaged, altered, of another kind, or written by a newer biomask.
    """
    manifest, members = read_zip(path)
    settings = manifest.get("settings")
    written_by = settings.get("biomask") if isinstance(settings, dict) else None
    check_manifest(manifest, path, kind=_KIND, schema=SCHEMA, written_by=written_by)
    try:
        if not isinstance(settings, dict):
            raise TypeError(f"settings are {settings!r}")
        config = json.loads(members["mask.json"])
        mask = (hierarchy_from_config if "levels" in config else mask_from_config)(config)
        held = [name for name in _TABLES if name != "effects" or "effects.npy" in members]
        tables = {name: _read_table(members[f"{name}.json"]) for name in held}
        for name in set(_ARRAYS) & set(held):
            values = np.load(io.BytesIO(members[f"{name}.npy"]), allow_pickle=False)
            names = mask.pathways if values.shape[1] else None
            tables[name] = pd.DataFrame(values, index=tables[name].index, columns=names)
        stability = _read_table(members["stability.json"])["stability"]
        return Study(
            mask=mask,
            stability=stability,
            settings=settings,
            notes=list(manifest["notes"]),
            **tables,
        )
    except Exception as error:  # what pandas and NumPy raise for nonsense is of every kind
        why = error.problem if isinstance(error, BiomaskError) else repr(error)
        if isinstance(error, KeyError):
            why = f"{error} is missing"
        raise StorageError(
            f"the study inside is damaged: {why}",
            code="E-STUDY-FILE",
            file=path,
            hint="Restore it from a copy.",
        ) from error


def _mask_config(mask: Mask | Hierarchy) -> dict:
    return (hierarchy_to_config if isinstance(mask, Hierarchy) else mask_to_config)(mask)


def _array_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _table_bytes(table: pd.DataFrame) -> bytes:
    """A table as JSON with its dtypes; numbers come back to the last bit."""
    content = {
        "index": {"name": table.index.name, **_column(table.index.to_series())},
        "columns": [{"name": str(name), **_column(table[name])} for name in table.columns],
    }
    return json.dumps(content).encode()


def _column(values: pd.Series) -> dict:
    kind = str(values.dtype)
    if kind.startswith(("int", "uint", "float", "bool")):
        return {"dtype": kind, "values": values.tolist()}
    if kind == "Int64":
        return {"dtype": kind, "values": [None if pd.isna(v) else int(v) for v in values]}
    return {"dtype": "object", "values": [v if isinstance(v, str) else str(v) for v in values]}


def _read_table(content: bytes) -> pd.DataFrame:
    parts = json.loads(content)
    index = pd.Index(
        parts["index"]["values"], dtype=parts["index"]["dtype"], name=parts["index"]["name"]
    )
    columns = {
        part["name"]: pd.Series(part["values"], index=index, dtype=part["dtype"])
        for part in parts["columns"]
    }
    return pd.DataFrame(columns, index=index)
