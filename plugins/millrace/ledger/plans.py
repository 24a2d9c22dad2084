"""Plans: stored before training and not changed afterwards."""

from millrace.contracts.errors import RefusedError
from millrace.contracts.plan import Plan
from millrace.ledger.database import Tables, Transaction, Value, now
from millrace.ledger.records import RunKey
from millrace.ledger.runs import lock_run, refresh_figures


class Plans(Tables):
    """Plans of runs, and what training in too little memory taught for later ones."""

    def store_plan(self, dag_id: str, run_id: str, repeat: int, plan: Plan) -> None:
        """Store a run's plan. Raises RefusedError once a training attempt of this repeat has been committed."""
        run = RunKey(dag_id, run_id, repeat)
        key: dict[str, Value] = {"dag_id": dag_id, "run_id": run_id, "repeat": repeat}
        with self._database.write() as transaction:
            lock_run(transaction, run)
            stored = transaction.one("select_plan", dag_id=run.dag_id, run_id=run.run_id)
            if stored and stored["repeat"] == run.repeat and stored["sha256"] == plan.sha256:
                return
            if transaction.one("select_training_try", **key):
                raise RefusedError(
                    "training has already reported",
                    where=f"{run.dag_id} / {run.run_id}, repeat {run.repeat}",
                    rule="a plan is stored before training starts",
                    remedy="clear the whole run: its repeat is planned anew",
                )
            transaction.execute("upsert_plan", **key, **_columns(plan), at=now())
            refresh_figures(transaction, run)

    def plan(self, dag_id: str, run_id: str) -> Plan | None:
        """Return the plan of the run's newest repeat that has one."""
        with self._database.read() as transaction:
            return newest_plan(transaction, dag_id, run_id)

    def learn_memory(self, workload: str, step: str, memory_bytes: int) -> None:
        """Store the memory that a step needs after an out-of-memory kill, in bytes; a smaller value changes nothing."""
        with self._database.write() as transaction:
            key = {"workload": workload, "step": step}
            transaction.execute("upsert_oom_correction", **key, memory_bytes=memory_bytes, at=now())

    def oom_correction(self, workload: str, step: str) -> int | None:
        """Return the memory that this step needs according to its OOM kills, in bytes; None if it had none."""
        row = self._one("select_oom_correction", workload=workload, step=step)
        return None if row is None else int(row["memory_bytes"])

    def learn_rows(self, workload: str, hardware: str, rows_at_once: int) -> None:
        """Store the rows per micro-batch after a device ran out of memory; a larger number changes nothing."""
        key = {"workload": workload, "hardware": hardware}
        with self._database.write() as transaction:
            transaction.execute("upsert_device_rows_correction", **key, rows_at_once=rows_at_once, at=now())

    def device_rows_correction(self, workload: str, hardware: str) -> int | None:
        """Return how many rows of a batch this workload feeds at a time on that hardware; None means all of them."""
        row = self._one("select_device_rows_correction", workload=workload, hardware=hardware)
        return None if row is None else int(row["rows_at_once"])


def newest_plan(transaction: Transaction, dag_id: str, run_id: str) -> Plan | None:
    """Return the plan of the run's newest repeat that has one."""
    row = transaction.one("select_plan", dag_id=dag_id, run_id=run_id)
    return None if row is None else Plan.model_validate_json(row["plan"])


def _columns(plan: Plan) -> dict[str, Value]:
    return {
        "plan": plan.model_dump_json(),
        "sha256": plan.sha256,
        "seconds": plan.seconds.p50,
        "peak_memory_bytes": plan.peak_memory_bytes.p50,
        "peak_gpu_memory_bytes": plan.peak_gpu_memory_bytes.p50 if plan.peak_gpu_memory_bytes else None,
        "joules": plan.joules.p50,
        "cost": plan.cost.p50 if plan.cost else None,
        "currency": plan.currency,
        "gco2e": plan.gco2e.p50 if plan.gco2e else None,
        **_rates(plan),
    }


def _rates(plan: Plan) -> dict[str, Value]:
    """Return the rates of the plan, by which measurements are priced like the prediction.

    A plan's cost is (hardware price x time) + (tariff x energy); its gCO2e is a factor of the energy.
    """
    if not plan.joules.p50:
        return {"cost_per_second": None, "cost_per_joule": None, "gco2e_per_joule": None}
    cost_per_second = cost_per_joule = None
    if plan.cost is not None:
        machines = plan.machine_seconds.p50 / plan.seconds.p50 if plan.machine_seconds and plan.seconds.p50 else 1
        cost_per_second = (plan.hardware.price_per_hour or 0.0) / 3600 * machines
        cost_per_joule = max(0.0, plan.cost.p50 - cost_per_second * plan.seconds.p50) / plan.joules.p50
    return {
        "cost_per_second": cost_per_second,
        "cost_per_joule": cost_per_joule,
        "gco2e_per_joule": plan.gco2e.p50 / plan.joules.p50 if plan.gco2e else None,
    }
