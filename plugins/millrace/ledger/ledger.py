"""The ledger's door: everything that Millrace remembers passes through here."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
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
    budgets,
    calibrations,
    datasets,
    migrations,
    plans,
    power,
    retention,
    runs,
    stores,
    teams,
    tries,
)
from millrace.ledger.database import Database, Row
from millrace.ledger.model_ledger import ModelLedger
from millrace.ledger.records import SOMEBODY, Actor, Budget, Decision, PowerClaim, RunKey, Spending
from millrace.ledger.views import Views


class Ledger(ModelLedger):
    """Plans, reports, dataset and model versions and measurements.

    ``url`` is SQLAlchemy's, for SQLite or PostgreSQL; nothing is opened before the first call. ``sql`` is the folder
    of statements, the repository's own by default. Every method is one transaction: it happened as a whole or not at
    all. All of them raise TransientError where the database does not answer. Times are UTC ISO-8601 text.
    ``views`` is what pages show of many runs.
    """

    def __init__(self, url: str, sql: Path | None = None) -> None:
        self._database = Database(url, sql)
        self.views = Views(self._database)

    def migrate(self) -> list[str]:
        """Apply missing migrations; their names. Several processes may call it at once.

        Raises RefusedError for a ledger that a newer version made, or whose applied migrations were edited.
        """
        return migrations.migrate(self._database)

    def grant(self, role: str) -> None:
        """Give a role of PostgreSQL's what an application needs: of the audit no more than reading and inserting rows.

        The owner of the tables calls it, after each migration. Raises BadInputError on SQLite, which has no roles.
        """
        migrations.grant(self._database, role)

    # --- what sizing learned ---

    def trained_runs(self) -> list[Row]:
        """Plan and measurements of every run whose training took one try, the oldest first."""
        return calibrations.trained_runs(self._database)

    def store_calibration(self, learned: Calibration) -> bool:
        """Keep a version; False where another process was first."""
        return calibrations.store(self._database, learned)

    def calibration(self, hardware: str, family: str) -> Calibration | None:
        """The newest version; None where nothing was learned yet."""
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
        """The run's repeat that is running; the first call, and the first after a close, open a new one.

        ``quality_metric`` is the one that run_summary shows: micro_f1 or macro_f1. ``pue`` is the site's now,
        by which run_energy tells the building's share. ``generation`` of the data set is where its days are kept.
        ``source`` is the workload's, as JSON (see ``sources``). ``triggered_by`` is the person who did, for the audit,
        which names each run that the schedule did not begin.
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
        """The run's newest repeat, ended or not; None for a run that was never opened."""
        with self._database.read() as transaction:
            row = transaction.one("select_last_repeat", dag_id=dag_id, run_id=run_id)
        return None if row is None or row["repeat"] is None else int(row["repeat"])

    def close_run(
        self, dag_id: str, run_id: str, repeat: int, *, state: str, reason: str, decision: str | None = None,
        code: ReasonCode | None = None,
    ) -> None:  # fmt: skip
        """End a run in a terminal state with its reason and code; a run that has ended keeps its first ending.

        A failed run's days that are neither committed nor absent become failed, so that no later run waits for them.
        Raises BadInputError for another state, an empty reason or an unknown run.
        """
        key = RunKey(dag_id, run_id, repeat)
        runs.close_run(self._database, key, state=state, reason=reason, decision=decision, code=code)

    def record_verdict(self, dag_id: str, run_id: str, repeat: int, verdict: Verdict) -> None:
        """Keep the gate's verdict; its outcome is the run's decision. Raises BadInputError for an unknown run."""
        runs.record_verdict(self._database, RunKey(dag_id, run_id, repeat), verdict)

    def verdict(self, dag_id: str, run_id: str, repeat: int) -> Verdict | None:
        """The gate's verdict on a run."""
        return runs.verdict(self._database, RunKey(dag_id, run_id, repeat))

    def newest_verdict(self, dag_id: str, run_id: str) -> Verdict | None:
        """The gate's verdict in the run's newest repeat that has one."""
        return runs.newest_verdict(self._database, dag_id, run_id)

    def open_runs(self, workload: str | None = None) -> list[Row]:
        """The runs that have not ended, oldest first."""
        with self._database.read() as transaction:
            return transaction.all("select_open_runs", workload=workload)

    def run_summary(self, dag_id: str | None = None, run_id: str | None = None, limit: int = 100) -> list[Row]:
        """Rows of the public view run_summary, newest first. What is unknown is None."""
        with self._database.read() as transaction:
            return transaction.all("select_run_summary", dag_id=dag_id, run_id=run_id, row_limit=limit)

    # --- tries ---

    def commit_report(self, key: TryKey, report: Report, process_uid: str) -> None:
        """Commit a try: its row, and what its result means for partitions, dataset and model versions.

        Committing the same key and uid again changes nothing. A process is counted once, by the start of its meter:
        its row as a lost try is replaced, and a report that another try adopts brings its result but no second joules.
        Raises BadInputError for a run that was never opened, RefusedError where a result breaks a rule.
        """
        tries.commit_report(self._database, key, report, process_uid)

    def commit_lost_try(
        self, key: TryKey, reading: MeterReading | None, process_uid: str, reason: str,
        code: ReasonCode = ReasonCode.LOST,
    ) -> None:  # fmt: skip
        """Count what a try used that ended without a report; never less than what is counted of it."""
        tries.commit_lost_try(self._database, key, reading, process_uid, reason, code)

    def committed_report(self, dag_id: str, run_id: str, task_id: str) -> Report | None:
        """The newest report of a task that was ok or skipped, of the newest repeat that has one."""
        return tries.committed_report(self._database, dag_id, run_id, task_id)

    def committed_reports(self, dag_id: str, run_id: str, task_id: str) -> list[Report]:
        """All such reports, of every part of a mapped task and of every repeat, newest first."""
        return tries.committed_reports(self._database, dag_id, run_id, task_id)

    def try_reasons(self, dag_id: str, run_id: str, repeat: int) -> dict[str, Reason]:
        """The reason of each task's newest try; of a mapped task's parts that of one that failed, where one did."""
        return tries.reasons(self._database, dag_id, run_id, repeat)

    def tries(self, dag_id: str, run_id: str, repeat: int) -> list[Row]:
        """What each try of a run did and used, oldest commit first."""
        with self._database.read() as transaction:
            return transaction.all("select_tries", dag_id=dag_id, run_id=run_id, repeat=repeat)

    # --- energy ---

    def phases(self, dag_id: str, run_id: str, repeat: int) -> list[Row]:
        """What each phase of each step used, over all tries, in the order of their commits."""
        with self._database.read() as transaction:
            return transaction.all("select_phases", dag_id=dag_id, run_id=run_id, repeat=repeat)

    def run_energy(self, dag_id: str, run_id: str) -> list[Row]:
        """Rows of the view run_energy, one a repeat: active, idle and the building's joules, and what meters saw."""
        with self._database.read() as transaction:
            return transaction.all("select_run_energy", dag_id=dag_id, run_id=run_id)

    def unmetered_runs(self) -> list[Row]:
        """Runs that ended within a day and that no meter has answered about."""
        return runs.unmetered(self._database)

    def record_metered(self, dag_id: str, run_id: str, repeat: int, metered: MeteredJoules) -> None:
        """Keep what meters outside saw of a run; a later reading takes its place."""
        runs.record_metered(self._database, RunKey(dag_id, run_id, repeat), metered)

    # --- plans ---

    def store_plan(self, dag_id: str, run_id: str, repeat: int, plan: Plan) -> None:
        """Keep what was predicted. Raises RefusedError once a training try of this repeat has been committed."""
        plans.store_plan(self._database, RunKey(dag_id, run_id, repeat), plan)

    def plan(self, dag_id: str, run_id: str) -> Plan | None:
        """The plan of the run's newest repeat that has one."""
        with self._database.read() as transaction:
            return plans.newest_plan(transaction, dag_id, run_id)

    def learn_memory(self, workload: str, step: str, memory_bytes: int) -> None:
        """Keep what a step needs that was killed for want of memory; a smaller need changes nothing."""
        plans.learn_memory(self._database, workload, step, memory_bytes)

    def memory_lesson(self, workload: str, step: str) -> int | None:
        """What this step of this workload was last given after a death for want of memory, in bytes."""
        return plans.memory_lesson(self._database, workload, step)

    def learn_rows(self, workload: str, hardware: str, rows_at_once: int) -> None:
        """Keep how many rows at once to try where a device had no room for more; a larger number changes nothing."""
        plans.learn_rows(self._database, workload, hardware, rows_at_once)

    def rows_lesson(self, workload: str, hardware: str) -> int | None:
        """How many rows of a batch this workload feeds at once on that hardware; None for all of them."""
        return plans.rows_lesson(self._database, workload, hardware)

    # --- budgets ---

    def record_budget(self, budget: Budget, by: Actor = SOMEBODY) -> None:
        """Keep a budget. Raises RefusedError where its name is taken."""
        budgets.record(self._database, budget, by)

    def budget(self, dag_id: str, name: str) -> Budget:
        """A budget of a DAG by its name. Raises BadInputError where there is none."""
        return budgets.find(self._database, dag_id, name)

    def take_budget(self, dag_id: str, run_id: str, repeat: int, name: str, predicted: float) -> float | None:
        """Take what this run is predicted to spend in all out of a budget that holds it, or that a person lifted.

        Otherwise what the budget's other runs take: what was measured once they have ended, and the prediction while
        they run, so that of two runs at once only one takes the last of it. A whole backfill that was priced above
        its budget finds nothing in it. Raises BadInputError where the DAG has no such budget.
        """
        return budgets.take(self._database, RunKey(dag_id, run_id, repeat), name, predicted)

    def approve_spending(
        self, dag_id: str, run_id: str, repeat: int, name: str, by: str, *, rest: bool, decision: Decision | None = None
    ) -> None:
        """A person lets this run go on past its budget, and with ``rest`` every later one; ``decision`` is audited."""
        budgets.approve(self._database, RunKey(dag_id, run_id, repeat), name, by, rest=rest, decision=decision)

    def take_team_budget(
        self,
        dag_id: str,
        run_id: str,
        repeat: int,
        limits: Mapping[str, float],
        predicted: Spending,
        *,
        gpus: float,
        rates: tuple[float, float],
        lets_past: bool,
    ) -> Spending | None:
        """Take what this run is predicted to take in all out of its team's budget of the month in which it began.

        ``limits`` are by Spending's names, ``rates`` the money of a joule and of a second for runs without a plan.
        Where the budget does not hold it, what the team's other runs take (see take_budget); the run's part is then
        taken only with ``lets_past`` or once it was approved. None where it is held, or approved.
        """
        key = RunKey(dag_id, run_id, repeat)
        return teams.take(self._database, key, limits, predicted, gpus=gpus, rates=rates, lets_past=lets_past)

    def approve_team_spending(
        self, dag_id: str, run_id: str, repeat: int, by: str, decision: Decision | None = None
    ) -> None:
        """A person lets this run go on past its team's budget; ``decision`` is audited."""
        teams.approve(self._database, RunKey(dag_id, run_id, repeat), by, decision)

    def team_spending(self, team: str, site: str, month: str, rates: tuple[float, float]) -> Spending:
        """What a team's runs take that began in a month, like 2026-03."""
        return teams.spent(self._database, team, site, month, rates)

    # --- power ---

    def claim_power(
        self, dag_id: str, run_id: str, repeat: int, site: str, *, watts: float, cap_watts: float, lasts: timedelta
    ) -> PowerClaim:
        """Take watts of a site for a training, where no run that asked earlier still waits and the cap holds them.

        They are the run's until its training is committed, it ends, or ``lasts`` is over; asked for again they are its
        own still, for as long anew. Of several runs at once no more take watts than the cap holds.
        """
        key = RunKey(dag_id, run_id, repeat)
        return power.claim(self._database, key, site, watts=watts, cap_watts=cap_watts, lasts=lasts)

    # --- datasets ---

    # each of these is about one generation of the workload's data set

    def latest_dataset(self, workload: str, until: date, generation: int = 1) -> DatasetVersion | None:
        """The newest published version, read up to ``until`` or the last committed day; None where that is no day."""
        return datasets.latest_dataset(self._database, workload, until, generation)

    def profile(
        self, workload: str, *, until: date, outside: Window | None = None, generation: int = 1
    ) -> Profile | None:
        """The sum over committed partitions up to ``until``, those in ``outside`` left out; None where none is left."""
        return datasets.profile(self._database, workload, until=until, outside=outside, generation=generation)

    def settled_partitions(self, workload: str, first: date, last: date, generation: int = 1) -> dict[date, str]:
        """Each known day's state from first to last: staged, absent, failed or committed."""
        rows = self.partition_rows(workload, first, last, generation)
        return {date.fromisoformat(row["day"]): row["state"] for row in rows}

    def partition_rows(self, workload: str, first: date, last: date, generation: int = 1) -> list[Row]:
        """Each known day from first to last: its state, rows, source, content's digest, dataset version and run."""
        return datasets.partitions(self._database, workload, first, last, generation)

    def ingest_began(self, dag_id: str, run_id: str, repeat: int) -> datetime | None:
        """When the run's last try of ingest began, or the run itself; what was written later it cannot have read."""
        return datasets.ingest_began(self._database, RunKey(dag_id, run_id, repeat))

    def tenants(self) -> list[Row]:
        """Each workload that ever ran, its newest run's team and its source (JSON, or None)."""
        return datasets.tenants(self._database)

    def sources(self) -> list[Row]:
        """Each workload's source (JSON) and DAG, as its newest run declared them."""
        return datasets.sources(self._database)

    # --- stores ---

    def record_store(self, traits: StoreTraits) -> None:
        """Keep what a probe saw; the newest one counts."""
        stores.record(self._database, traits)

    def store(self, uri: str) -> StoreTraits | None:
        """What the newest probe of a store saw; None for one that was never probed."""
        return stores.traits(self._database, uri)

    def take_commit_lock(self, dag_id: str, run_id: str, repeat: int, dataset_uri: str) -> bool:
        """Whether this run may commit to a table until its step ends; one run at a time may.

        It is given back with the step's report and with the run's end; once more by the same run is True again.
        """
        return stores.take_lock(self._database, RunKey(dag_id, run_id, repeat), dataset_uri)

    # --- retention ---

    def run_ends(self) -> list[Row]:
        """Each run: whether it is open, and when its newest repeat ended."""
        return retention.run_ends(self._database)

    def kept_models(self) -> list[Row]:
        """Every version whose files are there, each workload's newest first."""
        return retention.kept_models(self._database)

    def publishing_runs(self) -> list[Row]:
        """The runs (``dag_id``, ``run_id``) that published a version that a partition comes from."""
        return retention.publishing_runs(self._database)

    def newest_versions(self) -> list[Row]:
        """Each table's newest published version."""
        return retention.newest_versions(self._database)

    def sweep_model(self, workload: str, version: str) -> bool:
        """Say that a version's files go, before they do; False for a live version, a candidate and one that is gone."""
        return retention.sweep_model(self._database, workload, version)

    def record_sweep(self, store_uri: str, found: Iterable[Found], *, applied: bool, by: Actor = SOMEBODY) -> None:
        """Count what a sweep found, or removed; one that removed something is in the audit."""
        retention.record_sweep(self._database, store_uri, found, applied=applied, by=by)

    def sweeps(self, store_uri: str) -> list[Row]:
        """What sweeps of a store counted, oldest first."""
        return retention.rows(self._database, "select_sweeps", store_uri)

    def record_sizes(self, store_uri: str, sizes: Iterable[StoredSize]) -> None:
        """Keep what each workload stores now."""
        retention.record_sizes(self._database, store_uri, sizes)

    def storage_sizes(self, store_uri: str) -> list[Row]:
        """What each workload stored at each measurement, oldest first."""
        return retention.rows(self._database, "select_storage_sizes", store_uri)
