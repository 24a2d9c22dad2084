"""Base class and shared field types of all contracts."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, model_validator

_WORD = re.compile(r"[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?\Z")


class Contract(BaseModel):
    """Base class of contracts: frozen; an unknown field is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def former_fields(**names: str | None) -> Any:  # noqa: ANN401 - pydantic's own type is private
    """Return a validator that accepts fields that earlier versions wrote: dropped (None), or under their new name."""

    def accept(cls: type, data: Any) -> Any:  # noqa: ANN401 - any JSON value; pydantic looks for cls
        if not isinstance(data, dict) or not names.keys() & data.keys():
            return data
        renamed = ((names.get(name, name), value) for name, value in data.items())
        return {name: value for name, value in renamed if name is not None}

    return model_validator(mode="before")(accept)


def safe_name(name: str) -> str:
    """Return the name. Raises ValueError if it cannot be a file name, a table key and a URL part on every system."""
    if not _WORD.match(name) or ".." in name:
        raise ValueError(
            f"{name!r} is not a safe name: use lower-case letters, digits, '_', '-' and '.', "
            "beginning and ending with a letter or digit, without '..'"
        )
    return name


Name = Annotated[str, StringConstraints(min_length=1, max_length=63), AfterValidator(safe_name)]
"""A name that is valid as a file name, a table key and a URL part: ASCII, no path separators."""

FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
"""Name of a dataset's column."""

Uri = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9+.-]*://\S*$", max_length=2048)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
