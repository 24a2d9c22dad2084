"""Detection of a file's real format by its first bytes, if they are not those of the declared format."""

import re
from collections.abc import Callable

from millrace.contracts.errors import BadInputError

HEAD_BYTES = 4096
_TAR_MARK = slice(257, 262)
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_ZIP_REMEDY = "deliver the file that is inside, with .gz or .zst where it should be small"
_COMPRESSION_REMEDY = "compress it by gzip or zstd, and let its name end in .gz or .zst"
_TABLE_REMEDY = "export it as CSV in UTF-8, or as Parquet"
_FORMAT_REMEDY = "declare its format in the workload (source), or export it as the declared one"


def refuse_foreign(head: bytes, uri: str, declared: str, encoding: str = "utf-8") -> None:
    """Raise BadInputError, with the detected format, if the bytes are certainly not text in that encoding."""
    if found := _binary(head) or _utf16(head, encoding):
        raise _foreign(*found, uri, declared)


def refuse_unlike_parquet(head: bytes, uri: str) -> None:
    """Raise BadInputError if the file does not begin like Parquet and its format is detected."""
    if head.startswith(b"PAR1") or not head:
        return
    what, remedy = _binary(head) or _utf16(head, "utf-8") or (likeness(head), _FORMAT_REMEDY)
    if what is not None:
        raise _foreign(what, remedy, uri, "parquet")


def _foreign(what: str, remedy: str, uri: str, declared: str) -> BadInputError:
    rule = f"the declared format is {declared}"
    return BadInputError(f"the file is {what}, by its first bytes", where=uri, rule=rule, remedy=remedy)


def likeness(head: bytes) -> str | None:
    """Return what the beginning of a text looks like ("like JSON", …); None if undecided or if it is not text."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start or _NOT_TEXT.search(head):
        return None
    if start[:1] == b"[":
        return "like one JSON array"
    if start[:1] == b"{":
        return "like JSON"
    if start[:1] == b"<":
        return "like HTML or XML"
    line = start.split(b"\n", 1)[0]
    if b"\t" in line:
        return "like TSV"
    return "like CSV" if b"," in line or b";" in line else None


def _starts(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(marks)


def _starts_binary(mark: bytes) -> Callable[[bytes], bool]:
    # text may begin with these letters too
    return lambda head: head.startswith(mark) and _NOT_TEXT.search(head) is not None


def _workbook(head: bytes) -> bool:
    return head.startswith(b"PK\x03\x04") and (b"xl/" in head or b"[Content_Types].xml" in head)


_MARKS: tuple[tuple[Callable[[bytes], bool], str, str], ...] = (
    (_workbook, "an Excel workbook (.xlsx)", _TABLE_REMEDY),
    (_starts(b"PK\x03\x04", b"PK\x05\x06"), "a zip archive, such as an Excel workbook", _ZIP_REMEDY),
    (_starts(b"\x1f\x8b"), "compressed by gzip", "let its name end in .gz; compress it once only"),
    (_starts(b"\x28\xb5\x2f\xfd"), "compressed by zstd", "let its name end in .zst; compress it once only"),
    (_starts(b"BZh"), "compressed by bzip2", _COMPRESSION_REMEDY),
    (_starts(b"\xfd7zXZ\x00"), "compressed by xz", _COMPRESSION_REMEDY),
    (_starts(b"\x04\x22\x4d\x18"), "compressed by lz4", _COMPRESSION_REMEDY),
    (_starts(b"\xff\x06\x00\x00sNaPpY"), "compressed by snappy", _COMPRESSION_REMEDY),
    (_starts(b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"), "an archive (7z or rar)", _ZIP_REMEDY),
    (lambda head: head[_TAR_MARK] == b"ustar", "a tar archive", _ZIP_REMEDY),
    (_starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an old Excel workbook (.xls)", _TABLE_REMEDY),
    (_starts_binary(b"PAR1"), "Parquet", _FORMAT_REMEDY),
    (_starts(b"PARE"), "encrypted Parquet", "deliver it without encryption inside"),
    (_starts_binary(b"ORC"), "ORC", _TABLE_REMEDY),
    (_starts(b"Obj\x01"), "Avro", _TABLE_REMEDY),
    (_starts(b"ARROW1\x00\x00", b"FEA1"), "Arrow or Feather", _TABLE_REMEDY),
    (_starts(b"SQLite format 3\x00"), "a SQLite database", _TABLE_REMEDY),
    (_starts(b"\x89HDF\r\n\x1a\n"), "HDF5", _TABLE_REMEDY),
    (_starts(b"%PDF-"), "a PDF document", _TABLE_REMEDY),
)  # fmt: skip


def _binary(head: bytes) -> tuple[str, str] | None:
    return next(((what, remedy) for fits, what, remedy in _MARKS if fits(head)), None)


def _utf16(head: bytes, encoding: str) -> tuple[str, str] | None:
    if encoding.lower().replace("_", "-").startswith(("utf-16", "utf16", "utf-32", "utf32")):
        return None
    name = ""
    if head.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        name = "UTF-32"
    elif head.startswith((b"\xff\xfe", b"\xfe\xff")) or _every_other_is_nul(head):
        name = "UTF-16"
    if not name:
        return None
    return f"{name} text", f'convert it to UTF-8, or, for csv and tsv, declare Dialect(encoding="{name.lower()}")'


def _every_other_is_nul(head: bytes) -> bool:
    sample = head[:64]
    return len(sample) >= 8 and any(
        not sample[start::2].strip(b"\0") and b"\0" not in sample[1 - start :: 2] for start in (0, 1)
    )
