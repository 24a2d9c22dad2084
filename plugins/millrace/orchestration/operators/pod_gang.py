"""Runs one step of a workload as one pod, or as several that work together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import tenacity
from airflow.sdk import Context
from kubernetes.client import ApiException, BatchV1Api
from kubernetes.client import models as k8s

from millrace.contracts.errors import InterruptedStepError
from millrace.contracts.report import Report
from millrace.contracts.run_spec import REPORT_FILE, RunSpec
from millrace.launchers import gang, kubernetes
from millrace.launchers.kubernetes import PodEnd
from millrace.orchestration.operators.pod_step import PodStepOperator
from millrace.runs import attempt_folders
from millrace.storage import files

T = TypeVar("T")
_LAST_WORD_SECONDS = 30
_LOOK_SECONDS = 0.5


class PodGangOperator(PodStepOperator):
    """PodStepOperator for a step that the run may ask several workers for.

    An Indexed Job holds their pods, and the leader's is the one that is waited for. When a worker is lost the job ends
    all of them, and another job goes on from the checkpoint; the report is the leader's, its meter that of all.
    """

    _job: str | None = None

    def on_kill(self) -> None:
        """Take the job away too, which may have no pod yet."""
        try:
            super().on_kill()
        finally:
            if self._job is not None:
                self._delete_job(self._job)

    def place(self, pod_request_obj: k8s.V1Pod, context: Context) -> k8s.V1Pod:
        """Find the leader's pod of an earlier try that still runs, or create a job and wait for its leader's."""
        spec = self._given
        if spec.workers == 1:
            return super().place(pod_request_obj, context)
        found = self.find_pod(self.namespace, context=context)
        if found is not None and kubernetes.at_work(found):
            return found
        # a job's pods are created out of sight: what forbids one is asked for here
        self.client.create_namespaced_pod(self.namespace, pod_request_obj, dry_run="All")
        name = pod_request_obj.metadata.name
        for uri, order in gang.worker_orders(spec, name, self.team_cluster()).items():
            files.write_bytes(uri, order.document)
        self._job = name
        job = self._jobs().create_namespaced_job(self.namespace, gang.gang_job(pod_request_obj, spec))
        self.client.create_namespaced_service(self.namespace, gang.gang_service(job))
        self.log.info("job %s: %d workers", name, spec.workers)
        # awaited here, not in the triggerer: the job takes a pod that waits away when another one gives up
        pods: dict[int, k8s.V1Pod] = {}

        def missing() -> str | None:
            pods.update(self._pods(name))
            return _missing(pods, spec.workers)

        if reason := _outlast(missing, self.startup_timeout_seconds):
            self._end(name)
            raise ApiException(status=403, reason=reason)
        return pods[0]

    def how_it_ended(self, spec: RunSpec, pod_name: str) -> tuple[Report | None, PodEnd]:
        """The leader's report, and the end of the worker that began it all."""
        report, end = super().how_it_ended(spec, pod_name)
        if spec.workers == 1:
            return report, end
        job = pod_name.rsplit("-", 2)[0]
        followers = range(1, spec.workers)
        if report is not None and report.outcome == "ok":
            self._await_followers(spec, followers)
        else:
            if report is None or report.outcome == "interrupted":
                reports = [attempt_folders.read(_report_uri(spec, index), Report) for index in followers]
                report = next((each for each in reports if each is not None and each.outcome == "failed"), report)
            pods = self._pods(job)
            end = _first([end, *(kubernetes.pod_end(pods.get(index)) for index in followers)])
        self._end(job)
        return report, end

    def _pods(self, job: str) -> dict[int, k8s.V1Pod]:
        pods = self.client.list_namespaced_pod(self.namespace, label_selector=f"{gang.JOB_LABEL}={job}").items
        return {int(pod.metadata.labels[gang.INDEX_LABEL]): pod for pod in pods}

    def _await_followers(self, spec: RunSpec, followers: Sequence[int]) -> None:
        """A follower's last reading of its meter is in its report; where that does not come, the one before counts."""
        _outlast(
            lambda: [index for index in followers if not files.exists(_report_uri(spec, index))], _LAST_WORD_SECONDS
        )

    def _end(self, job: str) -> None:
        """Delete the job; its pods and its service go with it. Returns once no pod is left of it."""
        self._delete_job(job)
        _outlast(lambda: self._pods(job), self.team_cluster().stop_grace_seconds + _LAST_WORD_SECONDS)

    def _delete_job(self, job: str) -> None:
        try:
            self._jobs().delete_namespaced_job(job, self.namespace, propagation_policy="Background")
        except ApiException as error:
            if error.status != 404:
                raise

    def _jobs(self) -> BatchV1Api:
        return BatchV1Api(self.client.api_client)

    def _build_find_pod_label_selector(self, context: Context | None = None, *, exclude_checked: bool = True) -> str:
        followers = ",".join(str(index) for index in range(1, 64))
        own: Any = super()._build_find_pod_label_selector(context, exclude_checked=exclude_checked)
        return f"{own},{gang.INDEX_LABEL} notin ({followers})"


def _outlast(see: Callable[[], T], at_most_seconds: float) -> T:
    """Look until there is nothing to see any more, or for that long; what was seen last."""
    look = tenacity.Retrying(
        retry=tenacity.retry_if_result(bool),
        wait=tenacity.wait_fixed(_LOOK_SECONDS),
        stop=tenacity.stop_after_delay(at_most_seconds),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    return look(see)


def _missing(pods: Mapping[int, k8s.V1Pod], workers: int) -> str | None:
    """Why not every worker has a node; None where each has."""
    if len(pods) < workers:
        return f"{len(pods)} of {workers} pods were created: the namespace's quota, or a queue, holds the others"
    waiting = [pod for pod in pods.values() if not pod.spec.node_name]
    return kubernetes.pod_end(waiting[0]).reason if waiting else None


def _report_uri(spec: RunSpec, index: int) -> str:
    return files.join(attempt_folders.worker_uri(spec.attempt_uri, index), REPORT_FILE)


def _first(ends: Sequence[PodEnd]) -> PodEnd:
    """What has a cause of its own, before what the job did to the others."""
    order = ("oom", "not_started", "ended", "disrupted")
    own = [end for end in ends if end.exit_code != InterruptedStepError.exit_code]
    return min(own or ends, key=lambda end: order.index(end.kind))
