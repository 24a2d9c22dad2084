"""Every way to end a training in Airflow, whether it is a process or a pod."""

from collections.abc import Callable
from typing import Protocol

from millrace.cli.demonstration.follow import AirflowApi


class HasApi(Protocol):
    """An Airflow with a client that has logged in."""

    api: AirflowApi


class Training(Protocol):
    """A run in the middle of its training."""

    dag_id: str
    run_id: str

    @property
    def airflow_env(self) -> HasApi: ...

    def clear(self) -> None: ...


def mark_task(state: str) -> Callable[[Training], None]:
    return lambda training: training.airflow_env.api.mark_task(training.dag_id, training.run_id, "train", state)


def mark_run(state: str) -> Callable[[Training], None]:
    return lambda training: training.airflow_env.api.mark(training.dag_id, training.run_id, state)


WAYS: dict[str, Callable[[Training], None]] = {
    "task marked successful": mark_task("success"),
    "task marked failed": mark_task("failed"),
    "task marked skipped": mark_task("skipped"),
    "run marked successful": mark_run("success"),
    "run marked failed": mark_run("failed"),
    "task cleared": lambda training: training.clear(),
}
