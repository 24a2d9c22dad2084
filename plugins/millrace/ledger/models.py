"""Model versions: candidate, then live or not, and who decided it."""

from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.report import EvaluateResult, ExportResult, Quality
from millrace.ledger import plans
from millrace.ledger.database import Database, Row, Transaction, Value, now
from millrace.ledger.records import LiveModel, RecordedModel, RunKey, recorded_model


def register(transaction: Transaction, run: RunKey, result: ExportResult) -> None:
    """A candidate, trained on the dataset that its run's plan names.

    Raises RefusedError where the run has no plan, and where the version exists with other content.
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
        dataset_until=plan.dataset.until.isoformat(),
        size_bytes=result.bytes,
        export_error=result.export_error,
        export_tolerance=result.export_tolerance,
        dag_id=run.dag_id,
        run_id=run.run_id,
        repeat=run.repeat,
        at=now(),
    )
    if new:
        _event(transaction, model.workload, model.version, "registered", f"{run.dag_id} / {run.run_id}", "exported")
    elif _model(transaction, model.workload, model.version).model != model:
        raise RefusedError(
            "this model version exists with other content",
            where=f"{model.workload} / {model.version}",
            rule="a version never changes",
            remedy="export under a new version",
        )
    transaction.execute(
        "update_run_model",
        dag_id=run.dag_id,
        run_id=run.run_id,
        repeat=run.repeat,
        model_version=model.version,
        dataset_version=plan.dataset.version,
    )


def keep_evaluation(transaction: Transaction, run: RunKey, result: EvaluateResult) -> None:
    """The candidate's figures, and the live version's on the same rows."""
    at = now()
    pairs: list[tuple[str, Quality | None]] = [("candidate", result.candidate), ("live", result.live)]
    for role, quality in pairs:
        if quality is None:
            continue
        transaction.execute(
            "upsert_evaluation",
            dag_id=run.dag_id,
            run_id=run.run_id,
            repeat=run.repeat,
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


def live_model(database: Database, workload: str) -> LiveModel | None:
    """See Ledger.live_model."""
    with database.read() as transaction:
        row = transaction.one("select_live_model", workload=workload)
    if row is None:
        return None
    found = recorded_model(row)
    return LiveModel(found.model, found.dataset, found.quality, str(found.promoted_at), found.run)


def model(database: Database, workload: str, version: str) -> RecordedModel | None:
    """See Ledger.model."""
    with database.read() as transaction:
        row = transaction.one("select_model", workload=workload, version=version)
    return None if row is None else recorded_model(row)


def promote(database: Database, workload: str, version: str, actor: str, reason: str) -> str | None:
    """See Ledger.promote."""
    with database.write() as transaction:
        transaction.one("lock_workload", workload=workload)
        candidate = _model(transaction, workload, version)
        if candidate.state == "live":
            return candidate.previous_version
        if candidate.state != "candidate":
            raise _refused(candidate, "go live", "only a candidate goes live")
        row = transaction.one("select_live_model", workload=workload)
        live = None if row is None else recorded_model(row)
        if live and (live.dataset.until, live.dataset.version) > (candidate.dataset.until, candidate.dataset.version):
            raise RefusedError(
                f"version {live.model.version} is live and was trained on newer data "
                f"(until {live.dataset.until}, version {live.dataset.version})",
                where=f"{workload} / {version}: trained until {candidate.dataset.until}, "
                f"version {candidate.dataset.version}",
                rule="a model never goes live over one that was trained on newer data",
                remedy="train again up to the newest day, or roll the live version back first",
            )
        previous = live.model.version if live else None
        if previous is not None:
            _move(transaction, workload, previous, "live", "retired")
            _event(transaction, workload, previous, "retired", actor, f"{version} went live")
        transaction.execute("promote_model", workload=workload, version=version, previous_version=previous, at=now())
        _event(transaction, workload, version, "promoted", actor, reason)
        return previous


def revert(database: Database, workload: str, version: str, reason: str, actor: str) -> str | None:
    """See Ledger.revert."""
    with database.write() as transaction:
        transaction.one("lock_workload", workload=workload)
        bad = _model(transaction, workload, version)
        if bad.state == "rejected":
            raise _refused(bad, "be rolled back", "a rejected version never went live")
        if bad.state != "rolled_back":
            _move(transaction, workload, version, bad.state, "rolled_back")
            _event(transaction, workload, version, "rolled_back", actor, reason)
        if bad.state == "live":
            _restore(transaction, bad, actor)
        row = transaction.one("select_live_model", workload=workload)
        return None if row is None else str(row["version"])


def _restore(transaction: Transaction, bad: RecordedModel, actor: str) -> None:
    """Make the nearest predecessor live that was not itself taken away."""
    workload = bad.model.workload
    previous = bad.previous_version
    while previous is not None:
        found = _model(transaction, workload, previous)
        swept = transaction.one("select_swept_model", workload=workload, version=previous)
        if found.state == "retired" and swept is None:
            _move(transaction, workload, previous, "retired", "live", promoted_at=now())
            _event(transaction, workload, previous, "restored", actor, f"{bad.model.version} was rolled back")
            return
        previous = found.previous_version


def reject(database: Database, workload: str, version: str, reason: str, actor: str) -> None:
    """See Ledger.reject."""
    with database.write() as transaction:
        transaction.one("lock_workload", workload=workload)
        found = _model(transaction, workload, version)
        if found.state == "rejected":
            return
        if found.state != "candidate":
            raise _refused(found, "be rejected", "only a candidate is rejected; what went live is rolled back")
        _move(transaction, workload, version, "candidate", "rejected")
        _event(transaction, workload, version, "rejected", actor, reason)


def events(database: Database, workload: str) -> list[Row]:
    """See Ledger.model_events."""
    with database.read() as transaction:
        return transaction.all("select_model_events", workload=workload)


def _model(transaction: Transaction, workload: str, version: str) -> RecordedModel:
    row = transaction.one("select_model", workload=workload, version=version)
    if row is None:
        raise BadInputError(
            "there is no such model version",
            where=f"{workload} / {version}",
            rule="a version exists once its export's report is in the ledger",
            remedy="see the versions in the ledger's table models",
        )
    return recorded_model(row)


def _refused(found: RecordedModel, what: str, rule: str) -> RefusedError:
    return RefusedError(
        f"a version that is {found.state} cannot {what}",
        where=f"{found.model.workload} / {found.model.version}",
        rule=rule,
        remedy="train and export a new version",
    )


def _move(
    transaction: Transaction,
    workload: str,
    version: str,
    from_state: str,
    to_state: str,
    promoted_at: str | None = None,
) -> None:
    transaction.execute(
        "move_model",
        workload=workload,
        version=version,
        from_state=from_state,
        to_state=to_state,
        promoted_at=promoted_at,
    )


def _event(transaction: Transaction, workload: str, version: str, event: str, actor: str, reason: str) -> None:
    numbered = transaction.one("lock_workload", workload=workload)
    values: dict[str, Value] = {"sequence": numbered["changes"] if numbered else 0, "at": now()}
    transaction.execute(
        "insert_model_event", workload=workload, version=version, event=event, actor=actor, reason=reason, **values
    )
