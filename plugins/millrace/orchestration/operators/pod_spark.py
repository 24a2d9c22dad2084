"""Runs one step of a workload as a pod or as a Spark application."""

from typing import Any

from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import ApiException

from millrace.contracts.report import Report
from millrace.contracts.run_spec import REPORT_FILE, RunSpec
from millrace.launchers.spark import spark_application
from millrace.orchestration import attempts
from millrace.orchestration.operators.pod_step import PodStepOperator
from millrace.runs import attempt_folders
from millrace.runs.run import Run
from millrace.sizing import requests
from millrace.storage import files


class PodSparkOperator(PodStepOperator):
    """PodStepOperator for a step whose spec may ask for Spark, in a cluster that has the Spark operator.

    For such a step the provider's SparkKubernetesOperator starts the application and follows its driver, which writes
    the step's report.
    """

    _application: SparkKubernetesOperator | None = None

    def carry_out(self, run: Run, spec: RunSpec, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Run the step as a pod, or as a Spark application that this process, not the triggerer, waits for."""
        if spec.variant != "spark":
            return super().carry_out(run, spec, context)
        cluster = self.team_cluster()
        asked = requests.request(spec.task.kind, spec.hardware, None, cluster.step_memory_bytes)
        self.give(spec)
        self._application = SparkKubernetesOperator(
            task_id=self.task_id,
            name=f"{spec.workload.name}-{spec.task.kind}".replace("_", "-").replace(".", "-"),
            namespace=cluster.spark_namespace,
            template_spec=spark_application(cluster, spec, asked),
            cluster_context=cluster.context or None,
            in_cluster=True if cluster.in_cluster else None,
            startup_timeout_seconds=cluster.start_timeout_seconds,
        )
        ended = "the driver left no report"
        try:
            with self.stoppable():
                self._application.execute(context)
        except (AirflowException, ApiException) as error:
            ended = f"{ended}: {str(error).partition(chr(10))[0]}"
        uid = f"spark:{cluster.spark_namespace}/{self._application.name}"
        report = attempt_folders.read(files.join(spec.attempt_uri, REPORT_FILE), Report)
        if report is None and (earlier := attempts.finished_earlier(run, spec)) is not None:
            self.log.info("an earlier try's driver was still at work: its report is taken")
            return attempts.conclude(spec, earlier, attempts.ADOPTED, self.ledger, self.log.info)
        if report is None:
            attempt_folders.lost(spec, uid, ended, self.ledger)
            raise AirflowException(ended)
        return attempts.conclude(spec, report, uid, self.ledger, self.log.info)

    def on_kill(self) -> None:
        """Also delete the Spark application, which may have no driver yet."""
        try:
            super().on_kill()
        finally:
            if self._application is not None:
                self._application.on_kill()
