"""Names that every table and language takes, made from those of the real world."""

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
    """``Customer ID`` as customer_id, ``größe`` as groesse; what is a column's name already stays as it is.

    None for a text of which nothing is left, such as one in another script.
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
    """``My-Data`` as my_data: a workload's, an owner's or a team's name. None for a text of which nothing is left."""
    made = field_name(text)
    return made.lower().strip("_") or None if made else None
