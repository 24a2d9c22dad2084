"""`new-workload FROM=` makes a sound workload of a file of the real world."""

import gzip
import json
import random
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.cli.check.files import check
from millrace.cli.scaffold import write_workload
from millrace.contracts.errors import BadInputError
from millrace.contracts.workload import Workload

Make: TypeAlias = Callable[..., Workload]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """The workload that is made of a file's bytes; ``check`` has nothing against it."""
    import millrace.pipeline

    def made(content: bytes, name: str = "sample.csv") -> Workload:
        sample = tmp_path / name
        sample.write_bytes(content)
        file = write_workload("found", tmp_path, sample=sample)
        assert check([file]).findings == []
        built: list[Workload] = []
        with monkeypatch.context() as patch:
            patch.setattr(millrace.pipeline, "build_dag", built.append)
            exec(compile(file.read_text(), str(file), "exec"), {})
        return built[0]

    return made


def rows(line: Callable[[int], str], count: int = 40) -> str:
    return "".join(line(number) + "\n" for number in range(count))


def test_a_table_with_spaces_in_names_and_for_missing_values(make: Make, tmp_path: Path) -> None:
    header = "customerID,gender,Senior Citizen,Partner,tenure,Monthly Charges,Total Charges,Churn\n"
    body = rows(
        lambda n: (
            f"{n:04}-A,{'Male' if n % 3 else 'Female'},{n % 2},Yes,{n},{n + 0.5},{n or ' '},{'Yes' if n % 4 else 'No'}"
        )
    )
    found = make((header + body).encode()).dataset
    assert (found.source.format, found.source.dialect.null_words) == ("csv", ("", " "))
    assert found.features == ("senior_citizen", "tenure", "monthly_charges")
    assert (found.target.column, found.target.labels) == ("Churn", ("No", "Yes"))
    assert (found.split.key, found.unique_by) == ("customerID", ("customerID",))
    total = found.column("total_charges")
    assert (total.arrives_as, total.type, total.nullable) == ("Total Charges", "int64", True)
    text = (tmp_path / "found.py").read_text()
    assert "total_charges is no feature: values are missing" in text
    assert "could be it too" in text
    assert "{arrivals}/found/{partition}.csv" in text


@pytest.mark.parametrize(
    ("content", "dialect"),
    [
        ("id;größe;label\n" + rows(lambda n: f"{n};{n},5;{n % 2}"), {"delimiter": ";", "decimal_mark": ","}),
        ("id|size|label\n" + rows(lambda n: f"{n}|{n}.5|{'a' if n % 2 else 'b'}"), {"delimiter": "|"}),
        ("id,size,label\n" + rows(lambda n: f"{n},'{n}.5','a, {n % 2}'"), {"quote": "'"}),
        ('id,size,label\n' + rows(lambda n: f'{n},{n}.5,"{n % 2} \\", or"'), {"escape": "\\", "escape_in": "quotes"}),
        ("id,size,age,label\n" + rows(lambda n: f"{n},{n}.5,{n or 'NA'},{n % 2}"), {"null_words": ("", "NA")}),
        (rows(lambda n: f"{n},{n}.5,{'a' if n % 2 else 'b'}"), {"header": False}),
    ],
)  # fmt: skip
def test_a_dialect_is_found(make: Make, content: str, dialect: dict[str, object]) -> None:
    found = make(content.encode()).dataset.source.dialect
    assert {name: getattr(found, name) for name in found.model_fields_set} == dialect


def test_a_tsv_is_one_whatever_it_is_called(make: Make) -> None:
    source = make(("id\tsize\tlabel\n" + rows(lambda n: f"{n}\t{n}.5\t{n % 2}")).encode(), "x.txt").dataset.source
    assert (source.format, source.delimiter, source.dialect.model_fields_set) == ("tsv", "\t", set())


def test_what_is_no_utf8_is_declared_as_such(make: Make, tmp_path: Path) -> None:
    found = make(("id,straße,label\n" + rows(lambda n: f"{n},{n}.5,{'schön' if n % 2 else 'übel'}")).encode("cp1252"))
    assert found.dataset.source.dialect.encoding == "cp1252"
    assert [column.name for column in found.dataset.columns] == ["id", "strasse", "label"]
    assert found.dataset.target.labels == ("schön", "übel")
    assert "cp1252 is a guess" in (tmp_path / "found.py").read_text()


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("Customer ID,größe,label", ["customer_id", "groesse", "label"]),
        ("日本,名前,label", ["column_1", "column_2", "label"]),
        ("a b,a-b,label", ["a_b", "a_b_2", "label"]),
        ("id,ID,label", ["id", "ID_2", "label"]),
        ("1st,2nd %,label", ["column_1st", "column_2nd_percent", "label"]),
        ("split_,content_,label", ["split_arrived", "content_arrived", "label"]),
        ('"say ""hi""",$,label', ["say_hi", "column_2", "label"]),
    ],
)
def test_names_of_the_real_world_are_mapped(make: Make, header: str, names: list[str]) -> None:
    found = make((header + "\n" + rows(lambda n: f"{n},{n}.5,{n % 2}")).encode())
    assert [column.name for column in found.dataset.columns] == names


def test_types_are_those_that_the_texts_are_read_as(make: Make) -> None:
    header = "id,zip,day,moment,naive,long,share,flag,label\n"
    body = rows(lambda n: f"{n},0{1000 + n},2026-01-{n % 28 + 1:02},2026-01-01T00:00:{n:02}Z,2026-01-01 00:00:{n:02},"
                f"{9223372036854775808 + n},1e{n},{'true' if n % 2 else 'false'},{'x' if n % 3 else 'y'}")  # fmt: skip
    found = make((header + body).encode())
    types = ["int64", "string", "date", "timestamp", "string", "uint64", "float64", "bool", "string"]
    assert [column.type for column in found.dataset.columns] == types


def test_json_lines_with_texts_and_sets_of_labels_become_a_text_classifier(make: Make) -> None:
    words = random.Random(1)
    lines = [
        {"id": str(n), "meta": {"x": 1}, "score": None if n == 3 else 0.5, "topics": ["a", "b"][: 1 + n % 2],
         "text": " ".join(words.choices(["alpha", "beta"], k=12))}
        for n in range(40)
    ]  # fmt: skip
    found = make(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()), "x.jsonl.gz")
    dataset, training = found.dataset, found.training
    assert dataset.source.format == "jsonl"
    assert (dataset.target.kind, dataset.target.labels) == ("multi_label", ("a", "b"))
    assert (dataset.features, training.trainer, training.base_model) == (("text",), "bert_text_classifier", "minilm-l6")
    assert dataset.extra_columns == "drop"
    assert dataset.column("score").nullable


def test_parquet_says_its_types_itself(make: Make, tmp_path: Path) -> None:
    table = pa.table(
        {
            "Order No": pa.array(range(40), pa.uint16()),
            "price": pa.array([None, *range(39)], pa.decimal128(12, 0)).cast(pa.decimal128(14, 2)),
            "weight": pa.array([0.5] * 40, pa.float32()),
            "day": pa.array([date(2026, 1, 1)] * 40),
            "kind": pa.array(["a", "b"] * 20).dictionary_encode(),
            "nested": pa.array([{"x": 1}] * 40),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    found = make((tmp_path / "in.parquet").read_bytes(), "x.parquet").dataset
    assert [column.type for column in found.columns] == ["uint16", "decimal(14,2)", "float32", "date", "string"]
    assert found.features == ("weight",)
    assert (found.source.format, found.target.column, found.extra_columns) == ("parquet", "kind", "drop")


def test_without_a_key_rows_are_not_taken_for_duplicates(make: Make, tmp_path: Path) -> None:
    found = make(("width,height,species\n" + rows(lambda n: f"{n % 7}.5,{n % 5}.5,{'a' if n % 2 else 'b'}")).encode())
    assert (found.dataset.split.key, found.dataset.unique_by) == ("width", ())
    assert "no column tells rows apart" in (tmp_path / "found.py").read_text()


def test_a_text_that_is_all_there_is_is_feature_and_key(make: Make) -> None:
    found = make(("review,sentiment\n" + rows(lambda n: f'"So ""great"", film number {n} was",{"pn"[n % 2]}')).encode())
    assert (found.dataset.features, found.dataset.split.key, found.dataset.unique_by) == (("review",), "review", ())


def test_a_number_that_never_came_twice_is_not_taken_for_a_key_that_drops_rows(make: Make) -> None:
    found = make(("seconds,amount,fraud\n" + rows(lambda n: f"{n},{n}.5,{n % 2}")).encode()).dataset
    assert (found.features, found.unique_by) == (("seconds", "amount"), ())


def test_a_first_row_whose_values_come_again_is_no_header(make: Make) -> None:
    found = make(rows(lambda n: f"{'spam' if n % 3 else 'ham'}\tthis, that and the other of number {n}").encode())
    assert (found.dataset.source.format, found.dataset.source.dialect.header) == ("tsv", False)
    assert found.dataset.target.labels == ("ham", "spam")


def test_only_the_beginning_of_a_file_is_read(make: Make) -> None:
    start = "id,size,label\n" + rows(lambda n: f"{n},{n}.5,{'a' if n % 2 else 'b'}", 200_000)
    found = make(start.encode() + b"\xff\xfe not read\n")
    assert found.dataset.source.dialect.model_fields_set == set()
    assert found.dataset.target.labels == ("a", "b")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"PK\x03\x04 xl/workbook", "Excel"),
        (b"PAR1 and no more", "truncated or damaged"),
        (b'[{"a": 1}]', "JSON array"),
        (b"a,a\n1,2\n", "two columns are called 'a'"),
        (b"a,b\n", "no row beneath"),
        (b"a,b\r1,2\r3,4\r", "CR alone"),
        (b"# exported\na,b,c\n1,2,3\n4,5,6\n", "first line has 1 fields, and most have 3"),
        (b"a,b\n0.1,0.2\n0.3,0.4\n", "no column has labels"),
        (b"label\nx\ny\nx\ny\nx\ny\nx\n", "no column can be a feature"),
        (b"\x00\x01\x02\x03" * 100, "a binary file"),
    ],
)
def test_a_file_of_which_no_workload_can_be_made_is_refused(
    make: Make, content: bytes, words: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match=words):
        make(content)
    assert not (tmp_path / "found.py").exists()


def test_a_name_is_refused_in_words_with_one_that_would_do(tmp_path: Path) -> None:
    with pytest.raises(BadInputError) as caught:
        write_workload("My-Data", tmp_path)
    assert "lower-case letters, digits and '_'" in caught.value.rule
    assert caught.value.remedy == "NAME=my_data would do"


def test_the_template_is_sound(tmp_path: Path) -> None:
    assert check([write_workload("churn", tmp_path)]).findings == []
