"""The ledger: the one class through which Millrace reads and writes its database."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path

from millrace.contracts.calibration import Calibration
from millrace.contracts.data import DatasetVersion, Profile, Window
from millrace.contracts.measurement import MeteredJoules, MeterReading
from millrace.contracts.plan import Plan
from millrace.contracts.reasons import Reason, ReasonCode
from millrace.contracts.report import Report
from millrace.contracts.retention import Found, StoredSize
from millrace.contracts.run_spec import TryKey
from millrace.contracts.serving import Verdict
from millrace.contracts.store import StoreTraits
from millrace.ledger import (
    calibrations,
    datasets,
    migrations,
    plans,
    reservations,
    retention,
    runs,
    stores,
    tries,
)
from millrace.ledger.database import Database, Row
from millrace.ledger.model_ledger import ModelLedger
from millrace.ledger.records import (
    SOMEBODY,
    Actor,
    Budget,
    BudgetClaim,
    Decision,
    PowerClaim,
    Reserved,
    RunKey,
    Scope,
    Spending,
)
from millrace.ledger.views import Views


class Ledger(ModelLedger):
    """Plans, reports, dataset and model versions and measurements, in one database.

    ``url`` is a SQLAlchemy URL of SQLite or PostgreSQL; the first call opens it. ``sql`` is the folder of statements,
    by default the repository's own. Every method is one transaction, applied as a whole or not at all, and raises
    TransientError if the database does not answer. Times are UTC ISO-8601 text. ``views`` holds the queries over many
    runs that web pages and monitors show.
    """

    def __init__(self, url: str, sql: Path | None = None) -> None:
        self._database = Database(url, sql)
        self.views = Views(self._database)

    def migrate(self) -> list[str]:
        """Apply missing migrations and return their names. Several processes may call it at the same time.

        Raises RefusedError if a newer version made the ledger, or if an applied migration was edited afterwards.
        """
        return migrations.migrate(self._database)

    def grant(self, role: str) -> None:
        """Grant a PostgreSQL role the rights that an application needs; on the audit, only to read and insert rows.

        The owner of the tables calls it after each migration. Raises BadInputError on SQLite, which has no roles.
        """
        migrations.grant(self._database, role)

    # --- calibrations ---

    def trained_runs(self) -> list[Row]:
        """Return successful trainings, oldest first: plan and measurements, or only memory after several attempts."""
        return calibrations.trained_runs(self._database)

    def store_calibration(self, learned: Calibration) -> bool:
        """Store a calibration version; False if another process stored it first."""
        return calibrations.store(self._database, learned)

    def calibration(self, hardware: str, family: str) -> Calibration | None:
        """Return the newest calibration of a hardware and model family; None if there is none yet."""
        return calibrations.newest(self._database, hardware, family)

    # --- runs ---

    def open_run(
        self,
        dag_id: str,
        run_id: str,
        *,
        workload: str,
        team: str,
        site: str,
        partition_first: date,
        partition_last: date,
        run_type: str,
        quality_metric: str = "micro_f1",
        pue: float | None = None,
        generation: int = 1,
        source: str | None = None,
        triggered_by: str | None = None,
    ) -> int:
        """Enter the run and return its running repeat; the first call, and the first after close_run, starts a new one.

        ``quality_metric`` is shown by run_summary: micro_f1 or macro_f1, BadInputError for others. ``pue`` is the
        site's current PUE, for the building's share in run_energy. ``generation`` is that of the dataset that holds the
        days. ``source`` is the workload's, as JSON (see ``sources``). ``triggered_by`` is the person who triggered the
        run, for the audit, which records every run that the schedule did not start.
        """
        return runs.open_run(
            self._database,
            dag_id,
            run_id,
            workload=workload,
            team=team,
            site=site,
            partition_first=partition_first,
            partition_last=partition_last,
            run_type=run_type,
            quality_metric=quality_metric,
            pue=pue,
            generation=generation,
            source=source,
            triggered_by=triggered_by,
        )

    def last_repeat(self, dag_id: str, run_id: str) -> int | None:
        """Return the run's newest repeat, finished or not; None if the run is not in the ledger."""
        with self._database.read() as transaction:
            row = transaction.one("select_last_repeat", dag_id=dag_id, run_id=run_id)
        return None if row is None or row["repeat"] is None else int(row["repeat"])

    def close_run(
        self, dag_id: str, run_id: str, repeat: int, *, state: str, reason: str, decision: str | None = None,
        code: ReasonCode | None = None,
    ) -> None:  # fmt: skip
        """Set a run's terminal state with its reason and code; a run that has ended keeps its first outcome.

        If the run failed, its days that are neither committed nor absent become failed, so that no later run waits for
        them. Raises BadInputError for a state that is not terminal, an empty reason or an unknown run.
        """
        key = RunKey(dag_id, run_id, repeat)
        runs.close_run(self._database, key, state=state, reason=reason, decision=decision, code=code)

    def record_verdict(self, dag_id: str, run_id: str, repeat: int, verdict: Verdict) -> None:
        """Store the gate's verdict; its outcome becomes the run's decision. Raises BadInputError for an unknown run."""
        runs.record_verdict(self._database, RunKey(dag_id, run_id, repeat), verdict)

    def verdict(self, dag_id: str, run_id: str, repeat: int) -> Verdict | None:
        """Return the gate's verdict on a run; None if it has none."""
        return runs.verdict(self._database, RunKey(dag_id, run_id, repeat))

    def newest_verdict(self, dag_id: str, run_id: str) -> Verdict | None:
        """Return the gate's verdict from the newest repeat of the run that has one."""
        return runs.newest_verdict(self._database, dag_id, run_id)

    def open_runs(self, workload: str | None = None) -> list[Row]:
        """Return the runs that have not ended, oldest first."""
        with self._database.read() as transaction:
            return transaction.all("select_open_runs", workload=workload)

    def run_summary(self, dag_id: str | None = None, run_id: str | None = None, limit: int = 100) -> list[Row]:
        """Return rows of the public view run_summary, newest first. Unknown values are None."""
        with self._database.read() as transaction:
            return transaction.all("select_run_summary", dag_id=dag_id, run_id=run_id, row_limit=limit)

    # --- attempts ---

    def commit_report(self, key: TryKey, report: Report, process_uid: str) -> None:
        """Commit an attempt: its row, and the effect of its result on partitions, dataset and model versions.

        A second commit with the same key and uid changes nothing. A process, identified by the start of its meter,
        counts once: its report replaces its row as a lost attempt; a report that another attempt adopts adds no joules.
        Raises BadInputError for a run without open_run, RefusedError if a result breaks a rule.
        """
        tries.commit_report(self._database, key, report, process_uid)

    def commit_lost_try(
        self, key: TryKey, reading: MeterReading | None, process_uid: str, reason: str,
        code: ReasonCode = ReasonCode.LOST,
    ) -> None:  # fmt: skip
        """Count the use of an attempt that ended without a report; never less than is already counted for it."""
        tries.commit_lost_try(self._database, key, reading, process_uid, reason, code)

    def committed_report(self, dag_id: str, run_id: str, task_id: str) -> Report | None:
        """Return the newest report of a task with outcome ok or skipped, from the newest repeat that has one."""
        return tries.committed_report(self._database, dag_id, run_id, task_id)

    def committed_reports(self, dag_id: str, run_id: str, task_id: str) -> list[Report]:
        """Return all reports of a task with outcome ok or skipped, of every map index and repeat, newest first."""
        return tries.committed_reports(self._database, dag_id, run_id, task_id)

    def try_reasons(self, dag_id: str, run_id: str, repeat: int) -> dict[str, Reason]:
        """Return the reason of each task's newest attempt; of a mapped task that of a failed index, if there is one."""
        return tries.reasons(self._database, dag_id, run_id, repeat)

    def tries(self, dag_id: str, run_id: str, repeat: int) -> list[Row]:
        """Return outcome and use of each attempt of a run, oldest commit first."""
        with self._database.read() as transaction:
            return transaction.all("select_tries", dag_id=dag_id, run_id=run_id, repeat=repeat)

    # --- energy ---

    def phases(self, dag_id: str, run_id: str, repeat: int) -> list[Row]:
        """Return the use of each phase of each step, summed over all attempts, in the order of their commits."""
        with self._database.read() as transaction:
            return transaction.all("select_phases", dag_id=dag_id, run_id=run_id, repeat=repeat)

    def run_energy(self, dag_id: str, run_id: str) -> list[Row]:
        """Return rows of the view run_energy, one per repeat: active, idle and building joules, and meter readings."""
        with self._database.read() as transaction:
            return transaction.all("select_run_energy", dag_id=dag_id, run_id=run_id)

    def unmetered_runs(self) -> list[Row]:
        """Return up to 1000 runs that ended within the last day and have no reading from external meters."""
        return runs.unmetered(self._database)

    def record_metered(self, dag_id: str, run_id: str, repeat: int, metered: MeteredJoules) -> None:
        """Store what external meters measured for a run; a later reading replaces it."""
        runs.record_metered(self._database, RunKey(dag_id, run_id, repeat), metered)

    # --- plans ---

    def store_plan(self, dag_id: str, run_id: str, repeat: int, plan: Plan) -> None:
        """Store a run's plan. Raises RefusedError once a training attempt of this repeat has been committed."""
        plans.store_plan(self._database, RunKey(dag_id, run_id, repeat), plan)

    def plan(self, dag_id: str, run_id: str) -> Plan | None:
        """Return the plan of the run's newest repeat that has one."""
        with self._database.read() as transaction:
            return plans.newest_plan(transaction, dag_id, run_id)

    def learn_memory(self, workload: str, step: str, memory_bytes: int) -> None:
        """Store the memory that a step needs after an out-of-memory kill, in bytes; a smaller value changes nothing."""
        plans.learn_memory(self._database, workload, step, memory_bytes)

    def oom_correction(self, workload: str, step: str) -> int | None:
        """Return the memory that this step needs according to its OOM kills, in bytes; None if it had none."""
        return plans.oom_correction(self._database, workload, step)

    def learn_rows(self, workload: str, hardware: str, rows_at_once: int) -> None:
        """Store the rows per micro-batch after a device ran out of memory; a larger number changes nothing."""
        plans.learn_rows(self._database, workload, hardware, rows_at_once)

    def device_rows_correction(self, workload: str, hardware: str) -> int | None:
        """Return how many rows of a batch this workload feeds at a time on that hardware; None means all of them."""
        return plans.device_rows_correction(self._database, workload, hardware)

    # --- budgets and power ---

    def record_budget(self, budget: Budget, by: Actor = SOMEBODY) -> None:
        """Store a budget. Raises RefusedError if its name is taken."""
        reservations.record_budget(self._database, budget, by)

    def reserve(
        self, dag_id: str, run_id: str, repeat: int, claims: Sequence[BudgetClaim | PowerClaim]
    ) -> list[Reserved]:
        """Reserve what a run claims, in this order, at most one claim of each scope; stop at the first that fails.

        A budget's claim holds if the budget covers it or a person approved it. Other runs take the measured amount
        after their end, before it the larger of prediction and measurement, so that two runs cannot both take the last
        of it. A backfill's budget covers nothing if the whole backfill was priced above it. A claim of watts holds if
        no earlier claim waits and the cap covers it; a repeated claim keeps it and restarts ``lasts``. Of concurrent
        claims no more hold than the limit covers. Raises BadInputError for an unknown budget or run.
        """
        return reservations.reserve(self._database, RunKey(dag_id, run_id, repeat), claims)

    def approve_spending(
        self, dag_id: str, run_id: str, repeat: int, scope: Scope, name: str, by: str, *, rest: bool = False,
        decision: Decision | None = None,
    ) -> None:  # fmt: skip
        """Approve that this run exceeds a budget, with ``rest`` every later run of its backfill; audit ``decision``."""
        key = RunKey(dag_id, run_id, repeat)
        reservations.approve(self._database, key, scope, name, by, rest=rest, decision=decision)

    def team_spending(self, team: str, site: str, month: str, rates: tuple[float, float]) -> Spending:
        """Return what the team's runs that began in ``month`` (such as 2026-03) take at a site."""
        return reservations.team_spending(self._database, team, site, month, rates)

    # --- datasets ---

    # methods with ``generation`` read one generation of the workload's dataset

    def latest_dataset(self, workload: str, until: date, generation: int = 1) -> DatasetVersion | None:
        """Return the newest published version, up to ``until`` or its last committed day; None if no day is left."""
        return datasets.latest_dataset(self._database, workload, until, generation)

    def profile(
        self, workload: str, *, until: date, outside: Window | None = None, generation: int = 1
    ) -> Profile | None:
        """Return the sum over committed partitions up to ``until``, not those in ``outside``; None if none is left."""
        return datasets.profile(self._database, workload, until=until, outside=outside, generation=generation)

    def settled_partitions(self, workload: str, first: date, last: date, generation: int = 1) -> dict[date, str]:
        """Return the state of each known day from first to last: staged, absent, failed or committed."""
        rows = self.partition_rows(workload, first, last, generation)
        return {date.fromisoformat(row["day"]): row["state"] for row in rows}

    def partition_rows(self, workload: str, first: date, last: date, generation: int = 1) -> list[Row]:
        """Return each known day from first to last: state, rows, source, content digest, dataset version and run."""
        return datasets.partitions(self._database, workload, first, last, generation)

    def ingest_began(self, dag_id: str, run_id: str, repeat: int) -> datetime | None:
        """Return when the run's last ingest attempt began, or the run itself; ingest cannot have read later files."""
        return datasets.ingest_began(self._database, RunKey(dag_id, run_id, repeat))

    def tenants(self) -> list[Row]:
        """Return each workload that ever ran, with its newest run's team and its source (JSON, or None)."""
        return datasets.tenants(self._database)

    def sources(self) -> list[Row]:
        """Return each workload's source (JSON) and DAG, as its newest run declared them."""
        return datasets.sources(self._database)

    # --- stores ---

    def record_store(self, traits: StoreTraits) -> None:
        """Store the result of a store probe; it replaces the earlier one."""
        stores.record(self._database, traits)

    def store(self, uri: str) -> StoreTraits | None:
        """Return the result of a store's newest probe; None if it was never probed."""
        return stores.traits(self._database, uri)

    def take_commit_lock(self, dag_id: str, run_id: str, repeat: int, dataset_uri: str) -> bool:
        """Return whether this run now holds the commit lock of a table; one run at a time may, and may take it again.

        The report of the run's validate step and the end of the run release the lock.
        """
        return stores.take_lock(self._database, RunKey(dag_id, run_id, repeat), dataset_uri)

    # --- retention ---

    def run_ends(self) -> list[Row]:
        """Return each run: whether it is open, and when its newest repeat ended."""
        return retention.run_ends(self._database)

    def kept_models(self) -> list[Row]:
        """Return every version whose files exist, each workload's newest first."""
        return retention.kept_models(self._database)

    def publishing_runs(self) -> list[Row]:
        """Return the runs (``dag_id``, ``run_id``) whose published dataset version is the source of a partition."""
        return retention.publishing_runs(self._database)

    def newest_versions(self) -> list[Row]:
        """Return each table's newest published version."""
        return retention.newest_versions(self._database)

    def sweep_model(self, workload: str, version: str) -> bool:
        """Mark a version's files as swept before their removal; False if it is live, a candidate or already swept."""
        return retention.sweep_model(self._database, workload, version)

    def record_sweep(self, store_uri: str, found: Iterable[Found], *, applied: bool, by: Actor = SOMEBODY) -> None:
        """Store what a sweep found or removed; a sweep that removed something is audited."""
        retention.record_sweep(self._database, store_uri, found, applied=applied, by=by)

    def sweeps(self, store_uri: str) -> list[Row]:
        """Return the counts of a store's sweeps, oldest first."""
        return retention.rows(self._database, "select_sweeps", store_uri)

    def record_sizes(self, store_uri: str, sizes: Iterable[StoredSize]) -> None:
        """Store the current storage size of each workload."""
        retention.record_sizes(self._database, store_uri, sizes)

    def storage_sizes(self, store_uri: str) -> list[Row]:
        """Return the storage size of each workload at each measurement, oldest first."""
        return retention.rows(self._database, "select_storage_sizes", store_uri)
