"""Model versions: registration, evaluations and queries; model_states changes their state."""

from dataclasses import asdict

from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.report import EvaluateResult, ExportResult, Quality
from millrace.ledger import plans
from millrace.ledger.database import Row, Tables, Transaction, now
from millrace.ledger.records import Actor, LiveModel, RecordedModel, RunKey, key_columns, recorded_model


class Models(Tables):
    """A workload's model versions."""

    def live_model(self, workload: str) -> LiveModel | None:
        """Return the live version; None if there is none."""
        row = self._one("select_live_model", workload=workload)
        if row is None:
            return None
        found = recorded_model(row)
        return LiveModel(found.model, found.dataset, found.quality, str(found.promoted_at), found.run)

    def model(self, workload: str, version: str) -> RecordedModel | None:
        """Return a version in any state; None if it does not exist."""
        row = self._one("select_model", workload=workload, version=version)
        return None if row is None else recorded_model(row)

    def model_events(self, workload: str) -> list[Row]:
        """Return the changes of a workload's versions: actor, event, time and reason, oldest first."""
        return self._all("select_model_events", workload=workload)


def register(transaction: Transaction, run: RunKey, result: ExportResult) -> None:
    """Register a candidate, trained on the dataset that its run's plan names.

    Raises RefusedError if the run has no plan, or if the version exists with other content.
    """
    model = result.model
    plan = plans.newest_plan(transaction, run.dag_id, run.run_id)
    if plan is None:
        raise RefusedError(
            "the run has no plan",
            where=f"{run.dag_id} / {run.run_id}: model version {model.version}",
            rule="the plan names the data that a model is trained on",
            remedy="run size before train",
        )
    new = transaction.execute(
        "insert_model",
        **model.model_dump(),
        dataset_uri=plan.dataset.uri,
        dataset_version=plan.dataset.version,
        dataset_generation=plan.dataset.generation,
        dataset_until=plan.dataset.until.isoformat(),
        size_bytes=result.bytes,
        export_error=result.export_error,
        export_tolerance=result.export_tolerance,
        **asdict(run),
        at=now(),
    )
    if new:
        keep_event(transaction, model.workload, model.version, "registered", Actor.of(run), "exported")
    elif find(transaction, model.workload, model.version).model != model:
        raise RefusedError(
            "this model version exists with other content",
            where=f"{model.workload} / {model.version}",
            rule="a version never changes",
            remedy="export under a new version",
        )
    # an export restores the files of a swept version
    transaction.execute("delete_swept_model", workload=model.workload, version=model.version)
    transaction.execute(
        "update_run_model",
        **asdict(run),
        model_version=model.version,
        dataset_version=plan.dataset.version,
    )


def keep_evaluation(transaction: Transaction, run: RunKey, result: EvaluateResult) -> None:
    """Store the candidate's metrics, and the live version's on the same rows."""
    at = now()
    pairs: list[tuple[str, Quality | None]] = [("candidate", result.candidate), ("live", result.live)]
    for role, quality in pairs:
        if quality is None:
            continue
        transaction.execute(
            "upsert_evaluation",
            **asdict(run),
            role=role,
            at=at,
            workload=quality.model.workload,
            version=quality.model.version,
            row_count=quality.rows,
            micro_f1=quality.micro_f1,
            macro_f1=quality.macro_f1,
            calibration_error=quality.calibration_error,
            p50_latency_seconds=quality.serving.p50_latency_seconds,
            p99_latency_seconds=quality.serving.p99_latency_seconds,
            joules_per_request=quality.serving.joules_per_request,
            energy_method=quality.serving.energy_method,
            peak_memory_bytes=quality.serving.peak_memory_bytes,
            quality=quality.model_dump_json(),
        )


def find(transaction: Transaction, workload: str, version: str) -> RecordedModel:
    """Return a version as this transaction sees it. Raises BadInputError if there is none."""
    row = transaction.one("select_model", workload=workload, version=version)
    if row is None:
        raise BadInputError(
            "there is no such model version",
            where=f"{workload} / {version}",
            rule="a version exists once its export's report is in the ledger",
            remedy="see the versions in the ledger's table models",
        )
    return recorded_model(row)


def keep_event(
    transaction: Transaction,
    workload: str,
    version: str,
    event: str,
    by: Actor,
    reason: str,
    from_state: str | None = None,
) -> None:
    """Store an event of a version and its actor; locks the workload, unless the caller has locked it."""
    numbered = transaction.one("lock_workload", workload=workload)
    transaction.execute(
        "insert_model_event",
        workload=workload,
        sequence=numbered["changes"] if numbered else 0,
        version=version,
        event=event,
        actor=by.name,
        by_person=int(by.is_person),
        **key_columns(by.run),
        from_state=from_state,
        reason=reason,
        at=now(),
    )
