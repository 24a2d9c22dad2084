"""What a file is by its first bytes."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from millrace.contracts.errors import BadInputError
from millrace_data.first_bytes import likeness, refuse_foreign, refuse_unlike_parquet

CSV = b"id,text\n1,a\n2,b\n"
TABLE = pa.table({"id": [1, 2]})


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, CSV)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("a.csv")
        info.size = len(CSV)
        archive.addfile(info, io.BytesIO(CSV))
    return file.getvalue()


def written(write: object) -> bytes:
    sink = pa.BufferOutputStream()
    write(TABLE, sink)  # type: ignore[operator]
    return sink.getvalue().to_pybytes()


FILES = {
    "Excel workbook": zipped("[Content_Types].xml", "xl/workbook.xml"),
    "zip archive": zipped("a.csv"),
    "gzip": gzip.compress(CSV),
    "zstd": pa.Codec("zstd").compress(CSV, asbytes=True),
    "bzip2": bz2.compress(CSV),
    "xz": lzma.compress(CSV),
    "tar": tarred(),
    "xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500,
    "Parquet": written(pq.write_table),
    "ORC": written(orc.write_table),
    "Feather": written(feather.write_feather),
    "Avro": b"Obj\x01\x04\x14avro.codec",
    "UTF-16": CSV.decode().encode("utf-16"),
    "UTF-16 text": CSV.decode().encode("utf-16-le"),
    "UTF-32": CSV.decode().encode("utf-32"),
    "PDF": b"%PDF-1.7\n",
    "SQLite": b"SQLite format 3\x00",
}


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_named_with_what_to_do(name: str) -> None:
    with pytest.raises(BadInputError) as refused:
        refuse_foreign(FILES[name][:4096], "file:///x.csv", "csv")
    assert name in refused.value.what
    assert refused.value.remedy
    if name != "Parquet":
        with pytest.raises(BadInputError, match=name):
            refuse_unlike_parquet(FILES[name][:4096], "file:///x.parquet")


@pytest.mark.parametrize(
    "text",
    [CSV, b"", b"PAR1,x\n", b"ORC,x\n", b"\xef\xbb\xbfid\n", b"caf\xe9\n", b"a\0b\n", b"PK,x\n"],
)
def test_text_is_left_alone(text: bytes) -> None:
    refuse_foreign(text, "file:///x.csv", "csv")


def test_utf_16_is_no_stranger_where_it_is_declared() -> None:
    refuse_foreign(FILES["UTF-16"], "file:///x.csv", "csv", "UTF_16")


def test_parquet_is_taken_and_text_in_its_place_is_told_by_its_likeness() -> None:
    refuse_unlike_parquet(FILES["Parquet"], "file:///x.parquet")
    refuse_unlike_parquet(b"rubbish", "file:///x.parquet")
    with pytest.raises(BadInputError, match="like CSV"):
        refuse_unlike_parquet(CSV, "file:///x.parquet")


def test_likeness_of_text() -> None:
    assert likeness(b'{"a": 1}\n') == "like JSON"
    assert likeness(b' [{"a": 1}]') == "like one JSON array"
    assert likeness(b"<html>") == "like HTML or XML"
    assert likeness(b"a\tb\n") == "like TSV"
    assert likeness(CSV) == "like CSV"
    assert likeness(b"word\n") is None
    assert likeness(FILES["Avro"]) is None
