"""Read workloads from Airflow's database, so that the API server executes no DAG file."""

from collections.abc import Mapping
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.serialized_dag import SerializedDagModel
from sqlalchemy import select

from millrace.contracts.workload import Workload


def names(session: Any, dags: frozenset[str]) -> list[str]:  # noqa: ANN401 - Airflow's session
    """Return the ids among ``dags`` that are Millrace's workloads, by their tags, sorted."""
    ours = select(DagModel.dag_id).where(
        DagModel.tags.any(name="millrace"), ~DagModel.tags.any(name="site"), ~DagModel.is_stale
    )
    return sorted(name for name in session.scalars(ours) if name in dags)


def find(session: Any, dag_id: str) -> tuple[Workload, dict[str, Any]] | None:  # noqa: ANN401
    """Return a DAG's workload and the fields of its form, from its serialized DAG; None if it is no workload."""
    dag = SerializedDagModel.get_dag(dag_id, session=session)
    text = dag.get_task("size").doc_json if dag and dag.has_task("size") else None
    if dag is None or not text:
        return None
    workload = Workload.model_validate_json(text)
    return workload, {name: dag.params.get_param(name) for name in dag.params}


def defaults(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form's initial values by field."""
    return {name: param.value for name, param in form.items()}
