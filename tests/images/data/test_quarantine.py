"""Additive drift by policy, and rows that cannot be read kept aside up to the declared share."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.data import Dataset, StagedPartition
from millrace.contracts.errors import BadInputError
from millrace.storage import files

MakeDataset = Callable[..., Dataset]
MakeRows = Callable[[int], list[dict[str, Any]]]
Arrive = Callable[..., Path]
Stage = Callable[..., StagedPartition]
RowsOf = Callable[[StagedPartition], list[dict[str, Any]]]
FORMATS = ("jsonl", "csv", "tsv", "parquet")


def with_extra(path: Path, source_format: str, rows: list[dict[str, Any]]) -> bytes:
    """The file that has arrived with one more column."""
    lines = path.read_text().splitlines()
    if source_format == "jsonl":
        return "".join(json.dumps(row | {"mood": [1]}) + "\n" for row in rows).encode()
    separator = "," if source_format == "csv" else "\t"
    return "".join(f"{line}{separator}{'x' if number else 'mood'}\n" for number, line in enumerate(lines)).encode()


@pytest.mark.parametrize("source_format", FORMATS)
def test_a_column_more_is_refused_or_dropped_and_reported_and_the_rows_are_the_same(
    number_dataset: MakeDataset,
    number_rows: MakeRows,
    arrive: Arrive,
    stage: Stage,
    rows_of: RowsOf,
    source_format: str,
) -> None:
    rows = number_rows(30)
    refusing = number_dataset(source_format)
    dropping = number_dataset(source_format, extra_columns="drop")
    path = arrive(refusing, rows)
    plain = stage(dropping)
    expected = rows_of(plain)
    assert plain.dropped_columns == ()
    if source_format == "parquet":
        arrive(refusing, [row | {"mood": "x"} for row in rows])
    else:
        arrive(refusing, with_extra(path, source_format, rows))
    with pytest.raises(BadInputError, match="not declared"):
        stage(refusing)
    staged = stage(dropping)
    assert staged.dropped_columns == ("mood",)
    assert rows_of(staged) == expected


BAD = {
    "jsonl": [b'{"id": 1, "width": "s3cret"}', b"s3cret {", b"null", b"\xff\xfe"],
    "csv": [b"s3cret,1,1,true,x", b"1,2", b"7,s3cret,1,true,x,9"],
    "tsv": [b"s3cret\t1\t1\ttrue\tx", b"1\t2"],
}


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("source_format", BAD)
def test_rows_that_cannot_be_read_are_kept_aside_up_to_the_share(
    number_dataset: MakeDataset,
    number_rows: MakeRows,
    arrive: Arrive,
    stage: Stage,
    rows_of: RowsOf,
    out_uri: str,
    caplog: pytest.LogCaptureFixture,
    source_format: str,
    ending: str,
) -> None:
    bad = BAD[source_format]
    plain = number_dataset(source_format)
    lines = arrive(plain, number_rows(80)).read_bytes().splitlines()
    expected = rows_of(stage(plain))
    numbers = [16 * (index + 1) for index in range(len(bad))]
    for number, line in zip(numbers, bad, strict=True):
        lines.insert(number - 1, line)
    content = b"".join(line + b"\n" for line in lines)

    lenient = number_dataset(source_format, ending, max_bad_rows_share=0.05)
    arrive(lenient, content)
    staged = stage(lenient)
    assert rows_of(staged) == expected
    assert staged.bad_rows == len(bad)
    assert staged.bad_rows_uri is not None
    aside = [json.loads(line) for line in files.read_bytes(staged.bad_rows_uri).splitlines()]
    assert [each["line"] for each in aside] == numbers
    assert [each["text"] for each in aside] == [line.decode(errors="replace") + "\n" for line in bad]
    assert all(each["what"] and each["rule"] for each in aside)

    strict = number_dataset(source_format, ending, max_bad_rows_share=0.01)
    for name in files.names(out_uri):
        files.local_path(files.join(out_uri, name)).unlink()
    with pytest.raises(BadInputError, match=f"{len(bad)} of {80 + len(bad)} rows cannot be read") as refused:
        stage(strict)
    assert f"line {numbers[0]}" in str(refused.value)
    assert "max_bad_rows_share" in refused.value.rule
    assert files.names(out_uri) == []
    assert "s3cret" not in caplog.text + str(refused.value)


def test_a_record_over_two_lines_goes_aside_whole(
    number_dataset: MakeDataset, arrive: Arrive, stage: Stage, rows_of: RowsOf
) -> None:
    dataset = number_dataset("csv", max_bad_rows_share=0.4)
    arrive(dataset, b'id,width,count,known,species\n1,1,1,true,x\n2,2,2,true,"x\ny",9\n3,3,3,true,y\n')
    staged = stage(dataset)
    assert [row["id"] for row in rows_of(staged)] == [1, 3]
    [aside] = [json.loads(line) for line in files.read_bytes(staged.bad_rows_uri or "").splitlines()]
    assert aside["text"] == '2,2,2,true,"x\ny",9\n'


def test_a_quote_left_open_is_refused_whatever_the_share(
    number_dataset: MakeDataset, arrive: Arrive, stage: Stage, out_uri: str
) -> None:
    dataset = number_dataset("csv", max_bad_rows_share=0.9)
    arrive(dataset, b'id,width,count,known,species\n1,1,1,true,x\n2,2,2,true,"x\n3,3,3,true,y\n')
    with pytest.raises(BadInputError, match="a quoted field is not closed"):
        stage(dataset)
    assert files.names(out_uri) == []


def test_a_broken_rule_is_no_unreadable_row(
    number_dataset: MakeDataset, number_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str
) -> None:
    dataset = number_dataset(max_bad_rows_share=0.5)
    arrive(dataset, [*number_rows(10), {**number_rows(1)[0], "species": "z"}])
    with pytest.raises(BadInputError, match=r"target\.labels"):
        stage(dataset)
    assert files.names(out_uri) == []
