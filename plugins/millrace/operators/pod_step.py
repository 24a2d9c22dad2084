"""Runs one step of a workload as a pod."""

import json
from typing import Any, NoReturn

import tenacity
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException
from airflow.triggers.base import BaseTrigger
from kubernetes.client import ApiException
from kubernetes.client import models as k8s
from urllib3.exceptions import HTTPError

from millrace import attempts
from millrace.calibrate import calibrate, describe
from millrace.contracts.cluster import Cluster
from millrace.contracts.errors import RefusedError
from millrace.contracts.report import Report
from millrace.contracts.run_spec import REPORT_FILE, SPEC_FILE, RunSpec
from millrace.launchers import kubernetes
from millrace.launchers.kubernetes import PodEnd
from millrace.operators.order import OrderOperator
from millrace.run import Run
from millrace.sizing import requests
from millrace.storage import files
from millrace.triggers.pod_step import PodStepTrigger

_FIRST_POLL_SECONDS = 0.1
_START_POLL_SECONDS = 2
_LOG_SECONDS = 5
_MAX_RESTARTS = 20
_API_AWAY_SECONDS = 600


class PodStepOperator(OrderOperator, KubernetesPodOperator):
    """StepOperator's promises, kept by a pod: deferrable, durable, without an XCom sidecar.

    Spec and report travel through storage. A pod that was evicted, preempted or deleted is followed by one that goes on
    from the checkpoint, one that was killed for want of memory by one with 1.5 times as much, one whose GPU had no room
    by one that feeds it half the rows at once; none of them uses up a retry. What a training took in the end that had
    been killed for want of memory, its family's next plan knows. A pod that cannot start ends the task within the start
    budget, with the scheduler's own reason.
    """

    # an API server that is away for a minute ends the trigger once; a long training may see several
    MAX_REDEFER_ATTEMPTS = 1000

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's own
        super().__init__(
            deferrable=True,
            poll_interval=_FIRST_POLL_SECONDS,
            startup_check_interval_seconds=_START_POLL_SECONDS,
            logging_interval=_LOG_SECONDS,
            # each look would read every event of the namespace; the pod's conditions carry the scheduler's reason
            log_events_on_startup=False,
            log_pod_spec_on_failure=False,
            **kwargs,
        )

    def clear_up(self, context: Context) -> None:
        """Delete the earlier try's pods, which no task waits for any more."""
        self._conform()
        selector = self._build_find_pod_label_selector(context, exclude_checked=False)
        for pod in self.client.list_namespaced_pod(self.namespace, label_selector=selector).items:
            self.process_pod_deletion(pod, reraise=False)

    def carry_out(self, run: Run, spec: RunSpec, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Give a pod its order and wait for it in the triggerer."""
        return self._launch(run, spec, context)

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> Any:  # noqa: ANN401 - Airflow's own
        """The pod is over, or the trigger lost sight of it: the report in storage says how the step ended."""
        self._conform()
        self.trigger_kwargs = {"spec_uri": event["spec_uri"]}
        self._await_api()
        try:
            super().trigger_reentry(context, event)
        except (AirflowException, ApiException) as error:
            self.log.info("%s", str(error).partition("\n")[0])
        spec: RunSpec = attempts.read(event["spec_uri"], RunSpec)
        uid = f"pod:{event['namespace']}/{event['name']}"
        report, end = self.how_it_ended(spec, event["name"])
        if report is not None:
            report = attempts.with_workers(report, spec)
            if report.outcome != "interrupted" or end.kind == "ended":
                try:
                    said = attempts.conclude(spec, report, uid, self.ledger, self.log.info)
                    self._plan_better(spec)
                    return said
                except attempts.FewerRowsError as error:
                    self.log.info("%s", error)
                    return self._again(spec, context)
            self.ledger.commit_report(spec.key, report, uid)
        else:
            attempts.lost(spec, uid, end.reason, self.ledger)
        if event["status"] == "timeout" and end.kind != "not_started":
            raise AirflowException(event["message"])
        match end.kind:
            case "disrupted":
                self.log.info("%s: another pod goes on from the last checkpoint", end.reason)
            case "oom":
                self._learn(spec, end.reason)
            case "not_started":
                self._refuse(end.reason)
            case "ended":
                raise attempts.failure(end.reason, end.exit_code or 0)
        return self._again(spec, context)

    def get_or_create_pod(self, pod_request_obj: k8s.V1Pod, context: Context) -> k8s.V1Pod:
        """Find the pod of an earlier try that still runs, or create this one's once the quota has room for it."""
        within_quota = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_quota_exceeded),
            wait=tenacity.wait_exponential(max=15),
            stop=tenacity.stop_after_delay(self.startup_timeout_seconds),
            reraise=True,
        )
        try:
            pod = within_quota(self.place, pod_request_obj, context)
        except ApiException as error:
            if error.status in (400, 403, 422):
                spec = attempts.read(pod_request_obj.metadata.annotations[kubernetes.SPEC_ANNOTATION], RunSpec)
                attempts.lost(
                    spec, f"pod:{self.namespace}/{pod_request_obj.metadata.name}", _message(error), self.ledger
                )
                self._refuse(_message(error))
            raise
        annotations = pod.metadata.annotations or {}
        self.trigger_kwargs = {"spec_uri": annotations[kubernetes.SPEC_ANNOTATION]}
        return pod

    def place(self, pod_request_obj: k8s.V1Pod, context: Context) -> k8s.V1Pod:
        """Find a pod that does this work already, or create one."""
        return super().get_or_create_pod(pod_request_obj, context)

    def convert_config_file_to_dict(self) -> None:
        """Leave the kubeconfig where it is: the trigger's row is plain text, and the triggerer has a KUBECONFIG too."""

    def defer(self, *, trigger: BaseTrigger, **kwargs: Any) -> NoReturn:  # noqa: ANN401 - Airflow's own
        """Wait by the trigger whose poll interval grows."""
        super().defer(trigger=PodStepTrigger(**trigger.serialize()[1]), **kwargs)

    def how_it_ended(self, spec: RunSpec, pod_name: str) -> tuple[Report | None, PodEnd]:
        """What the step says itself, and what its pod's status says."""
        return attempts.read(files.join(spec.attempt_uri, REPORT_FILE), Report), kubernetes.pod_end(self.pod)

    def _launch(self, run: Run, spec: RunSpec, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        cluster = self._conform()
        lesson = self.ledger.memory_lesson(spec.workload.name, spec.task.kind) or 0
        plan = self.ledger.plan(run.dag_id, run.run_id)
        at_least = min(max(lesson, cluster.step_memory_bytes), cluster.max_memory_bytes)
        asked = requests.request(spec.task.kind, spec.hardware, plan, at_least)
        self.full_pod_spec = kubernetes.step_pod(cluster, self.step_image, spec, asked)
        self.container_resources = k8s.V1ResourceRequirements(**kubernetes.resources(cluster, asked))
        self.name = f"{spec.workload.name}-{spec.task.kind}".replace("_", "-").replace(".", "-")
        self.log.info("asks for %s", kubernetes.resources(cluster, asked))
        files.write_bytes(files.join(spec.attempt_uri, SPEC_FILE), spec.model_dump_json(indent=1).encode())
        self.pod_request_obj = self.pod = None
        self.execute_async(context)

    def _again(self, spec: RunSpec, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        run = self.opened(context)
        restart = run.next_restart(spec.key)
        if restart > _MAX_RESTARTS:
            raise AirflowException(f"{restart} pods of this try were lost: see the ledger's tries for each one's end")
        changed = {"attempt_uri": run.attempt_uri(spec.key, restart), "task": self.order(run, self.ledger)}
        return self._launch(run, spec.model_copy(update=changed), context)

    def _learn(self, spec: RunSpec, reason: str) -> None:
        cap = self.settings.cluster().max_memory_bytes
        limit = kubernetes.memory_limit_bytes(self.pod) or 0
        enough = requests.after_oom(limit, cap)
        if enough is None:
            error = RefusedError(
                reason,
                where=f"{spec.workload.name}, {spec.task.kind}",
                rule=f"at most {cap >> 20:,} MiB",
                remedy="a smaller batch or length, or raise MILLRACE_KUBERNETES_MAX_MEMORY_BYTES",
            )
            raise attempts.failure(str(error), error.exit_code)
        self.log.info("%s: another pod goes on with %s MiB", reason, f"{enough >> 20:,}")
        self.ledger.learn_memory(spec.workload.name, spec.task.kind, enough)

    def _plan_better(self, spec: RunSpec) -> None:
        """A plan that let its training be killed for want of memory errs for its whole family: learn at once."""
        if spec.task.kind != "train" or not self.ledger.memory_lesson(spec.workload.name, "train"):
            return
        for learned in calibrate(self.ledger):
            for line in describe(learned):
                self.log.info("%s", line)

    def _refuse(self, reason: str) -> NoReturn:
        error = RefusedError(
            f"the pod did not start: {reason}",
            where=f"namespace {self.namespace}",
            rule=f"a pod runs within {self.startup_timeout_seconds} s",
            remedy="make room or correct what the reason names, then clear the task",
        )
        raise attempts.failure(str(error), error.exit_code)

    def _conform(self) -> Cluster:
        """Take the cluster's conventions, which are read when the task runs and never when its DAG is parsed."""
        cluster = self.settings.cluster()
        self.namespace = cluster.namespace
        self.cluster_context = cluster.context or None
        self.in_cluster = True if cluster.in_cluster else None
        self.startup_timeout_seconds = self.schedule_timeout_seconds = cluster.start_timeout_seconds
        self.termination_grace_period = round(cluster.stop_grace_seconds)
        return cluster

    def _await_api(self) -> None:
        """An API server that is away is no reason to lose a pod that works."""
        tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((HTTPError, OSError)),
            wait=tenacity.wait_exponential(max=10),
            stop=tenacity.stop_after_delay(_API_AWAY_SECONDS),
            reraise=True,
        )(self.client.list_namespaced_pod, self.namespace, limit=1)


def _quota_exceeded(error: BaseException) -> bool:
    return isinstance(error, ApiException) and error.status == 403 and "exceeded quota" in str(error.body)


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
