"""Where Great Expectations' Data Docs of a run are: in its validation's newest attempt, whatever became of it."""

import re
from collections.abc import Collection

from millrace.run import run_folder_uri
from millrace.storage import files

_STEP = "validate"
_ATTEMPT = re.compile(r"try-(\d+)(?:-restart-(\d+))?\Z")


def newest(store: str, dag_id: str, run_id: str, try_numbers: Collection[int] | None = None) -> str | None:
    """The newest Data Docs that a run's validation wrote, also when it failed; None where it came to none.

    ``try_numbers`` are those of one repeat; all of the run's count without them.
    """
    step = files.join(run_folder_uri(store, dag_id, run_id), _STEP)
    found = [(match, name) for name in files.names(step) if (match := _ATTEMPT.fullmatch(name))]
    order = sorted(((int(match[1]), int(match[2] or 0), name) for match, name in found), reverse=True)
    for number, _, name in order:
        uri = files.join(step, name, "out", "docs", "index.html")
        if (try_numbers is None or number in try_numbers) and files.exists(uri):
            return uri
    return None
