"""Files that are truncated, bombs or of another kind; rows 10 to 14 are in acceptance/."""

import gzip

import pytest

import biomask as bm
from biomask.errors import ArgumentError, ReadError
from biomask.masks.text import numbered_lines, read_bytes, read_text, reading

TEXT = "".join(f"SET_{i}\tdesc {i * 7919}\tG{i}\tG{i * 31}\n" for i in range(1, 400))
MEGABYTE = gzip.compress(bytes(1 << 20))  # about 1 kB; gzip members simply follow each other


def write(tmp_path, content, name="f.gmt"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path):
    packed = bytearray(gzip.compress(TEXT.encode(), compresslevel=0))
    packed[1000] ^= 4
    with pytest.raises(ReadError) as caught:
        bm.read_gmt(write(tmp_path, packed))
    assert caught.value.code == "E-TRUNCATED"


def test_what_a_truncated_file_unpacks_to_is_counted(tmp_path):
    packed = gzip.compress(bytes((1 << 20) + 5), compresslevel=0)
    path = write(tmp_path, packed[:-9])  # the checksum, the length, and one byte
    with pytest.raises(ReadError) as caught:
        read_bytes(path)
    assert caught.value.problem.startswith(
        f"the gzip file is truncated or damaged: its {len(packed) - 9} bytes unpack to 1048576 "
        "bytes and then fail ("
    )
    assert (caught.value.code, caught.value.file) == ("E-TRUNCATED", str(path))


def test_an_empty_file_says_so(tmp_path):
    for content in (b"", gzip.compress(b"")):
        with pytest.raises(ReadError, match="the file is empty") as caught:
            read_bytes(write(tmp_path, content))
        assert (caught.value.code, caught.value.file) == ("E-EMPTY", str(tmp_path / "f.gmt"))


def test_more_than_two_gigabytes_are_refused_at_any_ratio(tmp_path, monkeypatch):
    monkeypatch.setattr("biomask.storage.MAX_BYTES", 1000)
    assert read_bytes(write(tmp_path, bytes(range(250)) * 4)) == bytes(range(250)) * 4
    with pytest.raises(ReadError, match="1001 bytes would unpack to 1001 or more") as caught:
        read_bytes(write(tmp_path, b"a" * 1001))
    assert caught.value.code == "E-BOMB"
    with pytest.raises(ReadError, match="would unpack to 1001 or more"):
        read_bytes(write(tmp_path, gzip.compress(b"a" * 1001)))


def test_a_bomb_is_given_up_after_a_megabyte(tmp_path, monkeypatch):
    monkeypatch.setattr("biomask.storage.MAX_BYTES", 5000)
    with pytest.raises(ReadError, match="would unpack to 1048576 or more"):
        read_bytes(write(tmp_path, gzip.compress(bytes(1 << 22))))


def test_a_small_file_is_no_bomb_however_well_it_packs(tmp_path):
    assert len(read_bytes(write(tmp_path, MEGABYTE * 60))) == 60 << 20


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16(tmp_path, codec):
    marked = write(tmp_path, ("\ufeff" + TEXT).encode(codec))
    with pytest.raises(ReadError, match="mark of UTF-16, so it is not utf-8") as caught:
        read_text(marked, kind="GMT")
    assert (caught.value.code, caught.value.line, caught.value.column) == ("E-ENCODING", 1, 1)
    assert 'encoding="utf-16"' in caught.value.hint
    assert read_text(marked, kind="GMT", encoding="utf-16") == TEXT
    assert read_text(marked, kind="GMT", encoding=codec) == TEXT
    bare = write(tmp_path, TEXT.encode(codec))
    with pytest.raises(ReadError) as caught:
        read_text(bare, kind="GMT")
    assert caught.value.problem == (
        "a NUL character: the file is binary or UTF-16, not GMT in utf-8"
    )
    assert (caught.value.code, caught.value.file) == ("E-ENCODING", str(bare))
    assert caught.value.line == 1
    assert read_text(bare, kind="GMT", encoding=codec) == TEXT


def test_a_nul_character_names_the_line(tmp_path):
    with pytest.raises(ReadError) as caught:
        read_text(write(tmp_path, b"\n\nb\0\nc\n"), kind="GMT")
    assert caught.value.line == 3


def test_a_damaged_utf_16_file_names_the_line(tmp_path):
    raw = "a\nb\n".encode("utf-16-le") + b"\x00\xd8\x41\x00"  # half a surrogate pair
    path = write(tmp_path, raw)
    with pytest.raises(ReadError) as caught:
        read_text(path, kind="GMT", encoding="utf-16-le")
    assert (caught.value.code, caught.value.line, caught.value.column) == ("E-ENCODING", 3, 9)
    assert caught.value.file == str(path)
    assert len(caught.value.problems) == 1


def test_bytes_that_are_wrong_only_across_lines_are_told_from_the_first(tmp_path):
    path = write(tmp_path, b"+\n\x0e")  # alone, each of the two lines is UTF-7
    with pytest.raises(ReadError) as caught:
        read_text(path, kind="GMT", encoding="utf-7")
    assert caught.value.problem == f"byte 1 of the line, 0x2b, is not utf-7 ({path}:1:1)"
    assert (caught.value.line, caught.value.column) == (1, 1)


@pytest.mark.parametrize("content", [b"a\r\nb\rc\n", b"\xef\xbb\xbfa\nb\nc\n", b"a\nb\rc\r"])
def test_line_endings_and_marks_are_no_part_of_the_text(tmp_path, content):
    assert read_text(write(tmp_path, content), kind="GMT") == "a\nb\nc\n"


@pytest.mark.parametrize("encoding", ["utf-32-le", "utf-32-be"])
def test_the_mark_of_utf_32_is_not_taken_for_that_of_utf_16(tmp_path, encoding):
    path = write(tmp_path, "\ufeffa\n".encode(encoding))
    with pytest.raises(ReadError) as caught:
        read_text(path, kind="GMT")
    assert caught.value.problem == ("the file begins with the mark of UTF-32, so it is not utf-8")
    assert caught.value.file == str(path)
    assert read_text(path, kind="GMT", encoding="utf-32") == "a\n"


def test_every_line_with_other_bytes_is_listed(tmp_path):
    path = write(tmp_path, b"ok\r\n\xe9\rok\nxy\xff\n")
    with pytest.raises(ReadError) as caught:
        read_text(path, kind="GMT")
    assert [(p.line, p.column) for p in caught.value.problems] == [(2, 1), (4, 3)]
    assert f"byte 3 of the line, 0xff, is not utf-8 ({path}:4:3)" in str(caught.value)


def test_an_unknown_encoding_is_the_callers_mistake(tmp_path):
    with pytest.raises(ArgumentError, match="encoding='utf-99'"):
        read_text(write(tmp_path, b"a"), kind="GMT", encoding="utf-99")


@pytest.mark.parametrize(
    "page", [b"<html>", b" <!DOCTYPE HTML>", b'<?xml version="1.0"?>', b"\xef\xbb\xbf<head>"]
)
def test_web_pages(tmp_path, page):
    with pytest.raises(ReadError, match="the file looks like HTML, not a table") as caught:
        read_text(write(tmp_path, page), kind="a table")
    assert (caught.value.code, caught.value.file) == ("E-HTML", str(tmp_path / "f.gmt"))


@pytest.mark.parametrize(("margin", "is_page"), [(195, True), (196, False)])
def test_a_page_begins_within_two_hundred_bytes(tmp_path, margin, is_page):
    path = write(tmp_path, b" " * margin + b"<html><p>" + b"x" * 50)
    if is_page:
        with pytest.raises(ReadError) as caught:
            read_text(path, kind="GMT")
        assert caught.value.problem == (
            f"the file looks like HTML, not GMT: it starts with {b'<html><p>' + b'x' * 31!r}"
        )
    else:
        assert len(read_text(path, kind="GMT")) == margin + 59


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"PK\x03\x04", "a zip archive"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\x93NUMPY", "a NumPy array"),
        (b"%PDF-1.7", "a PDF"),
        (gzip.compress(gzip.compress(b"a", mtime=0), mtime=0), "a gzip file inside a gzip file"),
    ],
)
def test_other_kinds_of_file_are_named(tmp_path, start, what):
    with pytest.raises(ReadError, match=f"this is {what}.*, not GMT") as caught:
        bm.read_gmt(write(tmp_path, start))
    assert (caught.value.code, caught.value.file) == ("E-FORMAT", str(tmp_path / "f.gmt"))


@pytest.mark.parametrize("read", [bm.read_gmt, bm.read_matrix, bm.read_edges])
def test_missing_files_and_folders(tmp_path, read):
    with pytest.raises(ReadError, match="No such file") as caught:
        read(tmp_path / "no.gmt")
    assert caught.value.code == "E-NO-FILE"
    assert caught.value.file == str(tmp_path / "no.gmt")
    with pytest.raises(ReadError) as caught:
        read(tmp_path)
    assert (caught.value.code, caught.value.file) == ("E-READ", str(tmp_path))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ReadError) as caught:
        read_bytes(tmp_path)
    assert caught.value.problem == "this is a folder, not a file"
    assert (caught.value.code, caught.value.file) == ("E-READ", str(tmp_path))


def test_what_a_mask_has_against_a_file_is_told_of_the_file():
    given = {"code": "E-X", "line": 3, "column": "P", "genes": ["A"], "hint": "Do."}
    for kind in (bm.MaskError, bm.StorageError):
        with pytest.raises(ReadError) as caught, reading("m.csv"):
            raise kind("no good", file="other", **given)
        error = caught.value
        assert (error.problem, error.file) == ("no good", "m.csv")
        assert {name: getattr(error, name) for name in given} == given
    with pytest.raises(ReadError) as caught, reading("m.csv"):
        raise OSError("no reason")
    assert (caught.value.problem, caught.value.code, caught.value.file) == (
        *("cannot read the file: no reason", "E-READ", "m.csv"),
    )
    with pytest.raises(ReadError, match="cannot read the file: gone") as caught, reading("m.csv"):
        raise FileNotFoundError(2, "gone")
    assert caught.value.code == "E-NO-FILE"


def test_lines_end_at_newlines_only():
    text = "a\x0bb\u2028c\n\nd"
    assert list(numbered_lines(text, "line")) == [(1, "a\x0bb\u2028c"), (2, ""), (3, "d")]
    assert list(numbered_lines(f"{text}\n\n", "line"))[2:] == [(3, "d"), (4, "")]


def test_a_long_text_gets_a_progress_bar_and_the_same_lines(monkeypatch, capsys):
    monkeypatch.setattr("biomask.masks.text._BIG", 1)
    assert list(numbered_lines("a\nb\n", "set")) == [(1, "a"), (2, "b")]
    assert capsys.readouterr().err == ""  # it waits two seconds before it shows
