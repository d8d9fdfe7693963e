"""Data on disk: matched by name, read a few rows at a time, equal to the same in memory."""

import pickle
import warnings
from dataclasses import FrozenInstanceError

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import zarr
from disk_case import FORMS, on_disk, table
from scipy import sparse

from biomask.errors import AlignmentError, DataError, StorageError
from biomask.inference.moments import Moments, fold_moments, scale_of
from biomask.masks import backed, rows
from biomask.masks.backed import DiskTable, is_on_disk, read_data, refuse_on_disk
from biomask.masks.rows import Rows, Store, ahead, batches, row_mean


@pytest.fixture
def stays(monkeypatch):
    """Small data stay on disk, and are read 4 rows at a time."""
    monkeypatch.setattr(backed, "IN_MEMORY", 0)
    monkeypatch.setattr(rows, "READ", 4 * 4 * 12)
    monkeypatch.setattr(rows, "CACHED", 12 * 3)
    monkeypatch.setattr(rows, "NEAR", 0)


@pytest.fixture(params=FORMS)
def case(request, tmp_path, stays):
    """(frame in memory, the same on disk under other orders)."""
    frame = table()
    return frame, on_disk(frame, request.param, tmp_path)


def stored(what, key="/", **options) -> zarr.Group:
    """A store in memory with an AnnData, or with a matrix of that key."""
    group = zarr.group(zarr_format=2)  # which every anndata writes
    with warnings.catch_warnings(action="ignore"):  # of the version of Zarr's format
        ad.io.write_elem(group, key, what, dataset_kwargs=options)
    return group


def opened(data, frame) -> DiskTable:
    found = read_data(data, frame.columns)
    assert isinstance(found, DiskTable)
    return found.take(found.index.get_indexer(frame.index), frame.index)


# ------------------------------------------------------------------------ by name


def test_values_are_matched_by_name(case):
    frame, data = case
    assert is_on_disk(data)
    found = opened(data, frame)
    assert len(found) == len(frame)
    assert found.index.equals(frame.index)
    values = np.asarray(found.rows)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, frame.to_numpy())


def test_fewer_genes_in_any_order(case):
    frame, data = case
    genes = pd.Index(["g7", "g0", "g11"], dtype=object)
    found = read_data(data, genes)
    expected = frame.loc[found.index, genes]
    np.testing.assert_array_equal(np.asarray(found.rows), expected.to_numpy())
    np.testing.assert_array_equal(
        np.asarray(found[["g11", "g7"]].rows), expected[["g11", "g7"]].to_numpy()
    )


@pytest.mark.parametrize("form", ["h5ad csr", "h5ad dense", "zarr csr", "zarr dense"])
@pytest.mark.parametrize("dtype", [np.int8, np.float64, bool])
def test_any_dtype_becomes_float32(tmp_path, stays, form, dtype):
    frame = table()
    found = opened(on_disk(frame, form, tmp_path, dtype), frame)
    values = np.asarray(found.rows)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, frame.to_numpy().astype(dtype).astype(np.float32))


def test_a_layer_is_read_from_the_store(tmp_path, stays):
    frame = table()
    data = ad.AnnData(frame * 0, layers={"twice": sparse.csr_matrix(2 * frame.to_numpy())})
    data.write_h5ad(tmp_path / "a.h5ad")
    found = read_data(tmp_path / "a.h5ad", frame.columns, layer="twice")
    np.testing.assert_array_equal(np.asarray(found.rows), 2 * frame.to_numpy())
    in_memory = read_data(data, frame.columns, layer="twice")
    np.testing.assert_array_equal(in_memory, 2 * frame.to_numpy())


def test_renamed_genes_of_a_backed_subset(tmp_path, stays):
    frame = table()
    data = on_disk(frame, "h5ad csr", tmp_path)
    data.var_names = [f"new {name}" for name in data.var_names]
    part = data[["s5", "s2", "s9"]]
    found = read_data(part, pd.Index(["new g3", "new g1"]))
    assert found.index.tolist() == ["s5", "s2", "s9"]
    np.testing.assert_array_equal(
        np.asarray(found.rows), frame.loc[["s5", "s2", "s9"], ["g3", "g1"]].to_numpy()
    )


def test_samples_of_a_backed_subset_may_repeat(tmp_path):
    data = on_disk(table(), "h5ad csr", tmp_path)
    names, genes = data.obs_names[[5, 5, 7]], ["g0", "g1"]
    found = read_data(data[[5, 5, 7]], pd.Index(genes))
    pd.testing.assert_frame_equal(found, table().loc[names, genes], check_names=False)


def test_small_data_are_simply_read(tmp_path):
    frame = table()
    found = read_data(on_disk(frame, "zarr csr", tmp_path), frame.columns)
    assert isinstance(found, pd.DataFrame)
    pd.testing.assert_frame_equal(found.loc[frame.index], frame, check_names=False)


def test_data_of_the_largest_size_are_read_and_one_byte_more_stays(tmp_path, monkeypatch):
    frame = table()
    path = on_disk(frame, "zarr path", tmp_path)
    monkeypatch.setattr(backed, "IN_MEMORY", 4 * 90 * 12)
    assert isinstance(read_data(path, frame.columns), pd.DataFrame)
    monkeypatch.setattr(backed, "IN_MEMORY", 4 * 90 * 12 - 1)
    found = read_data(path, frame.columns)
    assert isinstance(found, DiskTable)
    assert found.rows.nbytes == 4 * 90 * 12
    with pytest.raises(FrozenInstanceError):
        found.content = "changed"


def test_more_than_128_mb_stay_and_are_read_32_mb_at_a_time():
    genes = pd.Index([f"g{i}" for i in range(1 << 15)])
    nothing = sparse.csr_matrix((1025, 1 << 15), dtype=np.float32)
    found = read_data(stored(ad.AnnData(nothing, var=pd.DataFrame(index=genes))), genes)
    assert isinstance(found, DiskTable)
    where, values = next(batches(found.rows))
    assert where.tolist() == list(range(256))
    assert values.nbytes == 1 << 25


def test_data_in_memory_are_not_on_disk(tmp_path):
    frame = table().assign(isbacked=1)
    assert not any(map(is_on_disk, (frame, frame.to_numpy(), ad.AnnData(frame))))
    with h5py.File(tmp_path / "a.h5", "w") as other:  # has a type called Group too
        assert not is_on_disk(other.create_group("X"))
    assert not is_on_disk(zarr.zeros((2, 2)))


# ------------------------------------------------------------------------ rows


def test_rows_are_chosen_and_read_like_those_of_an_array(case):
    frame, data = case
    X, values = opened(data, frame).rows, frame.to_numpy()
    chosen = np.array([80, 3, 3, 41, 0])
    assert isinstance(X[chosen], Rows)
    np.testing.assert_array_equal(np.asarray(X[chosen]), values[chosen])
    np.testing.assert_array_equal(X[10:30], values[10:30])
    np.testing.assert_array_equal(np.asarray(X[values[:, 0] > 0]), values[values[:, 0] > 0])
    assert np.asarray(X[np.array([], int)]).shape == (0, 12)


def test_scaled_rows(case):
    frame, data = case
    mean, sd = frame.to_numpy().mean(axis=0), frame.to_numpy().std(axis=0).astype(np.float64)
    sd[3], sd[4] = 1e-3, np.inf
    X = opened(data, frame).rows.scaled(mean, sd)
    expected = ((frame.to_numpy() - mean.astype(np.float64)) / sd).clip(-10, 10)
    np.testing.assert_allclose(np.asarray(X), expected, rtol=1e-6, atol=1e-7)
    assert np.abs(X[:90]).max() == 10
    assert not X[:90][:, 4].any()


class Spied:
    """A matrix that notes which rows are read."""

    def __init__(self, values, chunks=None):
        self.values, self.chunks, self.read = values, chunks, []
        self.shape, self.dtype = values.shape, values.dtype

    def __getitem__(self, span):
        self.read.append((span.start, span.stop))
        return self.values[span]


def test_only_what_is_asked_for_is_read(tmp_path, stays, monkeypatch):
    frame = table()
    X = opened(on_disk(frame, "h5ad dense", tmp_path), frame).rows
    X = X[np.argsort(X.rows)]
    matrix = Spied(X.store.matrix[:])
    read = matrix.read
    monkeypatch.setattr(X.store, "matrix", matrix)
    monkeypatch.setattr(X.store, "chunk_rows", 1)
    with monkeypatch.context() as patch:
        patch.setattr(rows, "READ", 1 << 20)
        np.asarray(X[np.array([50, 2, 3])])
        assert read == [(2, 4), (50, 51)]
        read.clear()
        patch.setattr(rows, "NEAR", 1 << 20)
        np.asarray(X[np.array([50, 2, 3])])
        assert read == [(2, 51)]
    read.clear()
    X[0:10]
    assert [stop - start for start, stop in read] == [3, 3, 3, 1]  # 3 rows of 13 genes are READ


def rows_of(matrix) -> Rows:
    return Rows(Store({"X": matrix}, "X"), *map(np.arange, matrix.shape))


@pytest.mark.parametrize(
    ("read", "near", "chunk", "chosen", "spans"),
    [
        (9, 0, None, [5], [(5, 6)]),
        (3, 0, None, range(1, 9), [(1, 4), (4, 7), (7, 9)]),
        (0, 0, None, [0, 1, 2], [(0, 1), (1, 2), (2, 3)]),  # a row is larger than READ
        (99, 4, None, [2, 6, 11], [(2, 7), (11, 12)]),
        (99, 0, 3, [2, 5, 9], [(2, 6), (9, 10)]),
        (99, 4, 3, [2, 6, 11], [(2, 7), (11, 12)]),
        (5, 0, 4, range(20), [(0, 8), (8, 16), (16, 20)]),  # whole chunks
        (2, 0, 16, range(20), [(0, 16), (16, 20)]),  # up to 8 times of what is wanted
        (2, 0, 17, range(5), [(0, 2), (2, 4), (4, 5)]),
    ],
)
def test_rows_that_are_close_are_read_together(monkeypatch, read, near, chunk, chosen, spans):
    matrix = Spied(np.arange(20, dtype=np.int8)[:, None], chunk and (chunk, 1))
    monkeypatch.setattr(rows, "READ", read)  # bytes, each of which is a row
    monkeypatch.setattr(rows, "NEAR", near)
    values = np.asarray(rows_of(matrix)[np.array(chosen)])
    assert values[:, 0].tolist() == list(chosen)
    assert matrix.read == spans


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("genes", [[0, 1, 2], [1, 2, 0], [0, 2, 1], [2, 0], [1]])
def test_any_rows_of_any_genes(form, genes):
    values = np.arange(1.0, 13).reshape(4, 3)
    store = Store(stored(form(values), "X"), "X")
    for chosen in ([0, 1, 2, 3], [3, 1, 2], [0, 3, 1], [2], [0, 0], [0, 2], [0, 0, 2], [1, 3, 3]):
        found = Rows(store, np.array(chosen), np.array(genes))
        assert np.asarray(found).tolist() == values[np.ix_(chosen, genes)].tolist()


def test_bytes_and_chunks_of_rows(tmp_path):
    """A dense row has its genes; a sparse one, about, its share of values and their places."""

    def known(matrix, **options):
        store = Store(stored(matrix, "X", **options), "X")
        return store.row_bytes, store.chunk_rows

    def csr(n_rows, n_genes, n_values):
        places = np.divmod(np.arange(n_values), n_genes)
        values = np.ones(n_values, np.float32)
        return sparse.csr_matrix((values, places), (n_rows, n_genes))  # 4 + 4 bytes of each value

    assert known(np.ones((9, 5), np.float32), chunks=(4, 2)) == (20, 4)
    assert known(np.ones((9, 1), np.int8), chunks=(9, 1)) == (1, 9)
    assert known(csr(3, 5, 10), chunks=(7,)) == (26, 2)  # of 80 bytes in 3 rows, of 7 * 3 / 10 rows
    assert known(csr(2, 5, 10), chunks=(4,)) == (40, 1)  # less than a row
    assert known(csr(1, 5, 3), chunks=(3,)) == (24, 1)
    assert known(csr(4, 5, 1), chunks=(1,)) == (2, 4)
    assert known(csr(9, 5, 0))[0] == 1
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["X"] = np.ones((9, 5))
        assert Store(file, "X").chunk_rows == 1


def test_too_large_values_become_infinite_without_a_word():
    X = rows_of(Spied(np.array([[1e39, -1e39, 2.5]])))
    with warnings.catch_warnings(action="error"):
        assert np.asarray(X).tolist() == [[np.inf, -np.inf, 2.5]]


@pytest.mark.parametrize(("size", "on_disk"), [(None, 4), (3, 3), (2, 2), (7, 4)])
def test_batches_cover_every_row_once(case, size, on_disk):
    frame, data = case
    X, values = opened(data, frame).rows, frame.to_numpy()
    seen = np.zeros(len(values), int)
    for where, part in batches(X, size):
        assert len(part) == on_disk or where[-1] == X.rows.argmax()
        np.testing.assert_array_equal(part, values[where])
        seen[where] += 1
    assert (seen == 1).all()
    for where, part in batches(values, size):
        assert np.shares_memory(part, values)
        np.testing.assert_array_equal(part, values[where])
    np.testing.assert_allclose(row_mean(X), values.mean(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(row_mean(values), values.mean(axis=0))


def test_batches_of_an_array_come_in_its_order_and_whole_without_size():
    def places(n, *size):
        return [(where, len(part)) for where, part in batches(np.zeros((n, 2)), *size)]

    assert places(5, 2) == [(slice(0, 2), 2), (slice(2, 4), 2), (slice(4, 6), 1)]
    assert places(5) == [(slice(0, 5), 5)]
    assert places(1) == [(slice(0, 1), 1)]
    assert places(0) == []


@pytest.mark.parametrize(("read", "sizes"), [(3, [1] * 5), (8, [2, 2, 1]), (16, [4, 1])])
def test_batches_on_disk_are_at_most_what_is_read_in_one_go(monkeypatch, read, sizes):
    """4 bytes are a row of one gene as float32; there is at least one row."""
    monkeypatch.setattr(rows, "READ", read)
    X = rows_of(Spied(np.zeros((5, 1), np.int8)))
    assert [len(values) for _, values in batches(X)] == sizes


def test_means_on_disk_keep_their_digits():
    X = rows_of(Spied(np.array([[2.0**24], [1], [1], [1]])))
    found = row_mean(X)
    assert found.dtype == np.float32
    assert found.tolist() == [4194305]  # that of 4194304.75; sums of float32 give 4194304


def test_ahead_keeps_the_order_and_hands_errors_on():
    assert list(ahead(range(50))) == list(range(50))

    def broken():
        yield 1
        raise OSError("the disk is gone")

    items = ahead(broken())
    assert next(items) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(items)


def test_rows_travel_without_their_data(case):
    frame, data = case
    X = opened(data, frame).rows
    np.asarray(X)
    sent = pickle.dumps(X)
    np.testing.assert_array_equal(np.asarray(pickle.loads(sent)), frame.to_numpy())
    assert len(pickle.dumps(X.store)) < frame.to_numpy().nbytes


# ------------------------------------------------------------------------ moments


def test_moments_of_one_pass_are_those_of_numpy(case, monkeypatch):
    frame, data = case
    X, values = opened(data, frame).rows, frame.to_numpy()
    held_out = np.array_split(np.random.default_rng(0).permutation(90), 3)
    whole = Rows._fill

    def spied(self, values, places, block, picked):
        read[self.rows[places]] += 1
        whole(self, values, places, block, picked)

    places = np.sort(X.rows)
    read = np.zeros(places[-1] + 1, int)
    monkeypatch.setattr(Rows, "_fill", spied)
    found = fold_moments(X, held_out)
    assert (read[places] == 1).all()
    for part, moments in zip(held_out, found, strict=True):
        training = np.delete(values, part, axis=0).astype(np.float64)
        assert moments.n == len(training)
        np.testing.assert_allclose(moments.mean, training.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(moments.sd, training.std(axis=0), rtol=1e-12)


def test_moments_far_from_zero_keep_their_digits():
    rng = np.random.default_rng(0)
    values = 1e6 + rng.normal(size=(1000, 3)).astype(np.float32)
    moments = Moments(3)
    for i in range(0, 1000, 37):
        moments.add(values[i : i + 37])
    moments.add(values[:0])
    np.testing.assert_allclose(moments.mean, values.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(moments.sd, values.std(axis=0, dtype=np.float64), rtol=1e-8)


def test_constant_genes_are_divided_by_infinity():
    """By their own scale and precision: genes in molar units, at 1e-30, are not constant."""
    scale = scale_of(np.array([1e6, 0, 0, 5, 2e-30]), np.array([1e-2, 0, 1e-3, 2, 1e-30]))
    assert scale.tolist() == [np.inf, np.inf, 1e-3, 2, 1e-30]
    mean, sd = np.array([1e6, 1e6]), np.array([1e-10, 1e-3])
    assert scale_of(mean, sd, np.float64).tolist() == [np.inf, 1e-3]


# ------------------------------------------------------------------------ what is refused


def test_genes_that_the_store_lacks_are_named(case):
    frame, data = case
    wanted = frame.columns.append(pd.Index(["TP53", "MYC"]))
    with pytest.raises(AlignmentError, match=r"lack 2 of 14 genes.*'other'.*mask\.select") as error:
        read_data(data, wanted)
    assert error.value.genes == ["TP53", "MYC"]


def test_other_genes_of_the_store_are_listed_up_to_three():
    def said(wanted, n_genes):
        data = ad.AnnData(np.zeros((2, n_genes)), var=pd.DataFrame(index=[*"abcdef"][:n_genes]))
        with pytest.raises(AlignmentError) as error:
            read_data(stored(data), pd.Index(wanted))
        assert (error.value.code, error.value.genes) == ("E-ALIGN-GENES", ["TP53"])
        return error.value.problem

    start = "the data on disk lack 1 of 2 genes of the mask, and have others, such as "
    assert said(["TP53", "b"], 6) == start + "'a', 'c', 'd' and 2 more"
    assert said(["TP53", "a"], 1) == start + "none"
    assert said(["TP53"], 0) == start.replace("1 of 2", "1 of 1") + "none"


def test_csc_is_refused_with_what_to_do(tmp_path, stays):
    data = ad.AnnData(sparse.csc_matrix(table().to_numpy()))
    data.write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(DataError, match=r"gene by gene.*tocsr") as error:
        read_data(ad.read_h5ad(tmp_path / "a.h5ad", backed="r"), pd.Index(["0"]))
    assert error.value.code == "E-DATA-CSC"


def test_matrices_that_hold_no_real_numbers_of_samples_x_genes():
    for values in (np.ones((3, 2), np.complex64), np.ones((3, 2, 1), np.float32)):
        with pytest.raises(DataError) as error:
            read_data(stored(values, "X"), pd.Index(["a"]))
        assert error.value.code == "E-DATA-DTYPE"
        held = f"{values.dtype} of shape {values.shape}"
        assert error.value.problem == f"X on disk holds {held}, not real numbers of samples x genes"


def written(folder):
    """An h5ad file of genes a and b."""
    ad.AnnData(np.zeros((3, 2)), var=pd.DataFrame(index=["a", "b"])).write_h5ad(folder / "a.h5ad")
    return folder / "a.h5ad"


def test_names_that_do_not_fit_the_matrix(tmp_path):
    path = written(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["X"]
        file["X"] = np.zeros((5, 3))
    with pytest.raises(StorageError) as error:
        read_data(path, pd.Index(["a"]))
    assert (error.value.code, error.value.file) == ("E-STORE", str(path))
    assert error.value.problem == (
        "X has shape (5, 3), and there are 3 names of samples and 2 of genes"
    )


def test_links_to_other_files_are_refused_before_anything_is_read(tmp_path):
    path = written(tmp_path)
    path.rename(tmp_path / "secret.h5ad")
    written(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["X"]
        file["X"] = h5py.ExternalLink(str(tmp_path / "secret.h5ad"), "X")
    with pytest.raises(StorageError) as error:
        read_data(path, pd.Index(["a"]))
    assert (error.value.code, error.value.file) == ("E-LINK", str(path))


def test_data_on_disk_are_refused_with_their_size():
    index, columns = pd.RangeIndex(1_000_000), pd.RangeIndex(2000)
    X = DiskTable(Rows(None, np.arange(1_000_000), np.arange(2000)), index, columns)
    with pytest.raises(DataError) as error:
        refuse_on_disk(X, "compare_models")
    assert error.value.code == "E-DATA-DISK"
    assert error.value.problem == (  # 8e9 / 2**30
        "compare_models needs X in memory, where these 1,000,000 samples and 2,000 genes take "
        "7.5 GB"
    )
    refuse_on_disk(table(), "compare_models")


def test_a_dataset_has_no_names():
    dataset = tf.data.Dataset.from_tensors(np.zeros((3, 2)))
    with pytest.raises(DataError, match="whose samples have no names") as error:
        read_data(dataset, pd.Index(["a", "b"]))
    assert error.value.code == "E-DATA-STREAM"


def test_repeated_genes_and_no_samples(tmp_path, stays):
    frame = table(n_genes=3)
    data = ad.AnnData(frame.to_numpy(), var=pd.DataFrame(index=["a", "b", "b"]))
    data.write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(DataError, match="several columns of the same gene: 'b'"):
        read_data(tmp_path / "a.h5ad", pd.Index(["a", "b"]))
    none = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")[:0]
    for gene in ("a", "not there"):
        with pytest.raises(DataError, match="no sample") as error:
            read_data(none, pd.Index([gene]))
        assert error.value.code == "E-DATA-EMPTY"


def test_what_is_no_store_is_named_and_left_alone(tmp_path):
    """Of the file or folder that was given, whole, and with a code."""

    def refused(place, path):
        with pytest.raises(StorageError) as error:
            read_data(place, pd.Index(["a"]))
        assert (error.value.code, error.value.file) == ("E-STORE", str(path))
        return error.value.problem

    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused(empty, empty).startswith("no HDF5 file and no Zarr store: ")
    assert not list(empty.iterdir())
    none = tmp_path / "none.zarr"
    assert refused(none, none) == "there is no such file or folder"
    group = zarr.open_group(tmp_path / "other.zarr", mode="w")
    where = group.store_path
    assert refused(group, where).startswith("X cannot be read: ")
    group.create_array("X", data=np.zeros((3, 2)))
    assert refused(group, where).startswith("the names in obs cannot be read: ")
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file["X"] = np.zeros((3, 2))
    path = tmp_path / "a.h5ad"
    assert refused(path, path).startswith("the names in obs cannot be read: ")


def test_what_is_no_store(tmp_path):
    genes = pd.Index(["a"])
    with pytest.raises(StorageError, match="no such file"):
        read_data(tmp_path / "none.zarr", genes)
    (tmp_path / "text.h5ad").write_text("nothing")
    with pytest.raises(StorageError, match="no HDF5 file and no Zarr store"):
        read_data(str(tmp_path / "text.h5ad"), genes)
    group = zarr.open_group(tmp_path / "other.zarr", mode="w")
    with pytest.raises(StorageError, match="X cannot be read"):
        read_data(group, genes)
    group.create_array("X", data=np.zeros((3, 2)))
    with pytest.raises(StorageError, match="names in obs cannot be read"):
        read_data(group, genes)
    group = zarr.open_group(tmp_path / "flat.zarr", mode="w")
    group.create_array("X", data=np.zeros(3))
    with pytest.raises(DataError, match=r"shape \(3,\)"):
        read_data(group, genes)


def test_a_layer_that_is_not_there(tmp_path, stays):
    data = on_disk(table(), "h5ad csr", tmp_path)
    with pytest.raises(StorageError, match=r"layers/none cannot be read.*name of the layer"):
        read_data(data, pd.Index(["g0"]), layer="none")
