"""Sources of arrivals: where a day's file is, when it is complete, and its text format."""

import re
from datetime import date, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from millrace.contracts import source_rules
from millrace.contracts.declared import DeclaredContract

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_DAY_FIELDS = ("year", "month", "day")
_KNOWN = {"arrivals", "partition", *_DAY_FIELDS}
_BEGIN = re.compile(r"(?:\{arrivals\}|[a-z][a-z0-9+.-]*:/)/")
_URI_BEGIN = re.compile(r"[a-z][a-z0-9+.-]*://")
_NOT_IN_A_PATH = re.compile(r"[\s\x00-\x1f\x7f*?\[\]#\\{}]")


def day_uri(template: str, day: date) -> str:
    """Return the template with its day placeholders filled in."""
    values = {"partition": day.isoformat(), "year": f"{day:%Y}", "month": f"{day:%m}", "day": f"{day:%d}"}
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), template)


def check_template(template: str) -> str:
    """Return the template. Raises ValueError, with the remedy, if it cannot name one file per day."""
    names = _PLACEHOLDER.findall(template)
    if unknown := sorted(set(names) - _KNOWN):
        raise ValueError(f"{template!r}: unknown placeholders {unknown}; known are {sorted(_KNOWN)}")
    if "partition" not in names and not set(_DAY_FIELDS) <= set(names):
        raise ValueError(
            f"{template!r} names no day: use {{partition}}, its ISO date, or {{year}}, {{month}} and {{day}}"
        )
    if not _BEGIN.match(template):
        raise ValueError(f"{template!r} is no URI: begin with {{arrivals}}/ or a scheme, like s3://bucket/ or file:///")
    if template.find("{arrivals}", 1) > 0:
        raise ValueError(f"{template!r}: {{arrivals}} stands at the beginning only")
    if bad := _NOT_IN_A_PATH.search(_PLACEHOLDER.sub("", template)):
        raise ValueError(
            f"{template!r} has {bad[0]!r} in its path: one file a day, no patterns; percent-encode what a URI cannot "
            "hold, a space as %20"
        )
    return template


def check_place(uri: str) -> str:
    """Return a folder's URI. Raises ValueError, with the remedy, if no file below it can be named."""
    if not _URI_BEGIN.match(uri):
        raise ValueError(f"{uri!r} is no URI: begin with a scheme, like s3://bucket/ or file:///")
    if bad := _NOT_IN_A_PATH.search(uri):
        raise ValueError(f"{uri!r} has {bad[0]!r} in it: percent-encode what a URI cannot hold, a space as %20")
    return uri


UriTemplate = Annotated[str, AfterValidator(check_template)]
"""URI of a day's file, with placeholders for the day."""


class Dialect(DeclaredContract):
    """Format of CSV or TSV text; the defaults are RFC 4180.

    The character ``escape`` makes the next character literal if that is a quote, itself, the delimiter or a line end,
    and no other. ``escape_in`` selects where: "anywhere" (Python's csv, Hive, MySQL), or only in "quotes", where it is
    literal before any other character (Spark). A field equal to one of ``null_words`` is null; the empty word does not
    make a text column's empty text null.
    """

    delimiter: str | None = Field(
        default=None, min_length=1, max_length=1, description="default: comma for csv, tab for tsv"
    )
    quote: str | None = Field(
        default='"', min_length=1, max_length=1, description="None: quotes are text, and a field has no line end"
    )
    escape: str | None = Field(default=None, min_length=1, max_length=1)
    escape_in: Literal["anywhere", "quotes"] = "anywhere"
    null_words: tuple[str, ...] = ("",)
    decimal_mark: Literal[".", ","] = "."
    encoding: str = Field(default="utf-8", description="Python's name: latin-1, cp1252, utf-16 …")
    header: bool = Field(default=True, description="False: no header line, columns in the declared order")

    RULES: ClassVar = source_rules.DIALECT_RULES


SPARK = Dialect(escape="\\", escape_in="quotes")
"""Dialect of Spark's CSV writer with its defaults and ``header=true``."""


class Marker(DeclaredContract):
    """Marker file of a day: it is written after the day's file, and so shows that this is complete.

    A "manifest" is JSON with at least one of ``bytes``, ``rows`` and ``sha256`` of the day's file, as stored.
    """

    uri_template: UriTemplate = Field(description="like a source's, such as {arrivals}/orders/{partition}/_SUCCESS")
    kind: Literal["presence", "manifest"] = "presence"


class Source(DeclaredContract):
    """Source of a dataset's rows: one file per partition, named by ``{partition}`` (its ISO date) or by ``{year}``,
    ``{month}`` and ``{day}``.

    A file may be compressed, with ``.gz`` or ``.zst`` as its declared ending or appended to it. A missing file is "no
    new data"; an empty one is an error.
    """

    uri_template: UriTemplate
    format: Literal["jsonl", "csv", "tsv", "parquet"]
    dialect: Dialect = Field(default=Dialect(), description="for csv and tsv")
    marker: Marker | None = Field(default=None, description="without its marker, a day has not arrived yet")
    quiet_seconds: float = Field(
        default=2,
        ge=0,
        le=3600,
        description="a file modified more recently may still grow: ingest waits",
    )
    arrives_within: timedelta | None = Field(
        default=None, gt=timedelta(0), description="time after the day's end that a scheduled run waits for the file"
    )
    late_days: int = Field(
        default=7, ge=0, le=366, description="number of past days whose late or changed files are ingested"
    )

    RULES: ClassVar = source_rules.SOURCE_RULES

    def uri(self, day: date) -> str:
        """Return the URI of the day's file under its declared name."""
        return day_uri(self.uri_template, day)

    @property
    def delimiter(self) -> str:
        """Field separator of csv or tsv."""
        return self.dialect.delimiter or ("\t" if self.format == "tsv" else ",")
