"""Masks beside the data; row 21 is in acceptance/."""

import os
import subprocess
import sys

import anndata
import anndata.tests.helpers
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import biomask as bm
from biomask.errors import ReadError

DENSE = np.array([[1, 0], [1, 1], [0, 1]])
GENES = ["TP53", "nan", "7157"]


@pytest.fixture
def adata():
    data = anndata.AnnData(np.ones((4, 3), np.float32), var=pd.DataFrame(index=GENES))
    data.varm["frame"] = pd.DataFrame(DENSE, index=GENES, columns=["P 1", "NA"])
    data.varm["array"] = DENSE
    data.varm["sparse"] = sparse.csr_matrix(DENSE)
    data.varm["weights"] = DENSE * 0.5
    data.uns["array_names"] = np.array(["a", "b"])
    data.uns["mine"] = ["c", "d"]
    data.uns["short"] = ["c"]
    return data


@pytest.fixture(params=["memory", "file"])
def source(request, adata, tmp_path):
    if request.param == "memory":
        return adata
    adata.write_h5ad(tmp_path / "data.h5ad")
    return tmp_path / "data.h5ad"


def test_a_frame_brings_its_names(source):
    mask = bm.read_varm(source, "frame")
    assert mask.genes.tolist() == GENES
    assert mask.pathways.tolist() == ["P 1", "NA"]
    assert (mask.to_dense().to_numpy() == DENSE).all()
    assert mask.report.empty


@pytest.mark.parametrize(
    ("key", "pathways", "names", "note"),
    [
        ("array", None, ["a", "b"], ["named pathways", "uns['array_names']"]),
        ("array", "mine", ["c", "d"], ["named pathways", "uns['mine']"]),
        ("array", ["e", "f"], ["e", "f"], None),
        ("frame", ["e", "f"], ["e", "f"], None),
        ("frame", "mine", ["c", "d"], ["named pathways", "uns['mine']"]),
        ("sparse", None, ["pathway_0", "pathway_1"], ["generated names", "pathways"]),
    ],
)
def test_names_of_arrays(source, key, pathways, names, note):
    mask = bm.read_varm(source, key, pathways=pathways)
    assert mask.pathways.tolist() == names
    assert (mask.to_dense().to_numpy() == DENSE).all()
    assert mask.report[["action", "subject"]].to_numpy().tolist() == ([note] if note else [])


def test_an_absent_key_names_those_there_are(source):
    with pytest.raises(ReadError, match=r"varm has no key 'mask'; it has .*'array'") as caught:
        bm.read_varm(source, "mask")
    assert caught.value.code == "E-KEY"


def test_what_is_noted_of_the_names_of_an_array(adata):
    note = ["named pathways", "uns['array_names']", "the columns took these names", pd.NA]
    assert bm.read_varm(adata, "array").report.to_numpy().tolist() == [note]


def test_the_first_list_of_names_that_fits_is_taken(adata):
    """Of the genes there are three, of the pathways two."""
    adata.uns["array_names"] = ["x", "y", "z"]
    adata.uns["array"] = ["a", 2]
    adata.uns["terms"] = ["c", "d"]
    assert bm.read_varm(adata, "array").pathways.tolist() == ["c", "d"]
    adata.uns["array"] = np.array([["a"], ["b"]])
    assert bm.read_varm(adata, "array").pathways.tolist() == ["c", "d"]
    adata.uns["array"] = ["e", "f"]
    assert bm.read_varm(adata, "array").pathways.tolist() == ["e", "f"]
    adata.varm["flat"] = DENSE[:, :1]
    adata.uns["terms"] = ["only"]
    assert bm.read_varm(adata, "flat").pathways.tolist() == ["only"]


def test_a_key_of_uns_that_is_absent_is_told(source):
    where = "varm['array']" if isinstance(source, anndata.AnnData) else f"{source}: varm['array']"
    with pytest.raises(ReadError) as caught:
        bm.read_varm(source, "array", pathways="absent")
    assert (caught.value.problem, caught.value.file) == ("uns has no key 'absent'", where)


@pytest.mark.parametrize("weighted", [False, True])
def test_text_is_no_mask(adata, weighted):
    adata.varm["text"] = pd.DataFrame({"P": ["a", "b", "c"]}, index=GENES)
    with pytest.raises(ReadError, match="a mask must hold numbers") as caught:
        bm.read_varm(adata, "text", weighted=weighted)
    assert (caught.value.code, caught.value.file) == ("E-MASK-VALUE", "varm['text']")


def test_an_element_that_anndata_cannot_read(adata, tmp_path):
    path = tmp_path / "data.h5ad"
    adata.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["varm/array"].attrs["encoding-type"] = "nonsense"
    with pytest.raises(ReadError, match="the file is damaged or no h5ad: ") as caught:
        bm.read_varm(path, "array")
    assert (caught.value.code, caught.value.file) == ("E-H5AD", str(path))


@pytest.mark.parametrize("pathways", ["absent", "short", ["one"]])
def test_names_that_were_asked_for_and_do_not_fit_are_refused(source, pathways):
    with pytest.raises(ReadError) as caught:
        bm.read_varm(source, "array", pathways=pathways)
    assert caught.value.code == ("E-KEY" if pathways == "absent" else "E-MASK-NAMES")


def test_weights_only_on_request(source):
    with pytest.raises(ReadError, match=r"TP53 x pathway_0 = 0\.5") as caught:
        bm.read_varm(source, "weights")
    assert caught.value.code == "E-MASK-VALUE"
    assert bm.read_varm(source, "weights", weighted=True).edge_values.tolist() == [0.5] * 4


def test_a_dataset_that_would_unpack_to_gigabytes(adata, tmp_path):
    path = tmp_path / "data.h5ad"
    adata.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file.create_dataset("varm/bomb", (3, 10**12), "u1", chunks=(3, 10**6), compression="gzip")
    with pytest.raises(ReadError, match="bytes would unpack to 3000000000") as caught:
        bm.read_varm(path, "bomb")
    assert caught.value.code == "E-BOMB"
    assert bm.read_varm(path, "array").n_edges == 4


@pytest.mark.parametrize("content", [b"", b"name\tdesc\tTP53\n", b"\x89HDF\r\n\x1a\n" + bytes(600)])
def test_other_files_are_no_h5ad(tmp_path, content):
    path = tmp_path / "data.h5ad"
    path.write_bytes(content)
    with pytest.raises(ReadError) as caught:
        bm.read_varm(path, "mask")
    assert caught.value.code == "E-H5AD"
    assert caught.value.file == str(path)
    if not content.startswith(b"\x89HDF"):
        assert caught.value.problem == "this is not an HDF5 file, so no h5ad"


def test_an_hdf5_file_that_is_no_h5ad(tmp_path):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file["weights"] = DENSE
    with pytest.raises(ReadError, match="no var in the file"):
        bm.read_varm(path, "mask")
    with pytest.raises(ReadError) as caught:
        bm.read_varm(tmp_path / "absent.h5ad", "mask")
    assert caught.value.code == "E-NO-FILE"


def test_the_data_is_not_changed(adata):
    before = adata.copy()
    bm.read_varm(adata, "frame")
    anndata.tests.helpers.assert_equal(adata, before)


def test_repeated_gene_names_are_refused(adata):
    adata.var_names = ["A", "B", "A"]
    with pytest.raises(ReadError, match="repeated") as caught:
        bm.read_varm(adata, "array")
    assert caught.value.genes == ["A"]


def test_no_reader_imports_anndata_until_it_is_needed():
    code = "import sys; from biomask.masks import readers; sys.exit('anndata' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # the same biomask
    command = [sys.executable, "-P", "-c", code]
    assert subprocess.run(command, env=environment, check=False).returncode == 0
