"""One run at a time commits in a store without exclusive writes; who waits for it holds no worker."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, TaskDeferred

from millrace.contracts.store import StoreTraits
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.policies import commit_lock as module
from millrace.policies.commit_lock import commit_lock
from millrace.runs.run import Run
from millrace.settings import load_settings


class Validate(WorkloadOperator):
    """The step that commits."""

    def work(self, run: Run, context: Any) -> str:
        return "committed"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A store where no write is exclusive, and another run that commits to the data set."""
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    load_settings.cache_clear()
    settings, day = load_settings(), date(2026, 1, 1)
    ledger = settings.ledger()
    ledger.migrate()
    ledger.record_store(
        StoreTraits(
            uri=settings.store, probed_at=datetime.now(UTC), means="none", keeps_what_is_there=False, one_wins=False,
            lists_at_once=True,
        )
    )  # fmt: skip
    ledger.open_run(
        "flowers", "other", workload="flowers", team="t", site="local", partition_first=day, partition_last=day,
        run_type="manual",
    )  # fmt: skip
    assert ledger.take_commit_lock("flowers", "other", 0, f"{settings.store}/datasets/flowers")
    yield ledger
    load_settings.cache_clear()


def resumed(operator: Validate, context: Any, waiting: TaskDeferred) -> Any:
    return getattr(operator, waiting.method_name)(context, event=None, **(waiting.kwargs or {}))


def test_a_run_is_deferred_while_another_commits_and_for_ten_minutes_in_all(
    ledger: Ledger, workload: Workload, task_context: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = timedelta()

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + ahead

    monkeypatch.setattr(module, "datetime", Clock)
    context = task_context("validate")
    with pytest.raises(TaskDeferred) as waiting:
        Validate(task_id="validate", workload=workload, admit=commit_lock).execute(context)
    ahead = timedelta(minutes=9)
    # each deferral ends in another process
    with pytest.raises(TaskDeferred) as again:
        resumed(Validate(task_id="validate", workload=workload, admit=commit_lock), context, waiting.value)
    assert again.value.kwargs == waiting.value.kwargs, "the wait began anew"
    ahead = timedelta(minutes=10)
    with pytest.raises(AirflowException, match="another run is committing to the dataset"):
        resumed(Validate(task_id="validate", workload=workload, admit=commit_lock), context, again.value)


def test_it_commits_once_the_other_has_ended(
    ledger: Ledger, workload: Workload, task_context: Callable[[str], Any]
) -> None:
    operator, context = Validate(task_id="validate", workload=workload, admit=commit_lock), task_context("validate")
    with pytest.raises(TaskDeferred) as waiting:
        operator.execute(context)
    ledger.close_run("flowers", "other", 0, state="failed", reason="lost")
    assert resumed(operator, context, waiting.value) == "committed"
