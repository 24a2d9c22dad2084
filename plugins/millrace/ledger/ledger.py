"""The ledger: the one class through which Millrace reads and writes its database."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from millrace.contracts.plan import Plan
from millrace.ledger import budgets, plans, power, teams
from millrace.ledger.calibrations import Calibrations
from millrace.ledger.database import Database
from millrace.ledger.datasets import Datasets
from millrace.ledger.migrations import Migrations
from millrace.ledger.model_states import ModelStates
from millrace.ledger.models import Models
from millrace.ledger.records import SOMEBODY, Actor, Budget, Decision, PowerClaim, RunKey, Spending
from millrace.ledger.retention import Sweeps
from millrace.ledger.runs import Runs
from millrace.ledger.stores import Stores
from millrace.ledger.tries import Tries
from millrace.ledger.views import Views


class Ledger(Runs, Tries, Datasets, Models, ModelStates, Stores, Sweeps, Calibrations, Migrations):
    """Plans, reports, dataset and model versions and measurements, in one database.

    ``url`` is a SQLAlchemy URL of SQLite or PostgreSQL; the first call opens it. ``sql`` is the folder of statements,
    by default the repository's own. Every method is one transaction, applied as a whole or not at all, and raises
    TransientError if the database does not answer. Times are UTC ISO-8601 text. ``views`` holds the queries over many
    runs that web pages and monitors show. The base classes hold the methods, one class for each responsibility.
    """

    def __init__(self, url: str, sql: Path | None = None) -> None:
        super().__init__(Database(url, sql))
        self.views = Views(self._database)

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

    # --- budgets ---

    def record_budget(self, budget: Budget, by: Actor = SOMEBODY) -> None:
        """Store a budget. Raises RefusedError if its name is taken."""
        budgets.record(self._database, budget, by)

    def budget(self, dag_id: str, name: str) -> Budget:
        """Return a budget of a DAG by name. Raises BadInputError if there is none."""
        return budgets.find(self._database, dag_id, name)

    def take_budget(self, dag_id: str, run_id: str, repeat: int, name: str, predicted: float) -> float | None:
        """Reserve this run's predicted total in a budget; None if the budget covers it or a person approved it.

        Otherwise return what the budget's other runs take: the measured amount after their end, before it the larger of
        prediction and measurement, so that two runs cannot both take the last of it. The budget covers nothing if the
        whole backfill was priced above it. Raises BadInputError for an unknown budget.
        """
        return budgets.take(self._database, RunKey(dag_id, run_id, repeat), name, predicted)

    def approve_spending(
        self, dag_id: str, run_id: str, repeat: int, name: str, by: str, *, rest: bool, decision: Decision | None = None
    ) -> None:
        """Approve that this run exceeds its budget, and with ``rest`` every later run; ``decision`` is audited."""
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
        """Reserve this run's predicted total in its team's budget for the month in which the run began.

        ``limits`` are keyed by Spending's field names; ``rates`` are money per joule and per second, for runs without a
        plan. None if the budget covers the run or a person approved it. Otherwise return what the team's other runs
        take (see take_budget); the run's part is then reserved only with ``lets_past``.
        """
        key = RunKey(dag_id, run_id, repeat)
        return teams.take(self._database, key, limits, predicted, gpus=gpus, rates=rates, lets_past=lets_past)

    def approve_team_spending(
        self, dag_id: str, run_id: str, repeat: int, by: str, decision: Decision | None = None
    ) -> None:
        """Approve that this run exceeds its team's budget; ``decision`` is audited."""
        teams.approve(self._database, RunKey(dag_id, run_id, repeat), by, decision)

    def team_spending(self, team: str, site: str, month: str, rates: tuple[float, float]) -> Spending:
        """Return what the team's runs that began in ``month`` (such as 2026-03) take at a site."""
        return teams.spent(self._database, team, site, month, rates)

    # --- power ---

    def claim_power(
        self, dag_id: str, run_id: str, repeat: int, site: str, *, watts: float, cap_watts: float, lasts: timedelta
    ) -> PowerClaim:
        """Reserve watts of a site for a training if no earlier claim is waiting and the power cap covers them.

        The reservation ends when the training is committed, when the run ends, or after ``lasts``; a repeated claim
        keeps it and restarts ``lasts``. Of concurrent claims no more are granted than the cap covers.
        """
        key = RunKey(dag_id, run_id, repeat)
        return power.claim(self._database, key, site, watts=watts, cap_watts=cap_watts, lasts=lasts)
