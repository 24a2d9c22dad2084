"""Attempts: the outcome and use of each one, counted once."""

from typing import Any

from millrace.contracts.errors import TransientError
from millrace.contracts.measurement import MeterReading
from millrace.contracts.reasons import Reason, ReasonCode
from millrace.contracts.report import ErrorDetail, EvaluateResult, ExportResult, IngestResult, Report, ValidateResult
from millrace.contracts.run_spec import TryKey
from millrace.ledger import datasets, models, stores
from millrace.ledger.database import Row, Tables, Transaction, Value, now, written
from millrace.ledger.records import RunKey
from millrace.ledger.runs import lock_run, printable, refresh_figures

_COMMITTING = "validate"


class Tries(Tables):
    """Attempts of a run's tasks, their reports and their use."""

    def commit_report(self, key: TryKey, report: Report, process_uid: str) -> None:
        """Commit an attempt: its row, and the effect of its result on partitions, dataset and model versions.

        A second commit with the same key and uid changes nothing. A process, identified by the start of its meter,
        counts once: its report replaces its row as a lost attempt; a report that another attempt adopts adds no joules.
        Raises BadInputError for a run without open_run, RefusedError if a result breaks a rule.
        """
        task, run, step = _task(key), _run(key), step_of(key.task_id)
        with self._database.write() as transaction:
            row = lock_run(transaction, run)
            started_at = written(report.meter.started_at)
            transaction.execute(
                "delete_lost_try", **task, try_number=key.try_number, process_uid=process_uid, started_at=started_at
            )
            counted = transaction.one("select_metered_try", **task, started_at=started_at)
            new = transaction.execute(
                "insert_try",
                **task,
                **_measures(None if counted else report.meter),
                try_number=key.try_number,
                process_uid=process_uid,
                step=step,
                outcome=report.outcome,
                reason=printable(report.reason),
                reason_code=report.code,
                report=report.model_dump_json(),
                at=now(),
            )
            if new:
                if not counted:
                    _keep_phases(transaction, key, process_uid, report.meter)
                _take(transaction, run, row, step, report)
            refresh_figures(transaction, run)
            # not on commit_lost_try: the attempt that counts the lost one already holds the lock
            if step == _COMMITTING:
                stores.release_locks(transaction, run)

    def commit_lost_try(
        self, key: TryKey, reading: MeterReading | None, process_uid: str, reason: str,
        code: ReasonCode = ReasonCode.LOST,
    ) -> None:  # fmt: skip
        """Count the use of an attempt that ended without a report; never less than is already counted for it."""
        task = _task(key)
        with self._database.write() as transaction:
            lock_run(transaction, _run(key))
            if reading is None:
                known: Any = transaction.all("select_tries_of_key", **task, try_number=key.try_number)
            else:
                meter = {"started_at": written(reading.started_at)}
                # the process still ran when it was counted: its later reading includes the earlier one
                transaction.execute("delete_outgrown_try", **task, **meter, wall_seconds=reading.wall_seconds)
                known = transaction.one("select_metered_try", **task, **meter)
            if known:
                return
            transaction.execute(
                "insert_try",
                **task,
                **_measures(reading),
                try_number=key.try_number,
                process_uid=process_uid,
                step=step_of(key.task_id),
                outcome="lost",
                reason=printable(reason) or "lost",
                reason_code=code,
                report=None,
                at=now(),
            )
            if reading is not None:
                _keep_phases(transaction, key, process_uid, reading)
            refresh_figures(transaction, _run(key))

    def committed_report(self, dag_id: str, run_id: str, task_id: str) -> Report | None:
        """Return the newest report of a task with outcome ok or skipped, from the newest repeat that has one."""
        return next(iter(self.committed_reports(dag_id, run_id, task_id)), None)

    def committed_reports(self, dag_id: str, run_id: str, task_id: str) -> list[Report]:
        """Return all reports of a task with outcome ok or skipped, of every map index and repeat, newest first."""
        rows = self._all("select_committed_reports", dag_id=dag_id, run_id=run_id, task_id=task_id)
        return [Report.model_validate_json(row["report"]) for row in rows]

    def error(self, dag_id: str, run_id: str, repeat: int) -> ErrorDetail | None:
        """Return the error of the newest failed attempt of a run; None if none failed with an error of its own."""
        row = self._one("select_failed_report", dag_id=dag_id, run_id=run_id, repeat=repeat)
        return None if row is None else Report.model_validate_json(row["report"]).error

    def validation(self, dag_id: str, run_id: str, repeat: int) -> Report | None:
        """Return the report of a run's newest attempt of validation; None if there was none."""
        row = self._one("select_validation", dag_id=dag_id, run_id=run_id, repeat=repeat)
        return None if row is None else Report.model_validate_json(row["report"])

    def try_reasons(self, dag_id: str, run_id: str, repeat: int) -> dict[str, Reason]:
        """Return the reason of each task's newest attempt; of a mapped task that of a failed index, if there is one."""
        rows = self._all("select_try_reasons", dag_id=dag_id, run_id=run_id, repeat=repeat)
        newest = {(row["task_id"], row["map_index"]): row for row in rows}
        failed_last = sorted(newest.values(), key=lambda row: row["outcome"] in ("ok", "skipped"), reverse=True)
        return {row["task_id"]: Reason(row["reason"], _code(row["reason_code"])) for row in failed_last}

    def tries(self, dag_id: str, run_id: str, repeat: int) -> list[Row]:
        """Return outcome and use of each attempt of a run, oldest commit first."""
        return self._all("select_tries", dag_id=dag_id, run_id=run_id, repeat=repeat)

    def phases(self, dag_id: str, run_id: str, repeat: int) -> list[Row]:
        """Return the use of each phase of each step, summed over all attempts, in the order of their commits."""
        return self._all("select_phases", dag_id=dag_id, run_id=run_id, repeat=repeat)


def _take(transaction: Transaction, run: RunKey, row: Row, step: str, report: Report) -> None:
    match report.result:
        case IngestResult() as ingested:
            datasets.stage(transaction, run, row, ingested)
        case ValidateResult() as validated:
            datasets.publish(transaction, run, row, validated)
        case ExportResult() as exported:
            models.register(transaction, run, exported)
        case EvaluateResult() as evaluated:
            models.keep_evaluation(transaction, run, evaluated)
    # A transient failure is retried, so its days stay open until the run fails (see close_run).
    transient = report.error is not None and report.error.exit_code == TransientError.exit_code
    if report.outcome == "failed" and not transient and step in ("ingest", "validate"):
        datasets.fail(transaction, run, row, step, printable(report.reason))


def _keep_phases(transaction: Transaction, key: TryKey, process_uid: str, reading: MeterReading) -> None:
    for phase in reading.phases:
        transaction.execute(
            "insert_phase", **_task(key), **phase.model_dump(), try_number=key.try_number, process_uid=process_uid
        )


def _code(value: str | None) -> ReasonCode | None:
    return None if value is None else ReasonCode(value)


def step_of(task_id: str) -> str:
    """Return the step that a task executes: the task id without its task groups."""
    return task_id.rpartition(".")[2]


def _run(key: TryKey) -> RunKey:
    return RunKey(key.dag_id, key.run_id, key.repeat)


def _task(key: TryKey) -> dict[str, str | int]:
    return key.model_dump(include={"dag_id", "run_id", "repeat", "task_id", "map_index"})


def _measures(reading: MeterReading | None) -> dict[str, Value]:
    names = set(MeterReading.model_fields) - {"started_at", "phases"}
    if reading is None:
        return {**dict.fromkeys(names), "started_at": None}
    return {**reading.model_dump(include=names), "started_at": written(reading.started_at)}
