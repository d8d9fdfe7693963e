"""Data on disk: matched by name, read a few rows at a time, equal to the same in memory."""

import pickle

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import zarr
from disk_case import FORMS, on_disk, table
from scipy import sparse

from biomask.errors import AlignmentError, DataError, StorageError
from biomask.inference.moments import Moments, fold_moments, scale_of
from biomask.masks import backed, rows
from biomask.masks.backed import DiskTable, is_on_disk, read_data
from biomask.masks.rows import Rows, ahead, batches, row_mean


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


def test_small_data_are_simply_read(tmp_path):
    frame = table()
    found = read_data(on_disk(frame, "zarr csr", tmp_path), frame.columns)
    assert isinstance(found, pd.DataFrame)
    pd.testing.assert_frame_equal(found.loc[frame.index], frame, check_names=False)


def test_data_in_memory_are_not_on_disk(tmp_path):
    frame = table().assign(isbacked=1)
    assert not any(map(is_on_disk, (frame, frame.to_numpy(), ad.AnnData(frame))))


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


def test_only_what_is_asked_for_is_read(tmp_path, stays, monkeypatch):
    frame = table()
    X = opened(on_disk(frame, "h5ad dense", tmp_path), frame).rows
    X = X[np.argsort(X.rows)]
    read = []

    class Spied:
        shape, dtype, chunks = X.store.matrix.shape, X.store.matrix.dtype, None

        def __getitem__(self, span, matrix=X.store.matrix):
            read.append((span.start, span.stop))
            return matrix[span]

    monkeypatch.setattr(X.store, "matrix", Spied())
    monkeypatch.setattr(X.store, "chunk_rows", 1)
    np.asarray(X[np.array([50, 2, 3])])
    assert read == [(2, 4), (50, 51)]
    read.clear()
    X[0:10]
    assert [stop - start for start, stop in read] == [3, 3, 3, 1]  # 3 rows of 13 genes are READ


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
    scale = scale_of(np.array([1e6, 0, 0, 5]), np.array([1e-2, 0, 1e-3, 2]))
    assert scale.tolist() == [np.inf, np.inf, 1e-3, 2]


# ------------------------------------------------------------------------ what is refused


def test_genes_that_the_store_lacks_are_named(case):
    frame, data = case
    wanted = frame.columns.append(pd.Index(["TP53", "MYC"]))
    with pytest.raises(AlignmentError, match=r"lack 2 of 14 genes.*'other'.*mask\.select") as error:
        read_data(data, wanted)
    assert error.value.genes == ["TP53", "MYC"]


def test_csc_is_refused_with_what_to_do(tmp_path, stays):
    data = ad.AnnData(sparse.csc_matrix(table().to_numpy()))
    data.write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(DataError, match=r"gene by gene.*tocsr") as error:
        read_data(ad.read_h5ad(tmp_path / "a.h5ad", backed="r"), pd.Index(["0"]))
    assert error.value.code == "E-DATA-CSC"


def test_repeated_genes_and_no_samples(tmp_path, stays):
    frame = table(n_genes=3)
    data = ad.AnnData(frame.to_numpy(), var=pd.DataFrame(index=["a", "b", "b"]))
    data.write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(DataError, match="several columns of the same gene: 'b'"):
        read_data(tmp_path / "a.h5ad", pd.Index(["a", "b"]))
    none = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")[:0]
    with pytest.raises(DataError, match="no sample"):
        read_data(none, pd.Index(["a"]))


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
