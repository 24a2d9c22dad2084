"""``airflow tasks clear`` that fails if it cleared nothing: Airflow's own command exits 0 without a message."""

import shlex
import sys
from collections.abc import Sequence
from typing import Any

from airflow import configuration
from airflow.cli.cli_parser import get_parser
from airflow.serialization.definitions.dag import SerializedDAG

from millrace.contracts.errors import BadInputError


def clear(arguments: Sequence[str]) -> int:
    """Run Airflow's command; return the number of task instances that it cleared, or listed for confirmation.

    Raises BadInputError if the arguments match none.
    """
    line = ["tasks", "clear", *arguments]
    asked = get_parser().parse_args(line)
    configuration.write_default_airflow_configuration_if_needed()
    matched = 0
    original: Any = SerializedDAG.clear_dags

    def counting(*dags: object, **filters: object) -> Any:  # noqa: ANN401 - as Airflow's own
        nonlocal matched
        found = original(*dags, **filters)
        matched = max(matched, len(found) if isinstance(found, list) else found)
        return found

    SerializedDAG.clear_dags = counting  # type: ignore[method-assign]
    try:
        asked.func(asked)
    finally:
        SerializedDAG.clear_dags = original  # type: ignore[method-assign]
    if matched == 0:
        raise BadInputError(
            "nothing was cleared: no task instance matches",
            where=f"airflow {shlex.join(line)}",
            rule="-t is a part of a task's name and no pattern; -s and -e are held against logical dates, which runs "
            "that were triggered by hand do not have; only tasks of runs that are in Airflow's database can be cleared",
            remedy=f"name a run: airflow dags clear -y {asked.dag_id} --run-id RUN, with its id from "
            f"`python -m millrace ledger runs --dag-id {asked.dag_id}`",
        )
    return matched


def main() -> int:
    """Run ``python -m millrace airflow tasks clear``; exit code 1 if no task instance matches."""
    try:
        matched = clear(sys.argv[1:])
    except BadInputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{matched} task instances matched\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
