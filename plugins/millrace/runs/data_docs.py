"""Locate Great Expectations' Data Docs of a run: in its newest attempt of validation, also if that failed."""

import re
from collections.abc import Collection

from millrace.runs.run import run_folder_uri
from millrace.storage import files

_STEP = "validate"
_ATTEMPT = re.compile(r"try-(\d+)(?:-restart-(\d+))?\Z")


INDEX = ("out", "docs", "index.html")


def of_attempt(attempt_uri: str) -> str:
    """Return the URI to which an attempt of validation writes its Data Docs."""
    return files.join(attempt_uri, *INDEX)


def age(step: str, attempt: str) -> tuple[int, int] | None:
    """Return a sort key that grows with later attempts and restarts of validation; None for any other folder."""
    match = _ATTEMPT.fullmatch(attempt) if step == _STEP else None
    return (int(match[1]), int(match[2] or 0)) if match else None


def newest(store: str, dag_id: str, run_id: str, try_numbers: Collection[int] | None = None) -> str | None:
    """Return the URI of the newest Data Docs of a run, also of a failed validation; None if there are none.

    ``try_numbers`` limits the search to these attempts, such as one repeat's; None searches all of the run's.
    """
    step = files.join(run_folder_uri(store, dag_id, run_id), _STEP)
    found = sorted(((at, name) for name in files.names(step) if (at := age(_STEP, name))), reverse=True)
    for (number, _), name in found:
        uri = of_attempt(files.join(step, name))
        if (try_numbers is None or number in try_numbers) and files.exists(uri):
            return uri
    return None
