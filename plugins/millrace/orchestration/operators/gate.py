"""Compares a candidate with the gate's floors and the live version, and branches by the verdict."""

from typing import Any

from airflow.sdk import BranchMixIn, Context

from millrace.contracts.errors import RefusedError
from millrace.contracts.report import EvaluateResult
from millrace.contracts.serving import Verdict
from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.orchestration.run_entry import actor
from millrace.runs import step_specs
from millrace.runs.run import Run
from millrace.serving.gate import judge


class GateOperator(WorkloadOperator, BranchMixIn):
    """Branches to the task ``on_pass``, ``on_inconclusive`` (which asks a person) or ``on_fail`` by the verdict."""

    inherits_from_skipmixin = True

    def __init__(self, *, on_pass: str, on_inconclusive: str, on_fail: str, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.branches = {"pass": on_pass, "inconclusive": on_inconclusive, "fail": on_fail}

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Judge, then branch; the reasons are in the XCom ``reasons``."""
        verdict = super().execute(context)
        context["ti"].xcom_push(key="reasons", value="\n".join(f"- {reason}" for reason in verdict["reasons"]))
        return self.do_branch(context, self.branches[verdict["outcome"]])

    def work(self, run: Run, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Judge the evaluation's metrics and record the verdict; a failed candidate is rejected in the ledger."""
        evaluation = step_specs.result_of(run, self.ledger, "evaluate", EvaluateResult)
        verdict = self._admitted(run, judge(run.workload.gate, evaluation.candidate, evaluation.live), evaluation)
        self.ledger.record_verdict(run.dag_id, run.run_id, run.repeat, verdict)
        if verdict.outcome == "fail":
            model = evaluation.candidate.model
            self.ledger.reject(model.workload, model.version, "; ".join(verdict.reasons), by=actor(run))
        self.log.info("%s", verdict.outcome)
        for reason in verdict.reasons:
            self.log.info("  %s", reason)
        return {"outcome": verdict.outcome, "reasons": list(verdict.reasons)}

    def _admitted(self, run: Run, verdict: Verdict, evaluation: EvaluateResult) -> Verdict:
        """Return the verdict after making the version a candidate; "fail" if the ledger refuses that.

        The ledger refuses a version that a person took back, or whose files were swept.
        """
        if verdict.outcome == "fail":
            return verdict
        model = evaluation.candidate.model
        reason = f"judged by {run.workload.gate.metric} and its policy: {verdict.outcome}"
        try:
            self.ledger.readmit(model.workload, model.version, reason, by=actor(run), anew=True)
        except RefusedError as refused:
            return Verdict(outcome="fail", reasons=(f"{refused.what} ({refused.remedy})", *verdict.reasons))
        return verdict
