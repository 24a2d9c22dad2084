"""Parquet as other programs write it: row groups, encodings, pages, columns; and what damages it."""

from datetime import UTC, datetime

import pyarrow as pa

from tests.images.data.corpus.case import Case, Refused, column, parquet, parquet_bytes

TABLE = pa.table({"id": list(range(40)), "text": [f"text {n % 7}" for n in range(40)], "label": ["yes", "no"] * 20})
ROWS = tuple((n, f"text {n % 7}", "yes" if n % 2 == 0 else "no") for n in range(40))
WHOLE = parquet_bytes(TABLE)
DAMAGED = Refused("truncated|damaged|Parquet")


def _written(name: str, **options: object) -> Case:
    return parquet(f"written with {name}", parquet_bytes(TABLE, **options), *ROWS)


def _refused(name: str, table: pa.Table, says: str) -> Case:
    return parquet(name, table, refused=Refused(says))


def _many_groups() -> bytes:
    return parquet_bytes(TABLE, row_group_size=1)


def _flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0x01
    return bytes(changed)


CHECKED = parquet_bytes(TABLE, write_page_checksum=True, compression="none", use_dictionary=False)

CASES: list[Case] = [
    _written("a row group for each row", row_group_size=1),
    _written("no compression", compression="none"),
    *(_written(codec, compression=codec) for codec in ("snappy", "gzip", "zstd", "brotli", "lz4")),
    _written("version 1.0", version="1.0"),
    _written("pages of version 2", data_page_version="2.0"),
    _written("small pages", data_page_size=16, write_batch_size=2),
    _written("dictionary pages that are too small", dictionary_pagesize_limit=8, write_batch_size=2),
    _written("no dictionaries", use_dictionary=False),
    _written(
        "byte stream split and deltas",
        use_dictionary=False,
        column_encoding={"id": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY"},
    ),
    _written("delta lengths", use_dictionary=False, column_encoding={"text": "DELTA_LENGTH_BYTE_ARRAY"}),
    _written("checksums of pages", write_page_checksum=True),
    _written("an index of pages", write_page_index=True),
    _written("no statistics", write_statistics=False),
    _written("no schema of Arrow's", store_schema=False),
    parquet("columns in another order", TABLE.select(["label", "id", "text"]), *ROWS),
    parquet(
        "fields that may not be null",
        TABLE.cast(pa.schema([pa.field(f.name, f.type, nullable=False) for f in TABLE.schema])),
        *ROWS,
    ),
    parquet(
        "an index of pandas",
        TABLE.append_column("__index_level_0__", pa.array(range(40))),
        refused=Refused("__index_level_0__"),
    ),
    parquet(
        "an index of pandas is dropped",
        TABLE.append_column("__index_level_0__", pa.array(range(40))),
        *ROWS,
        dataset={"extra_columns": "drop"},
        dropped=("__index_level_0__",),
    ),
    parquet(
        "a dropped struct",
        TABLE.append_column("more", pa.array([{"a": n} for n in range(40)])),
        *ROWS,
        dataset={"extra_columns": "drop"},
        dropped=("more",),
    ),
    parquet(
        "a dropped column of another case",
        TABLE.append_column("TEXT", pa.array(range(40))),
        *ROWS,
        dataset={"extra_columns": "drop"},
        dropped=("TEXT",),
    ),
    parquet(
        "a dropped column with a dot in its name",
        TABLE.append_column("text.x", pa.array(range(40))),
        *ROWS,
        dataset={"extra_columns": "drop"},
        dropped=("text.x",),
    ),
    parquet(
        "a dropped column of a type nobody declared",
        TABLE.append_column("more", pa.array(range(40), pa.duration("us"))),
        *ROWS,
        dataset={"extra_columns": "drop"},
        dropped=("more",),
    ),
    _refused("another case", TABLE.rename_columns(["ID", "Text", "Label"]), "ID"),
    _refused("a column is missing", TABLE.select(["id", "label"]), "text"),
    _refused(
        "a column is there twice",
        pa.table([*TABLE.columns, TABLE["text"]], names=["id", "text", "label", "text"]),
        "twice",
    ),
    _refused("no row", TABLE.slice(0, 0), "no row"),
    parquet(
        "no row group",
        parquet_bytes(TABLE.schema.empty_table(), row_group_size=1),
        refused=Refused("no row"),
        dataset={"max_bad_rows_share": 0.5},
    ),
    # a mapped name, with signs that mean something to Arrow
    parquet(
        "names with dots and spaces",
        TABLE.rename_columns(["id", "my text. x[0]", "label"]),
        *((n, text, label) for n, text, label in ROWS),
        columns=(column("string")[0], column("string", source_name="my text. x[0]")[1], column("string")[2]),
    ),
    # Spark, Hive, old pandas
    parquet(
        "moments of twelve bytes",
        parquet_bytes(
            pa.table(
                {
                    "id": [1],
                    "value": pa.array([datetime(2026, 1, 31, 8, tzinfo=UTC)], pa.timestamp("ns", "UTC")),
                    "label": ["yes"],
                }
            ),
            use_deprecated_int96_timestamps=True,
        ),
        columns=column("timestamp"),
        refused=Refused("zone", "'value'"),  # they say no zone, and every writer has another custom
    ),
    parquet(
        "moments of twelve bytes beyond 2262",
        parquet_bytes(
            pa.table(
                {
                    "id": [1],
                    "value": pa.array([datetime(3000, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")),
                    "label": ["yes"],
                }
            ),
            use_deprecated_int96_timestamps=True,
        ),
        columns=column("timestamp"),
        refused=Refused("value|timestamp"),
    ),
    parquet(
        "a list as old writers have it",
        parquet_bytes(pa.table({"id": [1], "value": [["a", "b"]], "label": ["yes"]}), use_compliant_nested_type=False),
        (1, ["a", "b"], "yes"),
        columns=column("list<string>"),
    ),
    # damage
    *(
        parquet(f"cut to {part:.0%}", WHOLE[: int(part * len(WHOLE))], refused=DAMAGED)
        for part in (0.1, 0.5, 0.9, 0.99)
    ),
    *(parquet(f"cut to {size} bytes", WHOLE[:size], refused=DAMAGED) for size in (1, 4, 8, 12)),
    parquet("without its first bytes", WHOLE[4:], refused=DAMAGED),
    parquet("without its last byte", WHOLE[:-1], refused=DAMAGED),
    parquet("bytes behind it", WHOLE + b"\n", refused=DAMAGED),
    parquet("its magic only", b"PAR1PAR1", refused=DAMAGED),
    parquet("its magic and a footer that is too long", b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1", refused=DAMAGED),
    parquet("an encrypted footer", b"PARE" + WHOLE[4:-4] + b"PARE", refused=Refused("encrypt|damaged")),
    parquet("a first page of other bytes", WHOLE[:4] + b"\xff" * 30 + WHOLE[34:], refused=DAMAGED),
    parquet("a footer of other bytes", WHOLE[:-200] + b"\xff" * 100 + WHOLE[-100:], refused=DAMAGED),
    parquet("a bit of a checked page", _flipped(CHECKED, CHECKED.index(b"text 3")), refused=DAMAGED),
    parquet("two files in one", WHOLE + WHOLE, refused=DAMAGED),
    parquet("lines of text between its magic", b"PAR1\nid,text,label\nPAR1", refused=DAMAGED),
    # names that are no text (a brother of arrow-rs 3324)
    *(
        parquet(
            f"a column's name that is not UTF-8, extra columns {extra}",
            parquet_bytes(TABLE, store_schema=False, write_statistics=False).replace(b"text", b"te\xffx"),
            dataset={"extra_columns": extra},
            refused=Refused("UTF-8|damaged|text"),
        )
        for extra in ("refuse", "drop")
    ),
]
