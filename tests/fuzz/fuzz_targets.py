"""Readers under fuzzing: bytes in, a checked Mask or Hierarchy or a BiomaskError out."""

from __future__ import annotations

import gzip
import io
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
from scipy import sparse

import biomask as bm
from biomask import hdf5
from biomask.datasets.catalogue import GENE_SETS, RELATIONS

PATIENCE = 10  # seconds for HDF5, which needs .3: half of what an input may take
CUT = b"\n=====\n"  # between the parts of an input of several files
MEMBERS = ("format", "shape", "data", "indices", "indptr", "genes", "pathways")
DENSE = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0], [1, 0, 0]])
GENES, PATHWAYS = ["TP53", "nan", "7157", "ATM"], ["P 1", "NA", "P3"]
SETS = (
    b"Cell cycle\tR-HSA-1\tTP53\tCDK1\tATM\nMitosis\tR-HSA-2\tTP53\tCDK1\n"
    b"007\tR-HSA-3\tTP53\nApoptosis\tR-HSA-4\tATM\tBAX\n"
)
OBO = b"""format-version: 1.2

[Term]
id: R-HSA-1
name: process

[Term]
id: R-HSA-2
is_a: R-HSA-1 {source="x"} ! process
relationship: part_of R-HSA-4 ! other

[Typedef]
id: part_of
"""


class Target(NamedTuple):
    """Readers of one kind of file, inputs that they read, and what their files consist of."""

    calls: Callable[[Path, bytes], list[Callable]]
    seeds: Callable[[], list[bytes]]
    tokens: tuple[bytes, ...]


def check(name: str, raw: bytes) -> list[bm.Mask]:
    """The masks that the readers of a target make of `raw`.

    Anything raised is a finding: errors that a user may meet are caught here.
    """
    masks = []
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        mock.patch.object(hdf5, "SECONDS", PATIENCE),
    ):
        warnings.simplefilter("ignore")
        for read in TARGETS[name].calls(Path(folder), raw):
            try:
                found = read()
            except bm.BiomaskError as error:
                if not (error.code and str(error)):
                    raise TypeError("an error without code or text") from error
            else:
                masks += found if isinstance(found, bm.Hierarchy) else [found]
    for mask in masks:
        check_mask(mask)
    return masks


def check_mask(mask: bm.Mask) -> None:
    """Names that occur once, and finite edges between them."""
    edges = mask.to_edges()
    if not (mask.n_edges == len(edges) > 0 and np.isfinite(mask.edge_values).all()):
        raise TypeError("a mask without edges, or with weights that are not finite")
    for kind, names in (("gene", mask.genes), ("pathway", mask.pathways)):
        if not (names.is_unique and all(names) and set(edges[kind]) <= set(names)):
            raise TypeError(f"{kind}s without a name, named twice, or unknown to the mask")


# ------------------------------------------------------------------------ readers


def written(folder: Path, raw: bytes, name: str = "input") -> Path:
    (folder / name).write_bytes(raw)
    return folder / name


def gmt_calls(folder: Path, raw: bytes) -> list[Callable]:
    read = partial(bm.read_gmt, written(folder, raw))
    lenient = [
        partial(read, on_duplicate=way, on_empty="keep") for way in ("first", "union", "rename")
    ]
    return [read, *lenient, partial(read, encoding="utf-16")]


def matrix_calls(folder: Path, raw: bytes) -> list[Callable]:
    read = partial(bm.read_matrix, written(folder, raw))
    return [read, partial(read, weighted=True, genes=GENES)]


def npz_calls(folder: Path, raw: bytes) -> list[Callable]:
    """The parts of `raw` are members of an archive whose checksums are right."""
    with zipfile.ZipFile(folder / "input", "w") as archive:
        for name, part in zip(MEMBERS, raw.split(CUT), strict=False):
            archive.writestr(f"{name}.npy", part)
    read = partial(bm.read_matrix, folder / "input")
    return [read, partial(read, weighted=True)]


def edge_calls(folder: Path, raw: bytes) -> list[Callable]:
    read = partial(bm.read_edges, written(folder, raw))
    return [read, partial(read, weighted=False, on_self_loop="keep")]


def varm_calls(folder: Path, raw: bytes) -> list[Callable]:
    return [partial(bm.read_varm, written(folder, raw), "mask", weighted=True)]


def hierarchy_calls(folder: Path, raw: bytes) -> list[Callable]:
    """The gene sets, and after them the relations."""
    sets, _, relations = raw.partition(CUT)
    read = partial(
        bm.read_hierarchy, written(folder, sets, "gmt"), written(folder, relations, "relations")
    )
    return [
        read,
        partial(read, min_genes=2, max_depth=2, residual=True),
        partial(read, part_of=True),
    ]


# ------------------------------------------------------------------------ what they read


def _saved(save: Callable, *args, **arrays) -> bytes:
    out = io.BytesIO()
    save(out, *args, **arrays)
    return out.getvalue()


def _head(path: Path, lines: int) -> bytes:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return b"".join(file.readline()[:400].rstrip() + b"\n" for _ in range(lines))


def gmt_seeds() -> list[bytes]:
    real = _head(Path(GENE_SETS["hallmark"].path), 2)
    return [SETS, real, gzip.compress(SETS), SETS.replace(b"\n", b"\r\n"), SETS + SETS + b"A\t\n"]


def matrix_seeds() -> list[bytes]:
    frame = pd.DataFrame(DENSE, GENES, PATHWAYS)
    named = {"genes": GENES, "pathways": PATHWAYS}
    return [
        frame.to_csv().encode(),
        frame.to_csv(sep="\t", quoting=1).encode(),
        (frame / 2).to_csv().encode(),
        _saved(np.save, DENSE),
        _saved(np.savez, DENSE, **named),
        _saved(np.savez_compressed, mask=DENSE, **named),
        _saved(sparse.save_npz, sparse.csr_array(DENSE), compressed=False),
    ]


def npz_seeds() -> list[bytes]:
    seeds = []
    for layout in ("csc", "csr"):
        m = sparse.csc_array(DENSE).asformat(layout)
        arrays = [layout, m.shape, m.data, m.indices, m.indptr, GENES, PATHWAYS]
        seeds.append(CUT.join(_saved(np.save, np.array(array)) for array in arrays))
    return seeds


def edge_seeds() -> list[bytes]:
    return [
        b"gene,pathway\nTP53,P1\nATM,P1\nTP53,P2\n",
        b"source\ttarget\tweight\nP1\tTP53\t1\nP1\tATM\t-0.5\nP2\tTP53\t1e-3\n",
        gzip.compress(b"gene,pathway\nTP53,TP53\nTP53,P1\nTP53,P1\n"),
    ]


def varm_seeds() -> list[bytes]:
    import anndata

    var = pd.DataFrame(index=np.array(GENES, dtype=object))
    frame = pd.DataFrame(DENSE, index=var.index, columns=np.array(PATHWAYS, dtype=object))
    seeds = []
    with tempfile.TemporaryDirectory() as folder:
        for mask in (frame, DENSE, sparse.csr_matrix(DENSE)):
            adata = anndata.AnnData(np.ones((2, 4), np.float32), var=var)
            adata.varm["mask"] = mask
            adata.uns["mask_names"] = np.array(["a", "b", "c"], dtype=object)
            adata.write_h5ad(Path(folder) / "x.h5ad")
            seeds.append((Path(folder) / "x.h5ad").read_bytes())
    return seeds


def hierarchy_seeds() -> list[bytes]:
    tables = [
        b"R-HSA-1\tR-HSA-2\nR-HSA-2\tR-HSA-3\nR-BTA-1\tR-BTA-2\n",
        b"child,parent\nMitosis,Cell cycle\n007,R-HSA-2\n007,R-HSA-4\n",
        OBO,
    ]
    real = _head(Path(RELATIONS["reactome"].path), 20)
    lines = _head(Path(GENE_SETS["reactome"].path), 2000).splitlines(keepends=True)
    sets = b"".join([line for line in lines if line.split(b"\t")[1] in real][:5])
    return [*(SETS + CUT + table for table in tables), sets + CUT + real]


_NAMES = (b"TP53", b"nan", b"P1", b"\xc3\xa9", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"=1", b"\x0b")
_TEXT = (*_NAMES, b"\t", b"\n", b"\r", b",", b'"', b";", b" ", b"\0", b"\xff", b"\xef\xbb\xbf")
_NUMBERS = (b"0", b"1", b"-1", b"nan", b"1e400", b"\xd9\xa1", b"1_0", b"1e-320", b"0x1")
_BYTES = (b"\0" * 8, b"\xff" * 8, b"\x7f", b"(", b"10**9", b"'|O'", b"'<U99999999'", b"'<f8'", CUT)

TARGETS: Mapping[str, Target] = {
    "gmt": Target(gmt_calls, cache(gmt_seeds), _TEXT),
    "matrix": Target(matrix_calls, cache(matrix_seeds), (*_TEXT, *_NUMBERS, *_BYTES)),
    "npz": Target(npz_calls, cache(npz_seeds), _BYTES),
    "edges": Target(edge_calls, cache(edge_seeds), (*_TEXT, *_NUMBERS, b"gene", b"weight")),
    "varm": Target(
        varm_calls, cache(varm_seeds), (b"\0", b"\xff", b"array", b"csr_matrix", b"TREE")
    ),
    "hierarchy": Target(
        hierarchy_calls,
        cache(hierarchy_seeds),
        (*_TEXT, CUT, b"child,parent\n", b"[Term]\n", b"id: ", b"is_a: ", b"R-HSA-2", b"\\", b"{"),
    ),
}
