"""read_matrix tells files by what is inside; rows 9 and 18 are in acceptance/."""

import io

import numpy as np
import pytest
from scipy import sparse

import biomask as bm
from biomask.errors import BiomaskError, ReadError

MASK = bm.Mask.from_dense(np.array([[1, 0], [1, 1]]), genes=["g1", "g2"], pathways=["p1", "p2"])


def files():
    """One content of each kind, all of the same matrix."""
    npy, npz, dense = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(npy, MASK.to_dense().to_numpy())
    sparse.save_npz(npz, MASK.to_scipy())
    np.savez(dense, m=MASK.to_dense(), genes=list(MASK.genes), pathways=list(MASK.pathways))
    return {
        "csv": MASK.to_dense().to_csv().encode(),
        "tsv": MASK.to_dense().to_csv(sep="\t").encode(),
        "npy": npy.getvalue(),
        "npz": npz.getvalue(),
        "dense npz": dense.getvalue(),
    }


@pytest.mark.parametrize("kind", files())
def test_any_kind_on_its_side(tmp_path, kind):
    path = tmp_path / "mask"
    path.write_bytes(files()[kind])
    names = bm.read_matrix(path).pathways
    with pytest.raises(ReadError, match="matrix looks transposed: 2 of its 2 columns") as caught:
        bm.read_matrix(path, genes=names)
    assert caught.value.code == "E-TRANSPOSED"


def test_an_h5ad_file_is_sent_to_read_varm(tmp_path):
    (tmp_path / "mask").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(ReadError, match="Use read_varm"):
        bm.read_matrix(tmp_path / "mask")


def test_a_gmt_file_is_no_matrix_and_a_matrix_no_gmt(tmp_path):
    bm.write_gmt(MASK, tmp_path / "mask.gmt")
    with pytest.raises(ReadError):
        bm.read_matrix(tmp_path / "mask.gmt")
    (tmp_path / "mask.csv").write_bytes(files()["csv"])
    with pytest.raises(ReadError) as caught:
        bm.read_gmt(tmp_path / "mask.csv")
    assert caught.value.code == "E-GMT-TABS"


def test_every_refusal_is_a_biomask_error_and_a_value_error():
    assert issubclass(ReadError, BiomaskError)
    assert issubclass(ReadError, ValueError)
