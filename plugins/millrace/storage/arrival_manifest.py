"""Manifests of arrivals: sizes and digests of a day's file, as the deliverer states them."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from millrace.contracts.data import Source
from millrace.contracts.errors import BadInputError
from millrace.contracts.source import day_uri
from millrace.storage import files

_MOST_BYTES = 1 << 16
_RULE = "a manifest is a JSON object with bytes, rows or sha256 of the day's file, as stored, 64 KiB at most"
_REMEDY = 'write one like {"bytes": 310, "rows": 10}, or declare the marker\'s kind as "presence"'


class ArrivalManifest(BaseModel):
    """Stated size, rows and digest of one file; other fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    bytes: int | None = Field(default=None, ge=0)
    rows: int | None = Field(default=None, ge=0)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")] | None = None

    def disagreement(self, **found: int | str) -> str | None:
        """Describe the first stated value that differs from the one found; None if none differs."""
        for name, value in found.items():
            declared = getattr(self, name)
            if declared is not None and str(declared).lower() != str(value).lower():
                return f"{name}: the manifest says {_grouped(declared)}, the file has {_grouped(value)}"
        return None


def marker_uri(source: Source, day: date) -> str | None:
    """Return the URI of the day's marker; None for a source without one."""
    return None if source.marker is None else day_uri(source.marker.uri_template, day)


def read_manifest(source: Source, day: date) -> ArrivalManifest | None:
    """Return the day's manifest; None if the source has none, or the file does not exist.

    Raises BadInputError if it is unreadable or states nothing.
    """
    uri = marker_uri(source, day)
    if uri is None or source.marker is None or source.marker.kind != "manifest":
        return None
    try:
        found = ArrivalManifest.model_validate_json(files.read_bytes(uri, _MOST_BYTES))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        fields = sorted({".".join(map(str, each["loc"])) or "the whole" for each in error.errors()})
        raise BadInputError(
            f"the manifest cannot be read: {', '.join(fields)}", where=uri, rule=_RULE, remedy=_REMEDY
        ) from None
    if found == ArrivalManifest():
        raise BadInputError("the manifest says nothing of the file", where=uri, rule=_RULE, remedy=_REMEDY)
    return found


def _grouped(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"
