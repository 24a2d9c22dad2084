"""Where a day's file of arrivals is, when it is complete, and how its text is written."""

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
    """The template with the day in it."""
    values = {"partition": day.isoformat(), "year": f"{day:%Y}", "month": f"{day:%m}", "day": f"{day:%d}"}
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), template)


def check_template(template: str) -> str:
    """The template itself. Raises ValueError, with the remedy, for one that no day's file can be found by."""
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
    """The URI of a folder itself. Raises ValueError, with the remedy, for one below which no file can be named."""
    if not _URI_BEGIN.match(uri):
        raise ValueError(f"{uri!r} is no URI: begin with a scheme, like s3://bucket/ or file:///")
    if bad := _NOT_IN_A_PATH.search(uri):
        raise ValueError(f"{uri!r} has {bad[0]!r} in it: percent-encode what a URI cannot hold, a space as %20")
    return uri


UriTemplate = Annotated[str, AfterValidator(check_template)]
"""A day's file by its URI, with placeholders for the day."""


class Dialect(DeclaredContract):
    """How CSV or TSV is written; the defaults are RFC 4180.

    With ``escape``, that sign makes the one behind it text: a quote, itself, the delimiter or a line end, and nothing
    else. ``escape_in`` says where: "anywhere" (Python's csv, Hive, MySQL), or in "quotes" alone, where it stands for
    itself before any other sign (Spark). A field that reads exactly like one of ``null_words`` is null; the empty word
    leaves a text column's empty text as it is.
    """

    delimiter: str | None = Field(default=None, min_length=1, max_length=1, description="comma for csv, tab for tsv")
    quote: str | None = Field(
        default='"', min_length=1, max_length=1, description="None: quotes are text, a field holds no line end"
    )
    escape: str | None = Field(default=None, min_length=1, max_length=1)
    escape_in: Literal["anywhere", "quotes"] = "anywhere"
    null_words: tuple[str, ...] = ("",)
    decimal_mark: Literal[".", ","] = "."
    encoding: str = Field(default="utf-8", description="as Python names it: latin-1, cp1252, utf-16 …")
    header: bool = Field(default=True, description="False: the columns are in the declared order")

    RULES: ClassVar = source_rules.DIALECT_RULES


SPARK = Dialect(escape="\\", escape_in="quotes")
"""What Spark's CSV writer writes with its defaults and ``header=true``."""


class Marker(DeclaredContract):
    """A file that says that a day's file is complete: it is there only afterwards.

    A "manifest" is JSON with ``bytes``, ``rows`` or ``sha256`` of the day's file, as stored, any of them.
    """

    uri_template: UriTemplate = Field(description="as a source's, such as {arrivals}/orders/{partition}/_SUCCESS")
    kind: Literal["presence", "manifest"] = "presence"


class Source(DeclaredContract):
    """Where a day's rows arrive: one file a partition, named by ``{partition}`` (its ISO date) or by ``{year}``,
    ``{month}`` and ``{day}``.

    A file may be compressed, with ``.gz`` or ``.zst`` behind that name or at its end. A missing file is "no new data";
    an empty one is an error.
    """

    uri_template: UriTemplate
    format: Literal["jsonl", "csv", "tsv", "parquet"]
    dialect: Dialect = Field(default=Dialect(), description="of csv and tsv")
    marker: Marker | None = Field(default=None, description="a day without its marker has not arrived yet")
    quiet_seconds: float = Field(
        default=2,
        ge=0,
        le=3600,
        description="a file written to more recently may still grow: it is waited for",
    )
    arrives_within: timedelta | None = Field(
        default=None, gt=timedelta(0), description="after the day's end, that a scheduled run waits for the file"
    )
    late_days: int = Field(
        default=7, ge=0, le=366, description="back from now, in which a file that comes or changes later is taken up"
    )

    RULES: ClassVar = source_rules.SOURCE_RULES

    def uri(self, day: date) -> str:
        """The day's file, by its declared name."""
        return day_uri(self.uri_template, day)

    @property
    def delimiter(self) -> str:
        """What separates the fields of csv or tsv."""
        return self.dialect.delimiter or ("\t" if self.format == "tsv" else ",")
