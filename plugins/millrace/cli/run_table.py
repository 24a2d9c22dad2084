"""Format runs of the ledger as a table of a terminal's width."""

import textwrap
from collections.abc import Mapping, Sequence

from millrace.ledger.database import Row

WIDTH = 160
_HEADINGS = ("dag_id", "run_id", "partition", "state", "took", "predicted", "model", "serves at")
_ALWAYS = {"dag_id", "run_id", "partition", "state"}
_LEAST_REASON = 40
_GAP = "  "


def run_table(rows: Sequence[Row], addresses: Mapping[tuple[str, str], str], width: int = WIDTH) -> list[str]:
    """Return the table's lines with headings. A reason is on its own line if fewer than 40 characters are left for it.

    ``addresses`` maps workload and version to the address that serves it now. Values are never truncated, so that names
    can be copied.
    """
    if not rows:
        return ["no such run is in the ledger"]
    cells = [_cells(row, addresses) for row in rows]
    shown = [name for name in _HEADINGS if name in _ALWAYS or any(each[name] for each in cells)]
    widths = {name: max(len(name), *(len(each[name]) for each in cells)) for name in shown}
    taken = sum(widths.values()) + len(_GAP) * len(widths)
    beside = width - taken >= _LEAST_REASON
    indent = " " * taken if beside else _GAP
    lines = [_line({name: name for name in shown}, widths) + ("reason" if beside else "")]
    for each in cells:
        reason = textwrap.wrap(each["reason"], width - len(indent), break_on_hyphens=False, break_long_words=False)
        lines.append(_line(each, widths) + (reason.pop(0) if beside and reason else ""))
        lines += [indent + more for more in reason]
    return [line.rstrip() for line in lines]


def _cells(row: Row, addresses: Mapping[tuple[str, str], str]) -> dict[str, str]:
    model = row["model_version"] or ""
    return {
        "dag_id": row["dag_id"],
        "run_id": row["run_id"] + (f" #{row['repeat']}" if row["repeat"] else ""),
        "partition": row["partition"] or "",
        "state": row["state"] or "",
        "took": _seconds(row["measured_seconds"]),
        "predicted": _seconds(row["predicted_seconds"]),
        "model": model,
        "serves at": addresses.get((row["workload"], model), "") if model else "",
        "reason": row["reason"] or "",
    }


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f} s"


def _line(cells: Mapping[str, str], widths: Mapping[str, int]) -> str:
    return "".join(cells[name].ljust(width) + _GAP for name, width in widths.items())
