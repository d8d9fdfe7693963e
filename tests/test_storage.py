"""Files: written whole or not at all; read back as written or refused."""

import base64
import errno
import json
import os
import stat
import threading
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import biomask as bm
from biomask import storage
from biomask.storage import atomic_write, pack, read_zip, unpack, unzip, write_zip

MEMBERS = {"a.txt": b"alpha" * 40, "folder/b.bin": bytes(range(256)) * 4, "empty": b""}


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "x.biomask"
    write_zip(path, MEMBERS, {"schema": 1, "name": "é"})
    return path


def only(folder):
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------------ atomic_write


def test_atomic_write_replaces(tmp_path):
    path = tmp_path / "f.txt"
    for text in ("old", "new"):
        with atomic_write(path) as temporary:
            temporary.write_text(text)
            assert temporary.parent == tmp_path
            assert temporary.suffix == ".txt"  # writers that look at the suffix see the right one
            assert path.exists() == (text == "new")
        assert path.read_text() == text
    assert only(tmp_path) == ["f.txt"]


def test_atomic_write_makes_ordinary_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "f"):
            pass
        assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640
        assert os.umask(0o027) == 0o027  # the process's own is as it was
    finally:
        os.umask(before)


@pytest.mark.parametrize("step", ["mkstemp", "fsync", "chmod", "replace", "inside"])
@pytest.mark.parametrize("existing", [True, False])
def test_failure_at_any_step_leaves_the_old_file(tmp_path, monkeypatch, step, existing):
    path = tmp_path / "f.txt"
    if existing:
        path.write_text("old")

    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    homes = {"mkstemp": storage.tempfile, "chmod": storage.Path}
    if step != "inside":
        monkeypatch.setattr(homes.get(step, storage.os), step, fail)

    def write():
        with atomic_write(path) as temporary:
            temporary.write_text("new")
            if step == "inside":
                fail()

    with pytest.raises(bm.StorageError, match="No space left on device") as caught:
        write()
    assert caught.value.code == "E-WRITE"
    assert caught.value.file == str(path)
    assert only(tmp_path) == ["f.txt"] * existing
    assert not existing or path.read_text() == "old"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ValueError])
def test_other_exceptions_pass_and_leave_nothing(tmp_path, kind):
    with pytest.raises(kind), atomic_write(tmp_path / "f"):
        raise kind
    assert only(tmp_path) == []


def test_missing_folder_and_folder_in_the_way(tmp_path):
    with pytest.raises(bm.StorageError, match="Check that the folder exists"):
        write_zip(tmp_path / "none" / "f", MEMBERS, {})
    (tmp_path / "taken").mkdir()
    with pytest.raises(bm.StorageError, match="E-WRITE"):
        write_zip(tmp_path / "taken", MEMBERS, {})
    assert only(tmp_path) == ["taken"]


def test_overwrite_false(tmp_path):
    path = tmp_path / "f"
    with atomic_write(path, overwrite=False) as temporary:
        temporary.write_text("first")
    with (
        pytest.raises(bm.StorageError, match="overwrite=True") as caught,
        atomic_write(path, overwrite=False),
    ):
        pytest.fail("nothing is to be written")
    assert caught.value.code == "E-EXISTS"
    assert path.read_text() == "first"


def test_long_and_unicode_names(tmp_path):
    path = tmp_path / ("ж" * 120 + ".é")
    write_zip(path, MEMBERS, {})
    assert read_zip(path)[1] == MEMBERS


def test_writers_at_once_never_mix(tmp_path):
    path = tmp_path / "f"
    contents = [{"m": bytes([k]) * 20_000} for k in range(4)]
    write_zip(path, contents[0], {})

    def write(content):
        for _ in range(15):
            write_zip(path, content, {})

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert read_zip(path)[1] in contents
    assert only(tmp_path) == ["f"]


# ------------------------------------------------------------------------ zips


def test_round_trip(bundle):
    manifest, members = read_zip(bundle)
    assert manifest == {"schema": 1, "name": "é"}
    assert members == MEMBERS


def test_same_input_same_bytes(bundle, tmp_path):
    write_zip(tmp_path / "other", dict(MEMBERS), {"name": "é", "schema": 1})
    assert (tmp_path / "other").read_bytes() == bundle.read_bytes()


def test_every_flipped_byte_is_noticed_or_harmless(bundle):
    content, expected = bundle.read_bytes(), read_zip(bundle)
    refused = 0
    for at in range(0, len(content), 11):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(content)
            damaged[at] ^= flip
            bundle.write_bytes(damaged)
            try:
                assert read_zip(bundle) == expected, (at, flip)
            except bm.StorageError:
                refused += 1
    assert refused > 0.8 * 3 * len(content) / 11


def test_every_truncation_is_refused(bundle):
    content = bundle.read_bytes()
    for size in range(0, len(content), 29):
        bundle.write_bytes(content[:size])
        with pytest.raises(bm.StorageError, match=rf"truncated or damaged \({size} bytes\)"):
            read_zip(bundle)


def rewritten(bundle, change):
    """The bundle with its members changed by hand, the zip itself being sound."""
    members = unzip(bundle)
    change(members)
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (lambda m: m.update({"a.txt": b"beta"}), "E-SHA256", "'a.txt' is not what was written"),
        (lambda m: m.pop("a.txt"), "E-SHA256", "sha256 of no member"),
        (lambda m: m.update(extra=b""), "E-SHA256", "no such member"),
        (lambda m: m.pop(storage.MANIFEST), "E-MANIFEST", "biomask did not write this"),
        (lambda m: m.update({storage.MANIFEST: b"{"}), "E-MANIFEST", "damaged"),
        (lambda m: m.update({storage.MANIFEST: b"[]"}), "E-MANIFEST", "damaged"),
        (lambda m: m.update({storage.MANIFEST: b"{}"}), "E-MANIFEST", "damaged"),
        (lambda m: m.update({storage.MANIFEST: b'{"sha256": 3}'}), "E-MANIFEST", "damaged"),
        (lambda m: m.update({storage.MANIFEST: b"\xff\xfe"}), "E-MANIFEST", "damaged"),
        (lambda m: m.update({storage.MANIFEST: b"[" * 200_000}), "E-MANIFEST", "damaged"),
    ],
)
def test_altered_members_are_named(bundle, change, code, told):
    rewritten(bundle, change)
    with pytest.raises(bm.StorageError) as caught:
        read_zip(bundle)
    assert caught.value.code == code
    assert told in str(caught.value)


def zip_of(path, *infos, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for info, content in infos:
            archive.writestr(info, content)


@pytest.mark.parametrize(
    "name", ["../out", "a/../../out", "/etc/out", "..\\out", "C:/out", "C:\\out", "a/.."]
)
def test_names_that_leave_are_refused(tmp_path, name):
    zip_of(tmp_path / "f", (name, b"x"))
    with pytest.raises(bm.StorageError, match="points outside") as caught:
        unzip(tmp_path / "f")
    assert caught.value.code == "E-UNSAFE"
    assert only(tmp_path) == ["f"]


def test_links_are_refused(tmp_path):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    zip_of(tmp_path / "f", (info, b"/etc/passwd"))
    with pytest.raises(bm.StorageError, match="points outside"):
        unzip(tmp_path / "f")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_repeated_members_are_refused(tmp_path):
    zip_of(tmp_path / "f", ("m", b"one"), ("m", b"two"))
    with pytest.raises(bm.StorageError, match="'m' occurs twice"):
        unzip(tmp_path / "f")


def test_names_with_dots_are_fine(tmp_path):
    zip_of(tmp_path / "f", ("a..b/.c", b"x"))
    assert unzip(tmp_path / "f") == {"a..b/.c": b"x"}


def test_bomb_is_refused(tmp_path):
    zip_of(tmp_path / "f", ("m", bytes(80 << 20)), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(bm.StorageError, match="would unpack to 83886080") as caught:
        unzip(tmp_path / "f")
    assert caught.value.code == "E-BOMB"


def test_limits_of_size(tmp_path):
    small, packed = storage.SMALL, storage.SMALL // storage.MAX_RATIO + 1
    storage.check_unpacked_size(small, 1, "f")
    storage.check_unpacked_size(storage.MAX_RATIO * packed, packed, "f")
    storage.check_unpacked_size(storage.MAX_BYTES, storage.MAX_BYTES, "f")
    for unpacked, size in (
        (small + 1, 1),
        (storage.MAX_RATIO * packed + 1, packed),
        (storage.MAX_BYTES + 1, storage.MAX_BYTES),
    ):
        with pytest.raises(bm.StorageError, match="E-BOMB"):
            storage.check_unpacked_size(unpacked, size, "f")


def test_member_longer_than_its_header_says(tmp_path):
    path = tmp_path / "f"
    zip_of(path, ("m", bytes(5000)), compression=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + 24  # uncompressed size in the central directory
    content[at : at + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(bm.StorageError):
        unzip(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(tmp_path, method):
    zip_of(tmp_path / "f", ("m", b"x" * 100), compression=method)
    with pytest.raises(bm.StorageError, match="compressed in a way"):
        unzip(tmp_path / "f")


def test_files_that_are_no_zip(tmp_path):
    with pytest.raises(bm.StorageError, match="no such file") as caught:
        read_zip(tmp_path / "none")
    assert caught.value.code == "E-NO-FILE"
    (tmp_path / "text").write_text("hello")
    with pytest.raises(bm.StorageError, match="E-TRUNCATED"):
        read_zip(tmp_path / "text")
    with pytest.raises(bm.StorageError, match="E-READ"):
        read_zip(tmp_path)


# ------------------------------------------------------------------------ arrays in text


@given(
    hnp.arrays(
        st.sampled_from([np.int32, np.float32, np.int64, np.dtype(">i4"), np.bool_]),
        st.integers(0, 50),
        elements={"allow_subnormal": False},  # an import in this process may flush them to zero
    )
)
def test_pack_and_unpack(array):
    back = unpack(pack(array), array.dtype, len(array))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.flags.writeable


def test_pack_is_text_of_little_endian_bytes():
    raw = zlib.decompress(base64.b64decode(pack(np.array([1, 256], ">i4"))))
    assert raw == b"\x01\0\0\0\0\x01\0\0"
    assert json.loads(json.dumps(pack(np.arange(3)))) == pack(np.arange(3))
    every_other = np.arange(10, dtype=np.int32)[::2]
    np.testing.assert_array_equal(unpack(pack(every_other), np.int32, 5), every_other)


THREE = pack(np.arange(3, dtype=np.int32))


@pytest.mark.parametrize(
    "text",
    ["", "AAAA", "not base64!", "é", None, 3, THREE[:-4], pack(np.arange(2)), pack(np.arange(4))],
)
def test_unpack_refuses_what_is_not_such_an_array(text):
    with pytest.raises(bm.StorageError, match="packed array") as caught:
        unpack(text, np.int32, 3)
    assert caught.value.code == "E-PACKED"


def test_unpack_never_inflates_a_bomb(monkeypatch):
    sizes = []
    real = zlib.decompressobj

    class Watched:
        def __init__(self):
            self.inner = real()

        def decompress(self, data, limit):
            out = self.inner.decompress(data, limit)
            sizes.append(len(out))
            return out

    monkeypatch.setattr(storage.zlib, "decompressobj", Watched)
    bomb = base64.b64encode(zlib.compress(bytes(10_000_000))).decode()
    with pytest.raises(bm.StorageError, match="13 bytes or more, expected 12"):
        unpack(bomb, np.int32, 3)
    assert sizes == [13]
