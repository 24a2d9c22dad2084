"""End the processes and pods of tasks that Airflow has ended, and count their use in the ledger.

millrace.runs.stop_request starts ``python -m millrace.runs.stopping``; its functions list the possible arguments.
"""

import logging
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from millrace.contracts.errors import RefusedError
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.run_spec import RunSpec
from millrace.contracts.tasks import ENDED
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.runs import attempt_folders
from millrace.runs.run import run_folder_uri
from millrace.runs.stop_request import DELETED
from millrace.settings import Settings, load_settings

log = logging.getLogger(__name__)

_AT_ONCE = 16


class Workers(Protocol):
    """The processes or pods that a launcher has started."""

    def at_work(self, attempt_uri: str) -> str | None:
        """Return the name of the process or pod that works on this attempt; None if there is none."""

    def end(self, attempt_uri: str) -> None:
        """End the attempt's processes or pods after they have saved a checkpoint; return when none is left."""


def is_wanted(state: str | None) -> bool:
    """Return whether the process or pod of a task in this Airflow state may go on."""
    return state not in ENDED


def workers(settings: Settings, workload: Workload | None = None) -> Iterator[Workers]:
    """Yield what this site's launcher has started: on Kubernetes for this workload, or for all that ever ran."""
    if settings.launcher == "kubernetes":
        from millrace.launchers.pods import StepPods  # its client's import takes a second

        ours = [settings.cluster().for_team(workload.team, workload.name)] if workload else settings.clusters()
        yield from map(StepPods.of, ours)
    else:
        yield settings.process_launcher()


def stop(
    specs: Iterable[RunSpec],
    reason: str,
    settings: Settings,
    ledger: Ledger,
    code: ReasonCode = ReasonCode.STOPPED,
) -> None:
    """End the processes and pods of these step specs, after a checkpoint if there is time, and count their use."""

    def end(spec: RunSpec) -> None:
        for found in workers(settings, spec.workload):
            name = found.at_work(spec.attempt_uri)
            if name is not None:
                log.info("%s: ends %s", reason, name)
                found.end(spec.attempt_uri)
                attempt_folders.stopped(spec, name, reason, ledger, code)

    # in parallel, since each may take time for a checkpoint
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        list(pool.map(end, specs))


def main(arguments: list[str]) -> None:
    """Handle the command line that ``millrace.runs.stop_request`` makes."""
    settings = load_settings()
    ledger = settings.ledger()
    match arguments:
        case ["try", uri, sha256, reason]:
            spec = _order(uri, sha256, settings)
            stop([spec], reason, settings, ledger)
            # also counts a process or pod that ended by itself before it was stopped
            attempt_folders.stopped(spec, f"stopped:{spec.attempt_uri.rpartition('/')[2]}", reason, ledger)
        case ["deleted", uri, sha256]:
            key = _order(uri, sha256, settings).key
            run_uri = run_folder_uri(settings.store, key.dag_id, key.run_id)
            deleted = ReasonCode.RUN_DELETED
            stop(attempt_folders.specs_of(run_uri, key.repeat), DELETED, settings, ledger, deleted)
            attempt_folders.count_lost(run_uri, key.repeat, ledger)
            ledger.close_run(key.dag_id, key.run_id, key.repeat, state="failed", reason=DELETED, code=deleted)
        case ["task", uri, repeat, task_id, map_index, reason]:
            specs = attempt_folders.specs_of(uri, int(repeat))
            own = [spec for spec in specs if (spec.key.task_id, spec.key.map_index) == (task_id, int(map_index))]
            stop(own, reason, settings, ledger)
        case ["run", uri, repeat, reason]:
            stop(attempt_folders.specs_of(uri, int(repeat)), reason, settings, ledger)
            attempt_folders.count_lost(uri, int(repeat), ledger)
        case _:
            raise SystemExit(__doc__)


def _order(uri: str, sha256: str, settings: Settings) -> RunSpec:
    """Return the step spec with this digest; if its file has changed, end its processes and raise RefusedError."""
    try:
        return attempt_folders.ordered(uri, sha256)
    except RefusedError:
        for found in workers(settings):
            found.end(uri.rpartition("/")[0])
        raise


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    main(sys.argv[1:])
