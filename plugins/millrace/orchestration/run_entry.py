"""Enter a DAG run in the ledger and make the Run that its tasks work with."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException
from pydantic import ValidationError

from millrace.contracts.data import Window
from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import MeterReading
from millrace.contracts.mistakes import closest
from millrace.contracts.parameters import Parameters
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.run_spec import TryKey
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, RunKey
from millrace.orchestration import attempts, schedules
from millrace.runs.located_source import located
from millrace.runs.run import Run
from millrace.runs.settings_in_force import in_force, of_site
from millrace.settings import Settings


def try_key(run: Run, task_id: str, context: Context) -> TryKey:
    """Return the key of this context's attempt."""
    task_instance = context["ti"]
    index = task_instance.map_index
    return run.key(task_id, task_instance.try_number, -1 if index is None else index)


def actor(run: Run) -> Actor:
    """Return the run as the actor that the ledger records for changes of a model version."""
    return Actor.of(RunKey(run.dag_id, run.run_id, run.repeat))


def open_run(
    workload: Workload, context: Context, settings: Settings, ledger: Ledger, begins_repeats: bool = True
) -> Run:
    """Return the run of this task, entered in the ledger.

    Refused parameters are committed as this attempt's reason and raise AirflowFailException. If ``begins_repeats`` is
    false, as in `finish`, the run gets the workload's own parameters instead, so that it can be closed.
    """
    dag_run, schedule = context["dag_run"], schedules.of_run(context, workload)
    refused: BadInputError | None = None
    try:
        parameters, window = _asked_for(dag_run, context["params"], schedule, settings)
    except BadInputError as error:
        refused = error
        parameters = own_parameters(workload)
        window = own_window(workload, dag_run, schedule)
    repeat = None if begins_repeats else ledger.last_repeat(dag_run.dag_id, dag_run.run_id)
    if repeat is None:
        repeat = enter(workload, dag_run, window, settings, ledger)
    run = Run(
        workload=located(workload, settings.arrivals),
        parameters=parameters,
        window=window,
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        run_type=_kind(dag_run),
        repeat=repeat,
        store=settings.store,
        spark_from_bytes=settings.spark_from_bytes,
    )
    if refused is not None and begins_repeats:
        _keep_refusal(run, context, refused, ledger)
        raise AirflowFailException(str(refused)) from refused
    return run


def enter(workload: Workload, dag_run: Any, window: Window, settings: Settings, ledger: Ledger) -> int:  # noqa: ANN401
    """Return the open repeat of Airflow's run, entered in the ledger if it is new, with the days of ``window``."""
    try:
        pue = settings.site_rates().pue
    except BadInputError:  # the first step that needs a rate raises it; the run's row must exist before that
        pue = None
    repeat = ledger.open_run(
        dag_run.dag_id,
        dag_run.run_id,
        workload=workload.name,
        team=workload.team,
        site=settings.site,
        partition_first=window.first,
        partition_last=window.last,
        run_type=_kind(dag_run),
        quality_metric=workload.gate.metric,
        pue=pue,
        generation=workload.dataset.generation,
        source=workload.dataset.source.model_dump_json(),
        triggered_by=getattr(dag_run, "triggering_user_name", None),
    )
    by = Actor.of(RunKey(dag_run.dag_id, dag_run.run_id, repeat))
    ledger.note_settings(in_force(workload, settings), by, site_wide={of_site(settings)})
    return repeat


def checked_parameters(given: Mapping[str, Any]) -> Parameters:
    """Return the run's parameters. Raises BadInputError, which names each refused one."""
    try:
        return Parameters.model_validate(dict(given))
    except ValidationError as error:
        raise _refused("; ".join(_in_words(each) for each in error.errors())) from error


def own_parameters(workload: Workload) -> Parameters:
    """Return the parameters of a run of this workload that sets none."""
    names = set(Parameters.model_fields)
    return Parameters.model_validate(workload.training.model_dump(include=names))


def own_window(workload: Workload, dag_run: Any, schedule: object) -> Window:  # noqa: ANN401 - Airflow's own
    """Return the days of a run without window parameters; the day before the run if its own days are not valid."""
    try:
        return schedules.window(dag_run, own_parameters(workload), schedule)
    except ValueError:
        return schedules.days_of(dag_run.run_after, dag_run.run_after, schedules.zone(schedule))


def _asked_for(
    dag_run: Any,  # noqa: ANN401
    given: Mapping[str, Any],
    schedule: object,
    settings: Settings,
) -> tuple[Parameters, Window]:
    """Return the run's parameters and window. Raises BadInputError with the reason for each refused parameter."""
    parameters = checked_parameters(given)
    try:
        settings.hardware(parameters.hardware)
    except BadInputError as error:
        raise _refused(f"hardware {parameters.hardware!r}: {error.what}", error.remedy) from error
    try:
        return parameters, schedules.window(dag_run, parameters, schedule)
    except ValidationError as error:
        raise _refused("; ".join(_in_words(each) for each in error.errors())) from error
    except ValueError as error:
        raise _refused(str(error)) from error


def _keep_refusal(run: Run, context: Context, refused: BadInputError, ledger: Ledger) -> None:
    """Commit the refusal as this attempt's failed report, without any use."""
    task = context["ti"]
    nothing = MeterReading(started_at=datetime.now(UTC), wall_seconds=0, cpu_seconds=0)
    report = attempts.failed(refused, nothing)
    ledger.commit_report(try_key(run, task.task_id, context), report, f"airflow:{task.id}")


def _refused(words: str, remedy: str = "trigger the run again with other parameters") -> BadInputError:
    return BadInputError(
        f"the run's parameters are refused: {words}",
        where="the trigger form, --conf or --dag-run-conf",
        rule="names and bounds are those of the trigger form",
        remedy=remedy,
        code=ReasonCode.REFUSED_PARAMETERS,
    )


def _in_words(error: Any) -> str:  # noqa: ANN401 - pydantic's own
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        near = closest(name, Parameters.model_fields)
        return f"there is no parameter {name!r}" + (f" (is {near!r} meant?)" if near else "")
    message = error["msg"].removeprefix("Value error, ")
    return f"{name}: {message}" if name else message


def _kind(dag_run: Any) -> str:  # noqa: ANN401
    return str(dag_run.run_type.value if hasattr(dag_run.run_type, "value") else dag_run.run_type)
