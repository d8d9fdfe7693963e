"""Files that are truncated, bombs or of another kind; rows 10 to 14 are in acceptance/."""

import gzip

import pytest

import biomask as bm
from biomask.errors import ArgumentError, ReadError
from biomask.masks.text import numbered_lines, read_bytes, read_text

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


def test_an_empty_file_says_so(tmp_path):
    for content in (b"", gzip.compress(b"")):
        with pytest.raises(ReadError, match="the file is empty"):
            read_bytes(write(tmp_path, content))


def test_more_than_two_gigabytes_are_refused_at_any_ratio(tmp_path, monkeypatch):
    monkeypatch.setattr("biomask.storage.MAX_BYTES", 1000)
    assert read_bytes(write(tmp_path, bytes(range(250)) * 4)) == bytes(range(250)) * 4
    with pytest.raises(ReadError, match="1001 bytes would unpack to 1001 or more") as caught:
        read_bytes(write(tmp_path, b"a" * 1001))
    assert caught.value.code == "E-BOMB"
    with pytest.raises(ReadError, match="would unpack to 1001 or more"):
        read_bytes(write(tmp_path, gzip.compress(b"a" * 1001)))


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
    with pytest.raises(ReadError, match="NUL character") as caught:
        read_text(bare, kind="GMT")
    assert caught.value.code == "E-ENCODING"
    assert read_text(bare, kind="GMT", encoding=codec) == TEXT


def test_a_damaged_utf_16_file_names_the_line(tmp_path):
    raw = "a\nb\n".encode("utf-16-le") + b"\x00\xd8\x41\x00"  # half a surrogate pair
    with pytest.raises(ReadError) as caught:
        read_text(write(tmp_path, raw), kind="GMT", encoding="utf-16-le")
    assert (caught.value.code, caught.value.line) == ("E-ENCODING", 3)


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
    assert caught.value.code == "E-HTML"


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
    assert caught.value.code == "E-FORMAT"


@pytest.mark.parametrize("read", [bm.read_gmt, bm.read_matrix, bm.read_edges])
def test_missing_files_and_folders(tmp_path, read):
    with pytest.raises(ReadError, match="No such file") as caught:
        read(tmp_path / "no.gmt")
    assert caught.value.code == "E-NO-FILE"
    assert caught.value.file == str(tmp_path / "no.gmt")
    with pytest.raises(ReadError) as caught:
        read(tmp_path)
    assert caught.value.code == "E-READ"


def test_lines_end_at_newlines_only():
    text = "a\x0bb\u2028c\n\nd"
    assert list(numbered_lines(text, "line")) == [(1, "a\x0bb\u2028c"), (2, ""), (3, "d")]


def test_a_long_text_gets_a_progress_bar_and_the_same_lines(monkeypatch, capsys):
    monkeypatch.setattr("biomask.masks.text._BIG", 1)
    assert list(numbered_lines("a\nb\n", "set")) == [(1, "a"), (2, "b")]
    assert capsys.readouterr().err == ""  # it waits two seconds before it shows
