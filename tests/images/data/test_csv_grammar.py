"""Records and fields by the dialect alone."""

import json

import pytest

from millrace.contracts.source import SPARK, Dialect
from millrace_data.csv_grammar import Grammar

ISSUE = b'1,"size 5\\"",yes\n2,"size 7\\"",no\n3,plain,yes\n4,plain,no\n'
# What Spark 4 writes with its defaults for a text, and reads back as that text.
WRITTEN_BY_SPARK = {
    'a"b': '"a\\"b"',
    '"q"': '"\\"q\\""',
    "a\\b": "a\\b",
    "a\\": "a\\",
    "\\": "\\",
    "a,\\": '"a,\\\\"',
    "a,b\\c": '"a,b\\\\c"',
    'x\\"y': '"x\\\\\\"y"',
    'x\\\\"y': '"x\\\\\\\\\\"y"',
    "a\nb": '"a\nb"',
    "a\r\nb": '"a\r\nb"',
    '""': '"\\"\\""',
    "\\,": '"\\\\,"',
    "a\n\\": '"a\n\\\\"',
    "\\n": "\\n",
    "": '""',
}


def fields(grammar: Grammar, data: bytes) -> list[list[str]]:
    assert grammar.end_of_records(data) == len(data)
    records = list(grammar.records(data, 1))
    assert not any(record.error for record in records), json.dumps([str(record.error) for record in records])
    return [[field.decode() for field in record.fields] for record in records]


def test_rfc_4180_with_line_ends_and_doubled_quotes_inside_quotes() -> None:
    data = b'a,"b\n""c"",\r\n",d\r\n,"",\n5" disk,x""y,z\n'
    assert fields(Grammar(Dialect(), ","), data) == [
        ["a", 'b\n"c",\r\n', "d"],
        ["", "", ""],
        ['5" disk', 'x""y', "z"],
    ]


def test_each_record_knows_its_first_line_and_its_text_and_blank_lines_are_none() -> None:
    data = b'a\n\n"b\nc"\n\r\nd\n""\n'
    records = list(Grammar(Dialect(), ",").records(data, 10))
    assert [(record.line, record.text) for record in records] == [
        (10, b"a\n"),
        (12, b'"b\nc"\n'),
        (15, b"d\n"),
        (16, b'""\n'),
    ]


def test_the_file_of_the_issue_breaks_rfc_4180_and_is_right_in_its_own_dialects() -> None:
    plain = Grammar(Dialect(), ",")
    assert plain.end_of_records(ISSUE) == 0
    broken = plain.broken(ISSUE, 1)
    assert broken is not None
    assert (broken.line, broken.is_open, broken.escaped) == (1, False, True)
    rows = [["1", 'size 5"', "yes"], ["2", 'size 7"', "no"], ["3", "plain", "yes"], ["4", "plain", "no"]]
    for dialect in (SPARK, Dialect(escape="\\")):
        assert fields(Grammar(dialect, ","), ISSUE) == rows


@pytest.mark.parametrize("text", WRITTEN_BY_SPARK)
def test_what_spark_writes_is_read_back_and_the_next_row_with_it(text: str) -> None:
    data = f"1,{WRITTEN_BY_SPARK[text]},x\n2,y,z\n".encode()
    assert fields(Grammar(SPARK, ","), data) == [["1", text, "x"], ["2", "y", "z"]]


def test_spark_keeps_a_backslash_before_other_signs_and_doubles_no_quote() -> None:
    grammar = Grammar(SPARK, ",")
    assert fields(grammar, b'"a\\nb",a\\"b\n') == [["a\\nb", 'a\\"b']]
    assert grammar.broken(b'"a""b",c\n', 1) is not None


def test_an_escape_anywhere_makes_signs_text_and_nothing_else() -> None:
    grammar = Grammar(Dialect(escape="\\"), ",")
    assert fields(grammar, b'a\\,b,\\"c\\\\,"d\\"e""f"\ng\\\nh,i,j\n') == [["a,b", '"c\\', 'd"e"f'], ["g\nh", "i", "j"]]
    [record] = grammar.records(b"a\\nb\n", 1)
    assert record.error is not None
    assert "ordinary" in record.error.what


def test_without_quotes_a_quote_is_text_and_a_line_is_a_record() -> None:
    assert fields(Grammar(Dialect(quote=None), "\t"), b'"a\t"b"\nc"\t\n') == [['"a', '"b"'], ['c"', ""]]


def test_a_lone_carriage_return_is_text_in_quotes_and_wrong_outside() -> None:
    grammar = Grammar(Dialect(), ",")
    assert fields(grammar, b'"a\rb",c\n') == [["a\rb", "c"]]
    [record] = grammar.records(b"a\rb,c\n", 1)
    assert record.error is not None
    assert "carriage return" in record.error.what


def test_what_may_go_on_is_not_broken_and_an_open_quote_is_told_from_text_behind_one() -> None:
    grammar = Grammar(Dialect(), ",")
    for rest in (b"a", b'a,"b"', b'a,"b"\r', b"a,"):
        assert grammar.end_of_records(rest) == 0
        assert grammar.broken(rest, 1) is None
    opened = grammar.broken(b'a\n,"b\nc', 4)
    assert opened is None, "the first line is a record"
    opened = grammar.broken(b'"x\ny","b\nc', 4)
    assert opened is not None
    assert (opened.line, opened.is_open) == (5, True)
    behind = grammar.broken(b'"x\ny","b"c\n', 4)
    assert behind is not None
    assert (behind.line, behind.is_open, behind.escaped) == (5, False, False)
