"""Runs one step of a workload as one pod or as a worker group."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from airflow.sdk import Context
from kubernetes.client import ApiException, BatchV1Api
from kubernetes.client import models as k8s

from millrace.contracts.errors import InterruptedStepError
from millrace.contracts.report import Report
from millrace.contracts.run_spec import REPORT_FILE, RunSpec
from millrace.launchers import kubernetes, worker_group
from millrace.launchers.kubernetes import PodEnd
from millrace.orchestration.operators.pod_step import PodStepOperator
from millrace.runs import attempt_folders
from millrace.storage import files
from millrace.storage.polling import poll

T = TypeVar("T")
_LAST_WORD_SECONDS = 30
_LOOK_SECONDS = 0.5


class PodWorkerGroupOperator(PodStepOperator):
    """PodStepOperator for a step that may have several workers.

    An Indexed Job creates the pods of the worker group; the operator waits for the leader's (index 0). When a worker is
    lost the job ends all of them, and a new job resumes from the checkpoint. The report is the leader's; its meter
    reading covers all workers.
    """

    _job: str | None = None

    def on_kill(self) -> None:
        """Also delete the job, which may have no pod yet."""
        try:
            super().on_kill()
        finally:
            if self._job is not None:
                self._delete_job(self._job)

    def place(self, pod_request_obj: k8s.V1Pod, context: Context) -> k8s.V1Pod:
        """Return the leader's pod: of an earlier attempt if it still runs, otherwise of a new job.

        Raises ApiException with status 403 if not every worker has a node within the start timeout.
        """
        spec = self._given
        if spec.workers == 1:
            return super().place(pod_request_obj, context)
        found = self.find_pod(self.namespace, context=context)
        if found is not None and kubernetes.at_work(found):
            return found
        # the job controller creates the pods and hides refusals: a dry run shows them
        self.client.create_namespaced_pod(self.namespace, pod_request_obj, dry_run="All")
        name = pod_request_obj.metadata.name
        for uri, worker_spec in worker_group.worker_specs(spec, name, self.team_cluster()).items():
            files.write_bytes(uri, worker_spec.document)
        self._job = name
        job = self._jobs().create_namespaced_job(self.namespace, worker_group.group_job(pod_request_obj, spec))
        self.client.create_namespaced_service(self.namespace, worker_group.group_service(job))
        self.log.info("job %s: %d workers", name, spec.workers)
        # awaited here, not in the triggerer: the job deletes a waiting pod when another worker fails
        pods: dict[int, k8s.V1Pod] = {}

        def missing() -> str | None:
            pods.update(self._pods(name))
            return _missing(pods, spec.workers)

        if reason := _outlast(missing, self.startup_timeout_seconds):
            self._end(name)
            raise ApiException(status=403, reason=reason)
        return pods[0]

    def how_it_ended(self, spec: RunSpec, pod_name: str) -> tuple[Report | None, PodEnd]:
        """Return the group's report and the end of the worker that caused the others to end; delete the job.

        The report is the leader's, or a failed follower's where the leader has none or was interrupted.
        """
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
        pods = self.client.list_namespaced_pod(self.namespace, label_selector=f"{worker_group.JOB_LABEL}={job}").items
        return {int(pod.metadata.labels[worker_group.INDEX_LABEL]): pod for pod in pods}

    def _await_followers(self, spec: RunSpec, followers: Sequence[int]) -> None:
        """Wait up to 30 s for the followers' reports, which hold their last meter readings."""
        _outlast(
            lambda: [index for index in followers if not files.exists(_report_uri(spec, index))], _LAST_WORD_SECONDS
        )

    def _end(self, job: str) -> None:
        """Delete the job with its pods and service; wait until no pod is left, or the grace time is over."""
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
        return f"{own},{worker_group.INDEX_LABEL} notin ({followers})"


def _outlast(see: Callable[[], T], at_most_seconds: float) -> T:
    """Call ``see`` until its result is falsy or ``at_most_seconds`` have passed; return the last result."""
    return poll(see, until=operator.not_, every_seconds=_LOOK_SECONDS, at_most_seconds=at_most_seconds)


def _missing(pods: Mapping[int, k8s.V1Pod], workers: int) -> str | None:
    """Return the reason why not every worker has a node; None if each has one."""
    if len(pods) < workers:
        return f"{len(pods)} of {workers} pods were created: the namespace's quota, or a queue, holds the others"
    waiting = [pod for pod in pods.values() if not pod.spec.node_name]
    return kubernetes.pod_end(waiting[0]).reason if waiting else None


def _report_uri(spec: RunSpec, index: int) -> str:
    return files.join(attempt_folders.worker_uri(spec.attempt_uri, index), REPORT_FILE)


def _first(ends: Sequence[PodEnd]) -> PodEnd:
    """Return the end with a cause of its own, in preference to ends that the loss of another worker caused."""
    kinds = ("oom", "not_started", "ended", "disrupted")
    own = [end for end in ends if end.exit_code != InterruptedStepError.exit_code]
    return min(own or ends, key=lambda end: kinds.index(end.kind))
