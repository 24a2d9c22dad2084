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

from millrace.contracts.cluster import Cluster
from millrace.contracts.errors import RefusedError
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.report import Report
from millrace.contracts.run_spec import REPORT_FILE, SPEC_FILE, RunSpec
from millrace.launchers import kubernetes
from millrace.launchers.kubernetes import PodEnd
from millrace.launchers.pods import StepPods
from millrace.orchestration import attempts
from millrace.orchestration.operators.image_step import ImageStepOperator
from millrace.orchestration.run_entry import try_key
from millrace.orchestration.triggers.pod_step import PodStepTrigger
from millrace.planning.calibrate import calibrate, describe
from millrace.runs import attempt_folders, step_specs
from millrace.runs.run import Run
from millrace.runs.stop_request import STOPPED, stop_try
from millrace.sizing import requests
from millrace.storage import files

_FIRST_POLL_SECONDS = 0.1
_START_POLL_SECONDS = 2
_LOG_SECONDS = 5
_MAX_RESTARTS = 20
_API_AWAY_SECONDS = 600
_CODES = {
    "disrupted": ReasonCode.DISRUPTED,
    "oom": ReasonCode.OUT_OF_MEMORY,
    "not_started": ReasonCode.NOT_STARTED,
    "ended": ReasonCode.LOST,
}


class PodStepOperator(ImageStepOperator, KubernetesPodOperator):
    """StepOperator with a pod instead of a process: deferrable, durable, without an XCom sidecar.

    Spec and report are files in the store. Within one attempt a new pod follows a pod that was evicted, preempted or
    deleted (it resumes from the checkpoint), one that was killed for lack of memory (with 1.5 times as much), and one
    whose GPU ran out of memory (with half the rows at once). After a training with an OOM correction of its memory, a
    calibration runs at once, so that later plans of its model family ask for enough. A pod that cannot start ends the
    task within the start timeout, with the scheduler's reason.
    """

    # each outage of the API server of about a minute ends the trigger; a long training may see several
    MAX_REDEFER_ATTEMPTS = 1000
    _given: RunSpec
    _spec_of: dict[str, str] | None = None

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's own
        super().__init__(
            deferrable=True,
            poll_interval=_FIRST_POLL_SECONDS,
            startup_check_interval_seconds=_START_POLL_SECONDS,
            logging_interval=_LOG_SECONDS,
            # each poll would read every event of the namespace; the pod's conditions hold the scheduler's reason
            log_events_on_startup=False,
            log_pod_spec_on_failure=False,
            **kwargs,
        )

    def clear_up(self, context: Context) -> None:
        """Delete the earlier attempt's pods, for which no task waits."""
        self._conform()
        selector = self._build_find_pod_label_selector(context, exclude_checked=False)
        for pod in self.client.list_namespaced_pod(self.namespace, label_selector=selector).items:
            self.process_pod_deletion(pod, reraise=False)

    def carry_out(self, run: Run, spec: RunSpec, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Run the step as a pod and wait for it in the triggerer."""
        return self._launch(run, spec, context)

    def on_kill(self) -> None:
        """Start a process that ends the pods, after a checkpoint where they can; this process has only seconds left."""
        if self._order is not None:
            stop_try(**self._order, reason=STOPPED, settings=self.settings)
        super().on_kill()

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> Any:  # noqa: ANN401 - Airflow's own
        """Continue after the trigger's event: the pod has ended or the trigger could not follow it.

        The report in the store decides how the step ended.
        """
        self._order = {"spec_uri": event["spec_uri"], "spec_sha256": event.get("spec_sha256", "")}
        with self.stoppable():
            return self._reenter(context, event, self._order)

    def _reenter(self, context: Context, event: dict[str, Any], spec_of: dict[str, str]) -> Any:  # noqa: ANN401 - Airflow's own
        self._conform()
        self.trigger_kwargs = spec_of
        self._await_api()
        try:
            super().trigger_reentry(context, event)
        except (AirflowException, ApiException) as error:
            self.log.info("%s", str(error).partition("\n")[0])
        uid = f"pod:{event['namespace']}/{event['name']}"
        spec = self._ordered(context, uid, **spec_of)
        overdue = event["status"] == "timeout" and kubernetes.pod_end(self.pod).kind != "not_started"
        if overdue:
            self.end_pods(spec.attempt_uri)
        report, end = self.how_it_ended(spec, event["name"])
        if report is not None:
            report = attempt_folders.with_workers(report, spec)
            if report.outcome != "interrupted" or (end.kind == "ended" and not overdue):
                try:
                    result = attempts.conclude(spec, report, uid, self.ledger, self.log.info)
                    self._plan_better(spec)
                    return result
                except attempts.FewerRowsError as error:
                    self.log.info("%s", error)
                    return self._again(spec, context)
        if overdue:
            attempt_folders.stopped(spec, uid, self.overdue().what, self.ledger, ReasonCode.TIMED_OUT)
            raise AirflowException(event["message"])
        return self._go_on(spec, uid, report, end, context)

    def _go_on(self, spec: RunSpec, uid: str, report: Report | None, end: PodEnd, context: Context) -> Any:  # noqa: ANN401
        """Count the use of a pod that did not finish the step; start another pod, or raise if that cannot help."""
        if report is not None:  # unfinished work has no result
            self.ledger.commit_report(
                spec.key, attempts.believed(spec, report.model_copy(update={"result": None})), uid
            )
        else:
            attempt_folders.lost(spec, uid, end.reason, self.ledger, _CODES[end.kind])
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
        """Return the running pod of an earlier attempt, or a new one, created when the quota has capacity for it."""
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
                uid = f"pod:{self.namespace}/{pod_request_obj.metadata.name}"
                attempt_folders.lost(self._given, uid, _message(error), self.ledger, ReasonCode.NOT_STARTED)
                self._refuse(_message(error))
            raise
        annotations = pod.metadata.annotations or {}
        uri, sha256 = annotations[kubernetes.SPEC_ANNOTATION], annotations.get(kubernetes.DIGEST_ANNOTATION, "")
        self.trigger_kwargs = self._order = {"spec_uri": uri, "spec_sha256": sha256}
        return pod

    def place(self, pod_request_obj: k8s.V1Pod, context: Context) -> k8s.V1Pod:
        """Return a pod that already runs this step, or create one."""
        return super().get_or_create_pod(pod_request_obj, context)

    def convert_config_file_to_dict(self) -> None:
        """Do nothing: the kubeconfig must not enter the trigger's plain-text row, and the triggerer has its own."""

    def defer(self, *, trigger: BaseTrigger, **kwargs: Any) -> NoReturn:  # noqa: ANN401 - Airflow's own
        """Defer with PodStepTrigger, whose poll interval grows, in place of the provider's trigger."""
        super().defer(trigger=PodStepTrigger(**trigger.serialize()[1]), **kwargs)

    def end_pods(self, attempt_uri: str) -> None:
        """End the pods that still work on this attempt; return after they have saved a checkpoint and ended."""
        StepPods(self.team_cluster(), self.client.api_client).end(attempt_uri)

    def give(self, spec: RunSpec) -> None:
        """Write the step spec to the attempt's folder, where the pod reads it."""
        uri = files.join(spec.attempt_uri, SPEC_FILE)
        self._given, self._order = spec, {"spec_uri": uri, "spec_sha256": spec.sha256}
        files.write_bytes(uri, spec.document)

    def how_it_ended(self, spec: RunSpec, pod_name: str) -> tuple[Report | None, PodEnd]:
        """Return the step's report, if any, and the end that its pod's status shows."""
        return attempt_folders.read(files.join(spec.attempt_uri, REPORT_FILE), Report), kubernetes.pod_end(self.pod)

    def _launch(self, run: Run, spec: RunSpec, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        cluster = self._conform()
        corrected = self.ledger.oom_correction(spec.workload.name, spec.task.kind) or 0
        plan = step_specs.plan_of(run, self.ledger)
        at_least = min(max(corrected, cluster.step_memory_bytes), cluster.max_memory_bytes)
        asked = requests.request(spec.task.kind, spec.hardware, plan, at_least)
        self.full_pod_spec = kubernetes.step_pod(cluster, self.step_image, spec, asked)
        self.container_resources = k8s.V1ResourceRequirements(**kubernetes.resources(cluster, asked))
        self.name = f"{spec.workload.name}-{spec.task.kind}".replace("_", "-").replace(".", "-")
        self.log.info("asks for %s", kubernetes.resources(cluster, asked))
        self.give(spec)
        self.pod_request_obj = self.pod = None
        with self.stoppable():
            self.execute_async(context)

    def _ordered(self, context: Context, uid: str, spec_uri: str, spec_sha256: str) -> RunSpec:
        """Return the pod's step spec. If its file has changed, end the pods, count their use and fail the task."""
        try:
            return attempt_folders.ordered(spec_uri, spec_sha256)
        except RefusedError as error:
            run, attempt_uri = self.opened(context), spec_uri.rpartition("/")[0]
            key = try_key(run, self.task_id, context)
            self.end_pods(attempt_uri)
            attempt_folders.lost_at(attempt_uri, run.parameters.workers, key, uid, error.what, self.ledger, error.code)
            with self.reporting(key, f"airflow:{context['ti'].id}", run.parameters.hardware):
                raise

    def _again(self, spec: RunSpec, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        run = self.opened(context)
        restart = run.next_restart(spec.key)
        if restart > _MAX_RESTARTS:
            raise AirflowException(f"{restart} pods of this try were lost: see the ledger's tries for each one's end")
        changed = {"attempt_uri": run.attempt_uri(spec.key, restart), "task": self.make_task(run, self.ledger)}
        return self._launch(run, spec.model_copy(update=changed), context)

    def _learn(self, spec: RunSpec, reason: str) -> None:
        cap = self.team_cluster().max_memory_bytes
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
        """Calibrate after a training with an OOM correction of its memory: its family's plans ask for too little."""
        if spec.task.kind != "train" or not self.ledger.oom_correction(spec.workload.name, "train"):
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

    def team_cluster(self) -> Cluster:
        """Return the cluster's settings for this workload and its team."""
        return self.settings.cluster().for_team(self.workload.team, self.workload.name)

    def _conform(self) -> Cluster:
        """Apply the cluster's settings to this operator: they are read when the task runs, not when a DAG is parsed."""
        cluster = self.team_cluster()
        self.namespace = cluster.namespace
        self.cluster_context = cluster.context or None
        self.in_cluster = True if cluster.in_cluster else None
        self.startup_timeout_seconds = self.schedule_timeout_seconds = cluster.start_timeout_seconds
        self.termination_grace_period = round(cluster.stop_grace_seconds)
        return cluster

    def _await_api(self) -> None:
        """Wait up to ten minutes until the API server answers: its outage must not cost a running pod."""
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
