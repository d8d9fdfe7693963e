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


def test_a_matrix_on_its_side_is_told_with_what_was_counted(tmp_path):
    path = tmp_path / "mask.csv"
    path.write_text("gene,p1,p2,p3\ng1,1,0,1\ng2,1,1,0\n")
    with pytest.raises(ReadError) as caught:
        bm.read_matrix(path, genes=["p3", "p1", "g2", 7])
    assert caught.value.problem == (
        "the matrix looks transposed: 2 of its 3 columns are genes of the data, and 1 of its 2 rows"
    )
    assert (caught.value.file, caught.value.genes) == (str(path), ["p1", "p3"])
    assert bm.read_matrix(path, genes=["p3", "g1"]).shape == (2, 3)  # as many there as here
    assert bm.read_matrix(path, genes=[]).shape == (2, 3)


def test_numbers_of_genes_are_compared_as_text(tmp_path):
    (tmp_path / "mask.csv").write_text("pathway,7157,672\nP,1,0\nQ,1,1\n")
    with pytest.raises(ReadError, match="2 of its 2 columns"):
        bm.read_matrix(tmp_path / "mask.csv", genes=[7157, 672])


def test_weights_and_encoding_reach_the_reader_of_each_kind(tmp_path):
    values = np.array([[0.5, 0], [1, -2]], np.float32)
    np.save(tmp_path / "npy", values)
    np.savez(tmp_path / "npz", m=values)
    (tmp_path / "csv").write_bytes("gene,é,q\na,0.5,0\nb,1,-2\n".encode("latin-1"))
    for name in ("npy.npy", "npz.npz", "csv"):
        found = bm.read_matrix(tmp_path / name, weighted=True, encoding="latin-1")
        assert found.edge_values.tolist() == [0.5, 1, -2]
        with pytest.raises(ReadError):
            bm.read_matrix(tmp_path / name, encoding="latin-1")
    assert found.pathways.tolist() == ["é", "q"]
    with pytest.raises(ReadError) as caught:
        bm.read_matrix(tmp_path / "csv", weighted=True)
    assert caught.value.code == "E-ENCODING"


def test_an_h5ad_file_is_sent_to_read_varm(tmp_path):
    (tmp_path / "mask").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(ReadError, match="Use read_varm") as caught:
        bm.read_matrix(tmp_path / "mask")
    assert caught.value.problem == "this is an HDF5 file, not a matrix"
    assert (caught.value.code, caught.value.file) == ("E-FORMAT", str(tmp_path / "mask"))


def test_a_gmt_file_is_no_matrix_and_a_matrix_no_gmt(tmp_path):
    bm.write_gmt(MASK, tmp_path / "mask.gmt")
    with pytest.raises(ReadError):
        bm.read_matrix(tmp_path / "mask.gmt")
    page = tmp_path / "page"
    page.write_text("<html>")
    with pytest.raises(ReadError, match="looks like HTML, not a table"):
        bm.read_matrix(page)
    (tmp_path / "mask.csv").write_bytes(files()["csv"])
    with pytest.raises(ReadError) as caught:
        bm.read_gmt(tmp_path / "mask.csv")
    assert caught.value.code == "E-GMT-TABS"


def test_every_refusal_is_a_biomask_error_and_a_value_error():
    assert issubclass(ReadError, BiomaskError)
    assert issubclass(ReadError, ValueError)
