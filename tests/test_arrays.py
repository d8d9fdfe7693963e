"""NumPy and SciPy files; rows 19 and 20 are in acceptance/."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from scipy import sparse

import biomask as bm
from biomask.errors import ReadError

DENSE = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0], [1, 0, 0]])
GENES, PATHWAYS = ["TP53", "nan", "7157", "ATM"], ["P 1", "NA", "P3"]


def save_sparse(path, matrix, **names):
    """What `scipy.sparse.save_npz` writes, with names beside it."""
    sparse.save_npz(path, matrix)
    with np.load(path) as arrays:
        arrays = dict(arrays)
    np.savez(path, **arrays, **names)
    return path


def altered(path, **changes):
    with np.load(path) as arrays:
        arrays = dict(arrays)
    np.savez(path, **{k: v for k, v in (arrays | changes).items() if v is not None})
    return path


def refused(path, **options) -> ReadError:
    with pytest.raises(ReadError) as caught:
        bm.read_matrix(path, **options)
    assert caught.value.file == str(path)
    assert all(problem.hint for problem in caught.value.problems)
    return caught.value


@pytest.mark.parametrize("layout", ["csc", "csr", "coo"])
@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float32, ">f8", ">i4"])
def test_scipy_files_with_names(tmp_path, layout, kind, dtype):
    matrix = kind(DENSE.astype(dtype).astype(np.dtype(dtype).newbyteorder("="))).asformat(layout)
    path = save_sparse(tmp_path / "m.npz", matrix, genes=GENES, pathways=PATHWAYS)
    altered(path, data=matrix.data.astype(dtype))
    mask = bm.read_matrix(path)
    assert mask.genes.tolist() == GENES
    assert mask.pathways.tolist() == PATHWAYS
    assert (mask.to_dense().to_numpy() == DENSE).all()
    assert mask.report.empty


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float16, np.float64, ">i2"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_dense_npz(tmp_path, order, dtype, save):
    path = tmp_path / "m.npz"
    save(path, anything=np.asarray(DENSE.astype(dtype), order=order), genes=GENES)
    mask = bm.read_matrix(path)
    assert (mask.to_dense().to_numpy() == DENSE).all()
    assert mask.genes.tolist() == GENES
    assert mask.pathways.tolist() == ["pathway_0", "pathway_1", "pathway_2"]
    assert mask.report[["action", "subject", "detail"]].to_numpy().tolist() == [
        ["generated names", "pathways", "pathway_0 to pathway_2"]
    ]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_npy_has_generated_names(tmp_path, pack):
    out = io.BytesIO()
    np.save(out, DENSE)
    path = tmp_path / "told by content.csv"
    path.write_bytes(pack(out.getvalue()))
    mask = bm.read_matrix(path)
    assert mask == bm.Mask.from_dense(DENSE)
    assert mask.report["subject"].tolist() == ["genes", "pathways"]


def test_names_as_bytes_and_as_entrez_numbers(tmp_path):
    path = tmp_path / "m.npz"
    np.savez(
        path, m=DENSE, genes=np.array([7157, 472, 1, 2]), pathways=np.array([b"a", b"b", b"c"])
    )
    mask = bm.read_matrix(path)
    assert mask.genes.tolist() == ["7157", "472", "1", "2"]
    assert mask.pathways.tolist() == ["a", "b", "c"]


def test_weights_only_on_request(tmp_path):
    path = save_sparse(tmp_path / "m.npz", sparse.csr_array(DENSE * -0.5))
    error = refused(path)
    assert error.code == "E-MASK-VALUE"
    assert "gene_0 x pathway_0 = -0.5" in str(error)
    assert bm.read_matrix(path, weighted=True).to_dense().to_numpy().min() == -0.5
    np.save(tmp_path / "m.npy", np.where(DENSE, np.nan, 0))
    assert refused(tmp_path / "m.npy").code == "E-MASK-VALUE"
    assert refused(tmp_path / "m.npy", weighted=True).code == "E-MASK-VALUE"


@pytest.mark.parametrize("layout", ["coo", "csr"])
def test_repeated_entries_add_up_as_in_scipy(tmp_path, layout):
    twice = sparse.coo_array((np.ones(2), ([0, 0], [1, 1])), shape=(2, 2))
    if layout == "csr":
        twice = sparse.csr_array((np.ones(2), [1, 1], [0, 2, 2]), shape=(2, 2))
    assert "gene_0 x pathway_1 = 2.0" in str(refused(save_sparse(tmp_path / "m.npz", twice)))


def test_repeated_names(tmp_path):
    path = tmp_path / "m.npz"
    np.savez(path, m=DENSE, genes=["a", "b", "a", "c"])
    error = refused(path)
    assert (error.code, error.genes) == ("E-MASK-DUPLICATE", ["a"])
    assert "positions [[1, 3]]" in str(error)


@pytest.mark.parametrize("dtype", [str, complex, "datetime64[s]", [("a", "i4")]], ids=str)
def test_an_npy_of_no_numbers(tmp_path, dtype):
    np.save(tmp_path / "m.npy", np.zeros((3, 2), dtype))
    assert refused(tmp_path / "m.npy").code == "E-MASK-VALUE"


def test_the_array_that_is_wrong_is_named(tmp_path):
    np.savez(tmp_path / "m.npz", a=DENSE, genes=np.zeros(4))
    assert refused(tmp_path / "m.npz").column == "genes"
    path = save_sparse(tmp_path / "m.npz", sparse.csr_array(DENSE))
    assert refused(altered(path, indices=np.zeros(5))).column == "indices"


@pytest.mark.parametrize(
    ("shape", "found"), [([0, 3], "[0, 3]"), ([4, 3, 1], "int64"), ([4.0, 3.0], "float64")]
)
def test_a_shape_that_is_none_is_shown(tmp_path, shape, found):
    path = save_sparse(tmp_path / "m.npz", sparse.csr_array(DENSE))
    error = refused(altered(path, shape=np.array(shape)))
    assert error.problem == f"shape must be two numbers from 1 to 10,000,000, found {found}"


def test_an_npy_of_version_2(tmp_path):
    """NumPy writes one where a header is longer than 64 KiB."""
    with open(tmp_path / "m.npy", "wb") as file:
        np.lib.format.write_array(file, DENSE, version=(2, 0))
    assert bm.read_matrix(tmp_path / "m.npy") == bm.Mask.from_dense(DENSE)


def test_an_npy_in_half_precision(tmp_path):
    np.save(tmp_path / "m.npy", DENSE.astype(np.float16))
    assert bm.read_matrix(tmp_path / "m.npy") == bm.Mask.from_dense(DENSE)


def test_bytes_after_the_array_are_refused(tmp_path):
    path = tmp_path / "m.npy"
    np.save(path, DENSE)
    path.write_bytes(path.read_bytes() + b"1")
    assert "truncated or damaged: 97 bytes of 96 for shape (4, 3)" in str(refused(path))


def test_a_bool_is_0_or_1(tmp_path):
    path = tmp_path / "m.npy"
    np.save(path, DENSE.astype(bool))
    path.write_bytes(path.read_bytes()[:-1] + b"\x02")
    error = refused(path)
    assert error.code == "E-MASK-VALUE"
    assert "gene_3 x pathway_2 = 2" in str(error)


def test_a_header_that_promises_too_much_allocates_nothing(tmp_path):
    path = tmp_path / "m.npy"
    np.save(path, DENSE)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"(4, 3), }" + b" " * 10, b"(40000000000, 3), }"))
    assert path.stat().st_size == len(raw)
    error = refused(path)
    assert error.code == "E-TRUNCATED"
    assert "96 bytes of 960000000000 for shape (40000000000, 3)" in str(error)


@pytest.mark.parametrize(
    ("arrays", "code"),
    [
        ({}, "E-FORMAT"),
        ({"genes": ["a"]}, "E-NPZ"),
        ({"a": DENSE, "b": DENSE}, "E-NPZ"),
        ({"a": DENSE[0]}, "E-MASK-SHAPE"),
        ({"a": DENSE[None]}, "E-MASK-SHAPE"),
        ({"a": DENSE.astype(str)}, "E-MASK-VALUE"),
        ({"a": DENSE * 1j}, "E-MASK-VALUE"),
        ({"a": DENSE, "genes": ["a"]}, "E-MASK-NAMES"),
        ({"a": DENSE, "genes": np.zeros(4)}, "E-NPZ"),
        ({"a": DENSE, "genes": [["a", "b"], ["c", "d"]]}, "E-NPZ"),
        ({"a": DENSE, "pathways": np.array([b"\xff", b"b", b"c"])}, "E-NPZ"),
    ],
    ids=str,
)
def test_arrays_that_make_no_mask(tmp_path, arrays, code):
    path = tmp_path / "m.npz"
    np.savez(path, **arrays)
    assert refused(path).code == code


def test_a_member_that_is_no_array_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        archive.writestr("a.npy", "text")
    error = refused(tmp_path / "m.npz")
    assert (error.code, error.column) == ("E-NPZ", "a.npy")
    assert error.problem == "member 'a.npy': not a NumPy array"


def test_sides_that_are_too_long_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("biomask.masks.arrays._LONGEST", 4)
    np.save(tmp_path / "m.npy", DENSE)
    assert bm.read_matrix(tmp_path / "m.npy").shape == (4, 3)
    np.save(tmp_path / "m.npy", np.ones((2, 5)))
    error = refused(tmp_path / "m.npy")
    assert (error.code, error.problem) == (
        "E-NPZ",
        "shape (2, 5) is beyond 4 genes or pathways",
    )


def test_a_workbook_is_no_array(tmp_path):
    path = tmp_path / "m.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    error = refused(path)
    assert error.code == "E-FORMAT"
    assert error.hint == "Save the sheet as CSV."


def test_the_askers_matrix_compressed_is_no_bomb(tmp_path):
    rng = np.random.default_rng(0)
    dense = (rng.random((9180, 230)) < 0.002).astype(np.int64)
    np.savez_compressed(tmp_path / "m.npz", dense)
    assert dense.nbytes / (tmp_path / "m.npz").stat().st_size > 200
    assert bm.read_matrix(tmp_path / "m.npz").n_edges == dense.sum()


def test_unsorted_and_unaligned_parts_are_read(tmp_path):
    # A header of odd length leaves the numbers unaligned, and SciPy sorts indices in place.
    path = save_sparse(
        tmp_path / "m.npz",
        sparse.csc_array((np.ones(3), np.array([2, 0, 1]), np.array([0, 2, 3])), shape=(3, 2)),
    )
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in members.items():
            archive.writestr(name, raw[:8] + bytes([raw[8] + 1]) + raw[9:127] + b" \n" + raw[128:])
    assert bm.read_matrix(path).to_dense().to_numpy().tolist() == [[1, 0], [0, 1], [1, 0]]


# ------------------------------------------------------------------------ everything that is told


def told(error):
    return error.code, error.column, error.problem


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        (
            {"genes": GENES},
            ("E-NPZ", None, "expected one matrix beside genes and pathways, found none"),
        ),
        (
            {"b": DENSE, "a": DENSE, "genes": GENES},
            ("E-NPZ", None, "expected one matrix beside genes and pathways, found ['a', 'b']"),
        ),
        (
            {"a": DENSE[0]},
            (
                "E-MASK-SHAPE",
                None,
                "a mask needs a 2-D matrix of genes x pathways, found shape (3,)",
            ),
        ),
        (
            {"a": DENSE == 1, "genes": np.ones(4, bool)},
            ("E-NPZ", "genes", "genes must be a 1-D array of text, found bool of shape (4,)"),
        ),
        (
            {"a": DENSE, "pathways": np.ones((1, 3), int)},
            (
                "E-NPZ",
                "pathways",
                "pathways must be a 1-D array of text, found int64 of shape (1, 3)",
            ),
        ),
        (
            {"a": DENSE, "pathways": np.array([b"\xff", b"b", b"c"])},
            (
                "E-NPZ",
                "pathways",
                "pathways holds text that is damaged: 'utf-8' codec can't decode byte 0xff in "
                "position 0: invalid start byte",
            ),
        ),
        (
            {"a": DENSE.astype(str)},
            ("E-MASK-VALUE", None, "a mask must hold numbers, found dtype <U21"),
        ),
        (
            {"a": np.full((1, 1), None)},
            (
                "E-PICKLE",
                None,
                "member 'a.npy': the array holds Python objects (pickle), which may run code; not "
                "opened",
            ),
        ),
        (
            {"a": DENSE * 2, "genes": ["A", "B", "C"]},
            ("E-MASK-NAMES", None, "the matrix has 4 genes, but 3 gene names were given"),
        ),
    ],
    ids=["none", "two", "1-D", "bool", "2-D names", "bytes", "text", "objects", "few names"],
)
def test_what_is_wrong_with_an_array_is_told(tmp_path, arrays, expected):
    np.savez(tmp_path / "m.npz", **arrays)
    assert told(refused(tmp_path / "m.npz")) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"format": np.array("dia")},
            ("E-NPZ", None, "sparse format 'dia' is not one of csc, csr, coo"),
        ),
        (
            {"data": None, "indptr": None, "shape": None},
            ("E-NPZ", None, "the file lacks data, indptr, shape"),
        ),
        (
            {"indices": np.zeros((5, 1), int)},
            (
                "E-NPZ",
                "indices",
                "indices must be a 1-D array of whole numbers, found int64 of shape (5, 1)",
            ),
        ),
        ({"indptr": np.array([-1, 2, 4, 4, 5])}, ("E-NPZ", "indptr", "indptr holds -1")),
        (
            {"indices": np.array([0, 2, 1, 1, 2**63], dtype=np.uint64)},
            ("E-NPZ", "indices", "indices holds 9223372036854775808"),
        ),
        (
            {"data": np.array(["1"] * 5)},
            ("E-MASK-VALUE", None, "a mask must hold numbers, found dtype <U1"),
        ),
    ],
    ids=["format", "parts", "2-D", "negative", "huge", "text"],
)
def test_what_is_wrong_with_a_part_of_a_sparse_matrix_is_told(tmp_path, changes, expected):
    path = save_sparse(tmp_path / "m.npz", sparse.csr_array(DENSE))
    assert told(refused(altered(path, **changes))) == expected


@pytest.mark.parametrize("huge", [5, 2**63 - 1])
def test_a_place_beyond_the_matrix_is_damage(tmp_path, huge):
    path = save_sparse(tmp_path / "m.npz", sparse.csr_array(DENSE))
    error = refused(altered(path, indices=np.array([0, 2, 1, 1, huge])))
    assert (error.code, error.column) == ("E-NPZ", None)
    assert error.problem.startswith("the sparse matrix is damaged: ")
    assert error.problem.count("damaged") == 1


@pytest.mark.parametrize("layout", ["csc", "csr", "coo"])
def test_stored_zeros_are_no_edges_and_need_no_weights(tmp_path, layout):
    matrix = sparse.coo_array(([1.0, 0.0, 1.0], ([0, 1, 1], [0, 0, 1])), shape=(2, 3))
    path = save_sparse(tmp_path / "m.npz", matrix.asformat(layout))
    mask = bm.read_matrix(path)
    assert mask.n_edges == 2
    assert mask.to_dense().to_numpy().tolist() == [[1, 0, 0], [0, 1, 0]]
    assert mask.report.iloc[:, :3].to_numpy().tolist() == [
        ["generated names", "genes", "gene_0 to gene_1"],
        ["generated names", "pathways", "pathway_0 to pathway_2"],
    ]


@pytest.mark.parametrize("layout", ["csc", "csr", "coo"])
def test_a_sparse_matrix_without_an_edge(tmp_path, layout):
    path = save_sparse(tmp_path / "m.npz", sparse.coo_array((2, 3)).asformat(layout))
    expected = ("E-MASK-EMPTY", None, "no connection in a mask of 2 genes x 3 pathways")
    assert told(refused(path)) == expected


@pytest.mark.parametrize("dense", [[[1, 0, 1]], [[0], [1]]])
@pytest.mark.parametrize("layout", ["csc", "csr", "coo"])
def test_a_sparse_matrix_of_one_row_or_column(tmp_path, layout, dense):
    path = save_sparse(tmp_path / "m.npz", sparse.coo_array(dense).asformat(layout))
    assert bm.read_matrix(path).to_dense().to_numpy().tolist() == dense


@pytest.mark.parametrize("layout", ["csc", "coo"])
def test_the_longest_side_of_a_sparse_matrix(tmp_path, monkeypatch, layout):
    path = save_sparse(tmp_path / "m.npz", sparse.coo_array(DENSE).asformat(layout))
    monkeypatch.setattr("biomask.masks.arrays._LONGEST", 4)
    assert bm.read_matrix(path).shape == (4, 3)
    monkeypatch.setattr("biomask.masks.arrays._LONGEST", 3)
    expected = ("E-NPZ", None, "shape must be two numbers from 1 to 3, found [4, 3]")
    assert told(refused(path)) == expected


def npy(shape, descr="<i8", content=b""):
    """An array file whose header says this."""
    file = io.BytesIO()
    header = {"shape": shape, "fortran_order": False, "descr": descr}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + content


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            npy((), content=bytes(8)),
            ("E-MASK-SHAPE", "a mask needs a 2-D matrix of genes x pathways, found shape ()"),
        ),
        (npy((0, 3)), ("E-MASK-EMPTY", "no connection in a mask of 0 genes x 3 pathways")),
        (
            npy((-4, -3), content=bytes(96)),
            (
                "E-TRUNCATED",
                "the array is truncated or damaged: 96 bytes of 96 for shape (-4, -3)",
            ),
        ),
        (
            npy((4, 3), "|S0"),
            ("E-TRUNCATED", "the array is truncated or damaged: 0 bytes of 0 for shape (4, 3)"),
        ),
        (
            npy((4, 3), content=bytes(95)),
            ("E-TRUNCATED", "the array is truncated or damaged: 95 bytes of 96 for shape (4, 3)"),
        ),
        (
            npy((4, 3), "|O", bytes(96)),
            (
                "E-PICKLE",
                "the array holds Python objects (pickle), which may run code; not opened",
            ),
        ),
        (
            b"\x93NUMPY\x03\x00" + bytes(99),
            ("E-NPY", "the header of the array is damaged ((3, 0))"),
        ),
    ],
    ids=["0-D", "no rows", "negative", "of nothing", "short", "objects", "version 3"],
)
def test_a_header_that_does_not_fit_is_told(tmp_path, raw, expected):
    (tmp_path / "m.npy").write_bytes(raw)
    error = refused(tmp_path / "m.npy")
    assert (error.code, error.problem, error.column) == (*expected, None)
