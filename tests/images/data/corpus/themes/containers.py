"""What a file is, is said by its first bytes; compressed files are whole, of one part or of several."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile

import pyarrow as pa

from tests.images.data.corpus.case import Case, Refused, parquet_bytes, stored
from tests.images.data.corpus.trial import compressed

TEXT = {
    "csv": b"id,text,label\n1,a,yes\n2,b,no\n",
    "tsv": b"id\ttext\tlabel\n1\ta\tyes\n2\tb\tno\n",
    "jsonl": b'{"id":1,"text":"a","label":"yes"}\n{"id":2,"text":"b","label":"no"}\n',
}
ROWS = ((1, "a", "yes"), (2, "b", "no"))
PARQUET = parquet_bytes(pa.table({"id": [1, 2], "text": ["a", "b"], "label": ["yes", "no"]}))
SKIPPABLE = struct.pack("<II", 0x184D2A50, 4) + b"skip"


def _zip(*names: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name in names:
            archive.writestr(name, TEXT["csv"])
    return sink.getvalue()


def _tar() -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"), io.BytesIO(b""))
    return sink.getvalue()


def _arrow() -> bytes:
    sink = io.BytesIO()
    table = pa.table({"id": [1]})
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


FOREIGN = {
    "zip": (_zip("a.csv"), r"\bzip\b"),
    "xlsx": (_zip("[Content_Types].xml", "xl/workbook.xml"), "xlsx|Excel|spreadsheet"),
    "gzip": (gzip.compress(TEXT["csv"], mtime=0), "gzip"),
    "zstd": (compressed(TEXT["csv"], ".zst"), "zstd|zstandard"),
    "bzip2": (bz2.compress(TEXT["csv"]), "bzip2"),
    "xz": (lzma.compress(TEXT["csv"]), r"\bxz\b"),
    "Parquet": (PARQUET, "Parquet"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, r"xls|Excel|Office"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "PDF"),
    "SQLite": (b"SQLite format 3\0" + b"\0" * 84, "SQLite"),
    "ORC": (b"ORC" + bytes(range(64)), "ORC"),
    "Avro": (b"Obj\x01\x04\x14avro.codec\x08null", "Avro"),
    "Arrow": (_arrow(), "Arrow|Feather"),
}
PAGES = {
    "an error page": b"<!DOCTYPE html>\n<html><body>503</body></html>\n",
    "an error of a store": b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code></Error>',
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
}


def _foreign() -> list[Case]:
    return [
        stored(f"{kind} in its place", source_format, content, refused=Refused(says))
        for kind, (content, says) in FOREIGN.items()
        for source_format in ("csv", "tsv", "jsonl", "parquet")
        if kind != "Parquet" or source_format != "parquet"
    ]


def _compressed(name: str, content: bytes, ending: str, source_format: str, refused: Refused | None = None) -> Case:
    return stored(name, source_format, content, *(ROWS if refused is None else ()), ending=ending, refused=refused)


def _parts(source_format: str) -> list[Case]:
    text = TEXT[source_format]
    head, tail = text[:20], text[20:]
    whole = {ending: compressed(text, ending) for ending in (".gz", ".zst")}
    damaged = Refused("truncated|damaged|cut")
    cases = [
        _compressed("two members", gzip.compress(head) + gzip.compress(tail), ".gz", source_format),
        _compressed(
            "a member for each byte", b"".join(gzip.compress(bytes([byte])) for byte in text), ".gz", source_format
        ),
        _compressed(
            "an empty member in between",
            gzip.compress(head) + gzip.compress(b"") + gzip.compress(tail),
            ".gz",
            source_format,
        ),
        _compressed("a member with a file's name", _named(text), ".gz", source_format),
        _compressed("two frames", compressed(head, ".zst") + compressed(tail, ".zst"), ".zst", source_format),
        _compressed("a frame that is skipped", SKIPPABLE + whole[".zst"] + SKIPPABLE, ".zst", source_format),
        _compressed("gzip of nothing", gzip.compress(b""), ".gz", source_format, Refused("no row")),
        _compressed("zstd of nothing", compressed(b"", ".zst"), ".zst", source_format, Refused("no row")),
        _compressed("gzip of gzip", gzip.compress(whole[".gz"]), ".gz", source_format, Refused("gzip")),
        _compressed("gzip of zip", gzip.compress(_zip("a.csv")), ".gz", source_format, Refused(r"\bzip\b")),
        _compressed("gzip of Parquet", gzip.compress(PARQUET), ".gz", source_format, Refused("Parquet")),
        _compressed("zstd under gzip's name", whole[".zst"], ".gz", source_format, Refused("zstd|zstandard")),
        _compressed("gzip under zstd's name", whole[".gz"], ".zst", source_format, Refused("gzip")),
        _compressed("zip under gzip's name", _zip("a.csv"), ".gz", source_format, Refused(r"\bzip\b")),
        _compressed(
            "a second member that is cut off",
            gzip.compress(head) + gzip.compress(tail)[:-6],
            ".gz",
            source_format,
            damaged,
        ),
    ]
    for ending, content in whole.items():
        cases += [
            _compressed(f"plain text under the name {ending}", text, ending, source_format, Refused("gzip|zstd")),
            _compressed(
                f"nothing at all under the name {ending}", b"", ending, source_format, Refused("no row|empty|truncated")
            ),
            *(
                _compressed(f"without its last {cut} bytes", content[:-cut], ending, source_format, damaged)
                for cut in (1, 4, 9, 20)
            ),
            _compressed("rubbish behind it", content + b"rubbish", ending, source_format, damaged),
        ]
    flipped = bytearray(whole[".gz"])
    flipped[-6] ^= 0xFF
    return [*cases, _compressed("another checksum", bytes(flipped), ".gz", source_format, damaged)]


def _named(text: bytes) -> bytes:
    sink = io.BytesIO()
    with gzip.GzipFile("arrivals.csv", "wb", fileobj=sink, mtime=1) as stream:
        stream.write(text)
    return sink.getvalue()


CASES: list[Case] = [
    *_foreign(),
    *(
        stored(f"{kind} in its place", source_format, content, refused=Refused(""))
        for kind, content in PAGES.items()
        for source_format in ("csv", "tsv", "jsonl", "parquet")
    ),
    stored("a tar archive in its place", "csv", _tar(), refused=Refused("tar|columns")),
    *(
        stored(f"{source_format} in its place", "parquet", content, refused=Refused("Parquet"))
        for source_format, content in TEXT.items()
    ),
    stored("JSON Lines in its place", "csv", TEXT["jsonl"], refused=Refused("JSON|columns")),
    stored("CSV in its place", "jsonl", TEXT["csv"], refused=Refused("JSON")),
    *(stored("nothing", "parquet", b"", refused=Refused("no row")) for _ in range(1)),
    *(
        stored(
            "Parquet behind a compression",
            "parquet",
            compressed(PARQUET, ending),
            ending=ending,
            refused=Refused("gzip|zstd"),
        )
        for ending in (".gz", ".zst")
    ),
    *_parts("csv"),
    *_parts("jsonl"),
    *_parts("tsv")[:4],
]
