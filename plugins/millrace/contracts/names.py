"""Conversion of names from source data to names that every table and language accepts."""

import re
import unicodedata

MAX_LENGTH = 63
FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_SPELT_OUT = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o",
     "Ø": "O", "å": "a", "Å": "A", "đ": "d", "Đ": "D", "ł": "l", "Ł": "L", "œ": "oe", "Œ": "Oe", "€": " eur ",
     "%": " percent "}
)  # fmt: skip


def field_name(text: str) -> str | None:
    """Return a column name: ``Customer ID`` becomes customer_id, ``größe`` groesse; a valid name is unchanged.

    Returns None if no character remains, as for a text in another script.
    """
    if FIELD_NAME.match(text):
        return text
    composed = unicodedata.normalize("NFC", text).translate(_SPELT_OUT)
    plain = unicodedata.normalize("NFKD", composed).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    if not words:
        return None
    return (words if words[0].isalpha() else f"column_{words}")[:MAX_LENGTH].rstrip("_")


def workload_name(text: str) -> str | None:
    """Return a workload's, owner's or team's name: ``My-Data`` becomes my_data. None if no character remains."""
    made = field_name(text)
    return made.lower().strip("_") or None if made else None
