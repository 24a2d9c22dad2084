import gzip
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.contracts.data import Dataset, StagedPartition
from millrace.contracts.errors import BadInputError
from millrace.storage import files

MakeDataset = Callable[..., Dataset]
MakeRows = Callable[[int], list[dict[str, Any]]]
Arrive = Callable[..., Path]
Stage = Callable[..., StagedPartition]


def _json(row: dict[str, Any]) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _broken(rows: list[dict[str, Any]], **changes: object) -> bytes:
    """Ten good lines with the seventh changed."""
    lines = [_json(row) for row in rows]
    lines[6] = _json({**rows[6], **changes})
    return b"".join(lines)


def _refusal(stage: Stage, dataset: Dataset, out_uri: str) -> str:
    """The error's text; nothing was staged, and no value of a row is in it."""
    with pytest.raises(BadInputError) as caught:
        stage(dataset)
    assert files.names(out_uri) == []
    error = caught.value
    assert error.remedy
    assert error.rule
    assert dataset.source.uri_template.replace("{partition}", "2026-01-01") in error.where
    return f"{error.what} @ {error.where}"


JSON_CASES = {
    "missing": (
        lambda rows: _broken([*rows[:6], {k: v for k, v in rows[6].items() if k != "text"}, *rows[7:]]),
        "text",
    ),
    "extra": (lambda rows: _broken(rows, secret="s3cret"), "secret"),
    "retyped": (lambda rows: _broken(rows, text=5), "text"),
    "null": (lambda rows: _broken(rows, text=None), "text"),
    "list of numbers": (lambda rows: _broken(rows, labels=[1, 2]), "labels"),
    "null item": (lambda rows: _broken(rows, labels=["a", None]), "labels"),
    "text for a list": (lambda rows: _broken(rows, labels="a"), "labels"),
    "unknown label": (lambda rows: _broken(rows, labels=["a", "s3cret"]), "labels"),
    "unknown split": (lambda rows: _broken(rows, split="s3cret"), "split"),
    "too short": (lambda rows: _broken(rows, text=""), "text"),
    "too long": (lambda rows: _broken(rows, text="s3cret" * 400), "text"),
    "twice": (lambda rows: _broken(rows).replace(b'{"id": "doc-6",', b'{"id": "doc-6", "id": "s3cret",'), "id"),
    "not UTF-8": (lambda rows: _broken(rows, text="caf_s3cret").replace(b"caf_", b"caf\xe9"), "7"),
    "half a surrogate pair": (lambda rows: _broken(rows, text="\ud800 s3cret"), "text"),
    "not JSON": (lambda rows: _broken(rows).replace(b'"doc-6"', b"s3cret"), "7"),
    "a list": (lambda rows: _broken(rows).replace(_json(rows[6]), b'["s3cret"]\n'), "7"),
    "null row": (lambda rows: _broken(rows).replace(_json(rows[6]), b"null\n"), "7"),
    "cut off": (lambda rows: b"".join(map(_json, rows[:7]))[:-20], "7"),
}


@pytest.mark.parametrize("case", JSON_CASES)
def test_json_lines_refusal_names_line_and_field(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str, case: str
) -> None:
    content, named = JSON_CASES[case]
    dataset = text_dataset()
    arrive(dataset, content(text_rows(10)))
    said = _refusal(stage, dataset, out_uri)
    assert "line 7" in said or "row 7" in said, said
    assert named in said
    assert "s3cret" not in said.replace("field 'secret'", "")


@pytest.mark.parametrize("place", [0, 6, 9])
@pytest.mark.parametrize("count", [1, 3])
def test_null_lines_are_refused_wherever_they_are(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str, place: int, count: int
) -> None:
    # A block that begins with one ends pyarrow's reader with a segmentation fault; see source.py.
    lines = [_json(row) for row in text_rows(10)]
    dataset = text_dataset()
    arrive(dataset, b"".join([*lines[:place], b"  null\n" * count, *lines[place:]]))
    said = _refusal(stage, dataset, out_uri)
    assert f"line {place + 1}" in said or f"row {place + 1}" in said


@pytest.mark.parametrize("ending", [b"null\n", b"null", b"  \n\tnull\nnull\n"])
def test_a_null_line_that_begins_a_later_block_is_refused(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str, ending: bytes
) -> None:
    block = 1 << 20
    good = b"".join(_json(row) for row in text_rows(20_000))
    good = good[: good.rfind(b"\n", 0, block - 100) + 1]
    dataset = text_dataset()
    for before in (block - 1, block - 3, block):  # the line starts in the next read, or is torn between the two
        arrive(dataset, good + b" " * (before - len(good) - 1) + b"\n" + ending)
        assert "line" in _refusal(stage, dataset, out_uri)


NUMBER_CASES = {
    "1.5 for an integer": (b'"id": 6,', b'"id": 1.5,', "id"),
    "an integer beyond 64 bits": (b'"id": 6,', b'"id": 99999999999999999999,', "id"),
    "text for an integer": (b'"id": 6,', b'"id": "6",', "id"),
    "NaN": (b'"width": 0.75', b'"width": NaN', "width"),
    "Infinity": (b'"width": 0.75', b'"width": Infinity', "width"),
    "too large for a double": (b'"width": 0.75', b'"width": 1e999', "width"),
    "text for a number": (b'"width": 0.75', b'"width": "0.75"', "width"),
    "below": (b'"width": 0.75', b'"width": -0.75', "width"),
    "above": (b'"width": 0.75', b'"width": 10.75', "width"),
    "number for a bool": (
        b'"known": true, "species": "x"}\n{"id": 7',
        b'"known": 1, "species": "x"}\n{"id": 7',
        "known",
    ),
    "unknown label": (b'"species": "x"}\n{"id": 7', b'"species": "z"}\n{"id": 7', "species"),
    "null label": (b'"species": "x"}\n{"id": 7', b'"species": null}\n{"id": 7', "species"),
}


@pytest.mark.parametrize("case", NUMBER_CASES)
def test_numbers_are_refused_by_line_and_field(
    number_dataset: MakeDataset, number_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str, case: str
) -> None:
    old, new, field = NUMBER_CASES[case]
    good = b"".join(_json(row) for row in number_rows(10))
    assert good.count(old) == 1
    dataset = number_dataset()
    arrive(dataset, good.replace(old, new))
    said = _refusal(stage, dataset, out_uri)
    assert "line 7" in said or "row 7" in said, said
    assert f"field '{field}'" in said


DELIMITED_CASES = {
    "missing column": (b"id,width,count,known\n1,0.5,1,true\n", "species"),
    "extra column": (b"id,width,count,known,species,more\n1,0.5,1,true,x,1\n", "more"),
    "a column twice": (b"id,width,count,known,species,species\n1,0.5,1,true,x,x\n", "twice"),
    "no header": (b"1,0.5,1,true,x\n2,0.5,1,true,x\n", "missing"),
    "a field too many": (b"id,width,count,known,species\n1,0.5,1,true,x\n2,0.5,1,true,x,9\n", "line 3"),
    "a field too few": (b"id,width,count,known,species\n1,0.5,1,true,x\n2,0.5,1\n", "line 3"),
    "1.5 for an integer": (
        b"id,width,count,known,species\n1,0.5,1,true,x\n2,0.5,1.5,true,x\n",
        "line 3, field 'count'",
    ),
    "text for a number": (b"id,width,count,known,species\n1,0.5,1,true,x\n2,wide,1,true,x\n", "line 3, field 'width'"),
    "NaN": (b"id,width,count,known,species\n1,0.5,1,true,x\n2,NaN,1,true,x\n", "line 3, field 'width'"),
    "nothing for a number": (b"id,width,count,known,species\n1,0.5,1,true,x\n2,,1,true,x\n", "line 3, field 'width'"),
    "a word for a bool": (b"id,width,count,known,species\n1,0.5,1,true,x\n2,1,1,maybe,x\n", "line 3, field 'known'"),
    "not UTF-8": (b"id,width,count,known,species\n1,0.5,1,true,x\n2,1,1,true,\xff\n", "line 3"),
    "no rows": (b"id,width,count,known,species\n", "no row"),
}


@pytest.mark.parametrize("case", DELIMITED_CASES)
@pytest.mark.parametrize("source_format", ["csv", "tsv"])
def test_delimited_refusal_names_what_and_where(
    number_dataset: MakeDataset, arrive: Arrive, stage: Stage, out_uri: str, source_format: str, case: str
) -> None:
    content, named = DELIMITED_CASES[case]
    if source_format == "tsv":
        content = content.replace(b",", b"\t")
    dataset = number_dataset(source_format)
    arrive(dataset, content)
    assert named in _refusal(stage, dataset, out_uri)


def test_a_quote_left_open_at_the_end_of_a_csv_file_is_refused(
    text_dataset: MakeDataset, arrive: Arrive, stage: Stage, out_uri: str
) -> None:
    dataset = text_dataset("csv")
    arrive(dataset, b'id,labels,split,text\n1,a,train,one\n2,b,train,"two\n3,a,train,three\n')
    assert "quoted field is not closed" in _refusal(stage, dataset, out_uri)


def test_parquet_columns_and_types_are_compared(
    number_dataset: MakeDataset, number_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str
) -> None:
    dataset = number_dataset("parquet")
    path = arrive(dataset, number_rows(10))
    good = pq.read_table(path)
    for name, table, said in [
        ("missing", good.drop_columns(["known"]), "['known'] missing"),
        ("extra", good.append_column("more", good["id"]), "['more'] not declared"),
        ("retyped", good.set_column(0, "id", good["id"].cast(pa.float64())), "field 'id'"),
        ("NaN", good.set_column(1, "width", pa.array([0.5] * 6 + [float("nan")] * 4)), "row 7, field 'width'"),
        ("zero rows", good.slice(0, 0), "no row"),
    ]:
        pq.write_table(table, path)
        assert said in _refusal(stage, dataset, out_uri), name


@pytest.mark.parametrize("kept", [5, 200, 0.5, -1])
def test_a_truncated_parquet_file_is_refused(
    number_dataset: MakeDataset, number_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str, kept: int | float
) -> None:
    dataset = number_dataset("parquet")
    path = arrive(dataset, number_rows(1000))
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    assert "Parquet file is truncated or damaged" in _refusal(stage, dataset, out_uri)


def test_a_parquet_page_that_is_damaged_is_refused(
    number_dataset: MakeDataset, number_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str
) -> None:
    dataset = number_dataset("parquet")
    path = arrive(dataset, number_rows(1000))
    pq.write_table(pq.read_table(path), path, compression="zstd", use_dictionary=False, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    data[60:400] = os.urandom(340)
    path.write_bytes(bytes(data))
    assert "damaged" in _refusal(stage, dataset, out_uri)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("source_format", ["jsonl", "csv"])
@pytest.mark.parametrize("cut", [1, 9, 40])
def test_a_truncated_compressed_file_is_refused(
    text_dataset: MakeDataset,
    text_rows: MakeRows,
    arrive: Arrive,
    stage: Stage,
    out_uri: str,
    source_format: str,
    ending: str,
    cut: int,
) -> None:
    dataset = text_dataset(source_format, ending)
    path = arrive(dataset, text_rows(200))
    path.write_bytes(path.read_bytes()[:-cut])
    assert "truncated or damaged" in _refusal(stage, dataset, out_uri)


def test_a_compressed_file_with_rubbish_behind_it_is_refused(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str
) -> None:
    dataset = text_dataset("jsonl", ".gz")
    path = arrive(dataset, text_rows(20))
    path.write_bytes(path.read_bytes() + b"rubbish")
    assert "gzip file is truncated or damaged" in _refusal(stage, dataset, out_uri)


def test_plain_text_called_gz_is_refused(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str
) -> None:
    dataset = text_dataset("jsonl", ".gz")
    path = arrive(dataset, text_rows(20))
    path.write_bytes(gzip.decompress(path.read_bytes()))
    assert "gzip file is truncated or damaged" in _refusal(stage, dataset, out_uri)


def test_parquet_inside_gzip_is_refused(
    number_dataset: MakeDataset, number_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str
) -> None:
    dataset = number_dataset("parquet", ".gz")
    arrive(dataset, b"anything")
    assert "Parquet" in _refusal(stage, dataset, out_uri)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("content", [b"", b"\n\n  \n"])
@pytest.mark.parametrize("source_format", ["jsonl", "csv"])
def test_zero_rows_are_refused(
    text_dataset: MakeDataset,
    arrive: Arrive,
    stage: Stage,
    out_uri: str,
    source_format: str,
    content: bytes,
    ending: str,
) -> None:
    dataset = text_dataset(source_format, ending)
    arrive(dataset, content)
    said = _refusal(stage, dataset, out_uri)
    assert "no row" in said or "missing" in said


def test_a_folder_in_place_of_the_file_is_refused(
    text_dataset: MakeDataset, arrive: Arrive, stage: Stage, out_uri: str
) -> None:
    dataset = text_dataset()
    files.local_path(dataset.source.uri_template.replace("{partition}", "2026-01-01")).mkdir(parents=True)
    assert "not a file" in _refusal(stage, dataset, out_uri)


def test_all_duplicates_are_refused(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str
) -> None:
    dataset = text_dataset()
    arrive(dataset, [row | {"text": "the same"} for row in text_rows(50)])
    assert "all 50 rows are duplicates of one row" in _refusal(stage, dataset, out_uri)
    arrive(dataset, text_rows(1))
    assert stage(dataset).rows == 1


@pytest.mark.parametrize("source_format", ["jsonl", "csv"])
def test_a_text_of_50_megabytes_is_refused(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str, source_format: str
) -> None:
    dataset = text_dataset(source_format)
    rows = text_rows(10)
    rows[6]["text"] = "x" * 50_000_000
    arrive(dataset, rows)
    said = _refusal(stage, dataset, out_uri)
    assert "too long" in said
    assert f"line {7 if source_format == 'jsonl' else 8}" in said
    rows[6]["text"] = "x" * 5_000_000
    arrive(dataset, rows)
    said = _refusal(stage, dataset, out_uri)
    assert "5,000,000 characters" in said
    assert "row 7, field 'text'" in said


def test_a_late_bad_row_is_counted_over_blocks_and_duplicates(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str
) -> None:
    rows = [row | {"text": row["text"] + "x" * 1900} for row in text_rows(3000)]
    rows[10] = rows[9]
    rows[2777]["labels"] = ["z"]
    dataset = text_dataset()
    arrive(dataset, rows)
    assert "row 2778, field 'labels'" in _refusal(stage, dataset, out_uri)


def test_a_null_key_is_refused_even_when_its_column_is_nullable(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str
) -> None:
    columns = tuple(column.model_copy(update={"nullable": True}) for column in text_dataset().columns)
    dataset = text_dataset(columns=columns)
    arrive(dataset, [*text_rows(3), text_rows(4)[3] | {"id": None}])
    assert "row 4, field 'id'" in _refusal(stage, dataset, out_uri)


def test_a_full_disk_is_refused_and_leaves_nothing(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str
) -> None:
    dataset = text_dataset()
    noise = [row | {"text": row["text"] + os.urandom(900).hex()} for row in text_rows(3000)]
    arrive(dataset, noise)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(BadInputError) as caught:
            stage(dataset)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "free space" in caught.value.remedy
    assert files.names(out_uri) == []


def test_a_really_full_file_system_is_refused_and_leaves_nothing(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        dataset = text_dataset()
        arrive(dataset, [row | {"text": row["text"] + os.urandom(900).hex()} for row in text_rows(3000)])
        code = (
            "import sys; from datetime import date; from millrace.contracts.data import Dataset\n"
            "from millrace.contracts.errors import BadInputError; from millrace.step.main import Stop\n"
            "from millrace_data.ingest import stage_partition\n"
            "try: stage_partition(Dataset.model_validate_json(sys.argv[1]), date(2026, 1, 1), sys.argv[2], Stop())\n"
            "except BadInputError as error: sys.exit(20 if 'free space' in error.remedy else 1)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, dataset.model_dump_json(), (small / "out").as_uri()], check=False
        )
        assert done.returncode == 20
        assert list((small / "out").iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
