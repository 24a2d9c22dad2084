"""Asks a person to approve a candidate for which the gate's verdict is inconclusive."""

from functools import cached_property
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context

from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import RunKey
from millrace.orchestration.approval import GATE, decision, is_own
from millrace.settings import load_settings


class ApproveOperator(ApprovalOperator):
    """Airflow's ApprovalOperator that also writes the answer to the audit.

    It asks again after an approval by the person who triggered the run, where the workload wants two people.
    """

    def __init__(self, *, workload: Workload, **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's own
        super().__init__(**kwargs)
        self.workload = workload

    @cached_property
    def ledger(self) -> Ledger:
        """The site's ledger."""
        return load_settings().ledger()

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:  # noqa: ANN401 - Airflow's own
        """Continue after an approval; skip the rollout after a rejection."""
        dag_run = context["dag_run"]
        repeat = self.ledger.last_repeat(dag_run.dag_id, dag_run.run_id) or 0
        given = decision(RunKey(dag_run.dag_id, dag_run.run_id, repeat), GATE, event, self._about(context))
        if is_own(self.workload, dag_run, given, self.ledger):
            return self.execute(context)
        answer = super().execute_complete(context, event)
        self.ledger.record_decision(given)
        return answer

    def _about(self, context: Context) -> str:
        return str(context["ti"].xcom_pull(task_ids="gate", key="reasons") or "the gate could not decide")
