"""Where Great Expectations' Data Docs of a run are: in its validation's newest attempt, whatever became of it."""

import re
from collections.abc import Collection

from millrace.runs.run import run_folder_uri
from millrace.storage import files

_STEP = "validate"
_ATTEMPT = re.compile(r"try-(\d+)(?:-restart-(\d+))?\Z")


INDEX = ("out", "docs", "index.html")


def of_attempt(attempt_uri: str) -> str:
    """Where a try of validation writes them."""
    return files.join(attempt_uri, *INDEX)


def age(step: str, attempt: str) -> tuple[int, int] | None:
    """Larger for a later try, or restart, of validation; None for any other folder of a run."""
    match = _ATTEMPT.fullmatch(attempt) if step == _STEP else None
    return (int(match[1]), int(match[2] or 0)) if match else None


def newest(store: str, dag_id: str, run_id: str, try_numbers: Collection[int] | None = None) -> str | None:
    """The newest Data Docs that a run's validation wrote, also when it failed; None where it came to none.

    ``try_numbers`` are those of one repeat; all of the run's count without them.
    """
    step = files.join(run_folder_uri(store, dag_id, run_id), _STEP)
    found = sorted(((at, name) for name in files.names(step) if (at := age(_STEP, name))), reverse=True)
    for (number, _), name in found:
        uri = of_attempt(files.join(step, name))
        if (try_numbers is None or number in try_numbers) and files.exists(uri):
            return uri
    return None
