"""A workload's model servers on Kubernetes: the signed specs and targets that their pods read, and their rollouts."""

from collections.abc import Iterable
from dataclasses import dataclass

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

from millrace.contracts.cluster import Cluster
from millrace.contracts.errors import BadInputError, StepError
from millrace.contracts.model import ModelVersion
from millrace.contracts.run_spec import SPEC_FILE, RunSpec, ServeTask
from millrace.contracts.serving import TARGET_FILE, ServingTarget
from millrace.contracts.workload import ServingPolicy
from millrace.runs.run import SERVE_STEP, Run
from millrace.serving import kserve, live
from millrace.serving.cluster import ServingCluster
from millrace.serving.cluster_traffic import ClusterTraffic
from millrace.serving.manifests import (
    PORT,
    SECRETS_FOLDER,
    VERSION_LABEL,
    WORKLOAD_LABEL,
    Manifest,
    service_name,
)
from millrace.serving.rollout import Rollout
from millrace.serving.server_files import Progress
from millrace.serving.shares import Shares, contenders
from millrace.serving.traffic import LOAD_TIMEOUT_SECONDS, Replacement
from millrace.settings import Settings
from millrace.storage import files
from millrace.storage.signature import opened


def open_cluster(cluster: Cluster) -> ServingCluster:
    """Return a client for a cluster's serving namespace, by Airflow's own connection to Kubernetes."""
    hook = KubernetesHook(
        conn_id=KubernetesHook.default_conn_name,
        cluster_context=cluster.context or None,
        in_cluster=True if cluster.in_cluster else None,
    )
    return ServingCluster(cluster, hook.get_conn())


def cluster_of_run(run: Run, settings: Settings) -> Cluster:
    """Return the cluster's settings for a run's workload."""
    return settings.cluster().for_team(run.workload.team, run.workload.name)


def version_uri(store: str, version: ModelVersion) -> str:
    """Return the folder from which a version's servers read their spec and serving target."""
    return files.join(store, "serving", version.workload, version.version)


def write_serving_spec(run: Run, version: ModelVersion, settings: Settings) -> str:
    """Write the signed spec and serving target of a version's servers; return their folder. Idempotent."""
    cluster = cluster_of_run(run, settings)
    folder = version_uri(run.store, version)
    target = files.join(folder, TARGET_FILE)
    spec = RunSpec(
        key=run.key(SERVE_STEP, 1),
        workload=run.workload,
        parameters=run.parameters,
        hardware=settings.hardware(run.parameters.hardware),
        attempt_uri=folder,
        state_uri=folder,
        task=ServeTask(
            target_uri=target,
            status_uri=None,
            host="0.0.0.0",  # noqa: S104 - of the pod
            port=PORT,
            secrets_folder=SECRETS_FOLDER,
            tls=cluster.serving_tls,
            token=cluster.serving_token,
        ),
    )
    policy = run.workload.serving
    written = ServingTarget(generation=1, workload=version.workload, policy=policy, stable=version)
    key, spec_uri = settings.serving_key(), files.join(folder, SPEC_FILE)
    files.write_bytes(target, key.signed(target, written))
    files.write_bytes(spec_uri, key.signed(spec_uri, spec))
    return folder


def live_manifests(settings: Settings, workload: str) -> list[Manifest]:
    """Return the manifests of a workload's live version. Raises BadInputError if no version is live."""
    version, policy, folder = _live(settings, workload)
    return live.all_of(settings.cluster_of(workload), workload, version, policy, folder)


def live_inference_service(settings: Settings, workload: str) -> Manifest:
    """Return a workload's live version as a KServe InferenceService. Raises BadInputError if no version is live."""
    version, policy, folder = _live(settings, workload)
    return kserve.inference_service(settings.cluster_of(workload), workload, version, policy, folder)


def _live(settings: Settings, workload: str) -> tuple[str, ServingPolicy, str]:
    """Return the live version, its servers' serving policy, and the folder of their spec and target."""
    found = settings.ledger().live_model(workload)
    if found is None:
        raise BadInputError(
            f"no version of {workload} is live",
            where="the ledger",
            rule="a live version has servers",
            remedy="run the workload's DAG to its end",
        )
    folder = version_uri(settings.store, found.model)
    uri = files.join(folder, TARGET_FILE)
    target = ServingTarget.model_validate_json(opened(files.read_bytes(uri), uri, settings.serving_key().public))
    return found.model.version, target.policy, folder


@dataclass(frozen=True)
class ClusterServers:
    """See Servers; a version has a Deployment in the serving namespace of its workload's cluster."""

    settings: Settings

    def begin(self, run: Run, candidate: ModelVersion) -> None:
        """See Servers."""
        write_serving_spec(run, candidate, self.settings)

    def traffic(self, run: Run, replacement: Replacement) -> ClusterTraffic:
        """See Servers."""
        candidate, stable, policy = replacement.candidate, replacement.live, replacement.policy
        cluster, server_files = cluster_of_run(run, self.settings), self.settings.server_files(run.workload.name)

        def show(percent: int | None) -> None:
            """Write the share as a serving target for the run's page; an error does not stop the rollout."""
            alone = stable if percent is None else candidate if percent >= 100 else None
            try:
                if alone is not None:
                    server_files.write_target(policy, alone)
                elif percent is not None:
                    server_files.write_target(policy, stable or candidate, candidate, percent)
            except (StepError, OSError) as error:
                replacement.progress(f"the run's page does not show this share: {error}")

        folder, source = version_uri(run.store, candidate), self.settings.prometheus(cluster.serving_namespace)
        return ClusterTraffic(replacement, open_cluster(cluster), folder, source, show)

    def other_rollout(self, run: Run, candidate: ModelVersion) -> str | None:
        """See Servers."""
        workload, live = run.workload.name, self.settings.ledger().live_model(run.workload.name)
        versions = (candidate.version, *((live.model.version,) if live else ()))
        own = [service_name(workload, version) for version in versions]
        return ", ".join(contenders(open_cluster(cluster_of_run(run, self.settings)), workload, own)) or None

    def put_back(self, run: Run, candidate: ModelVersion, reason: str, progress: Progress) -> bool:
        """See Servers. A candidate that is not live loses its servers."""
        live = self.settings.ledger().live_model(run.workload.name)
        if live is not None and live.model == candidate:
            self.serve_live(run.workload.name)  # its task may have ended between promotion and release
            return False
        replacement = Replacement(candidate, live.model if live else None, run.workload.serving, progress=progress)
        return Rollout(replacement, self.traffic(run, replacement)).abandon(reason)

    def serve_live(self, workload: str, instead_of: ModelVersion | None = None) -> None:
        """See Servers. Waits until the live version's pods are ready, gives them all requests and removes the others.

        Raises TransientError with the reason if the pods do not become ready.
        """
        at = open_cluster(self.settings.cluster_of(workload))
        found = self.settings.ledger().live_model(workload)
        if found is None:
            others = [version for version in self._known([at]) if version.workload == workload]
            for version in {*others, *([instead_of] if instead_of else [])}:
                Shares(at, ServingPolicy(), version, None).back()
            return
        _, policy, folder = _live(self.settings, workload)
        shares = Shares(at, policy, found.model, None if instead_of == found.model else instead_of)
        shares.put(folder)
        # a version that was replaced before has a Deployment with no servers: it gets as many as the one it replaces
        servers = max(1, _servers(at, shares.deployment), _servers(at, shares.stable_deployment))
        at.scale(shares.deployment, servers)
        at.await_ready(shares.deployment, servers, LOAD_TIMEOUT_SECONDS, lambda _: None)
        shares.give(100)
        shares.settle()

    def refuse_without_server(self, version: ModelVersion) -> None:
        """Raise BadInputError if no rollout has written the serving target that this version's servers would read."""
        uri = files.join(version_uri(self.settings.store, version), TARGET_FILE)
        if not files.exists(uri):
            raise BadInputError(
                "this version was never rolled out: it has no serving target",
                where=uri,
                rule="a rollout writes them",
                remedy="clear the task roll_out of its run",
            )

    def canary(self, workload: str) -> str | None:
        """Return the version that has servers beside the live one; None without either of the two."""
        found = self.settings.ledger().live_model(workload)
        if found is None:
            return None
        return next((version for version in self.answering(workload) if version != found.model.version), None)

    def is_rolling_out(self, workload: str) -> bool:
        """See Servers."""
        ledger = self.settings.ledger()
        found = [ledger.model(workload, version) for version in self.answering(workload)]
        return bool(ledger.open_runs(workload)) and any(each and each.state == "candidate" for each in found)

    def answering(self, workload: str) -> list[str]:
        """See Servers."""
        at = open_cluster(self.settings.cluster_of(workload))
        return [version for of, version in _with_servers(at) if of == workload]

    def held(self) -> list[ModelVersion]:
        """Return every version that has servers in the cluster and is known to the ledger."""
        by_namespace = {each.serving_namespace: each for each in self.settings.clusters()}
        return self._known(open_cluster(each) for each in by_namespace.values())

    def _known(self, clusters: Iterable[ServingCluster]) -> list[ModelVersion]:
        ledger = self.settings.ledger()
        found = [ledger.model(workload, version) for at in clusters for workload, version in _with_servers(at)]
        return [recorded.model for recorded in found if recorded]


def _with_servers(at: ServingCluster) -> list[tuple[str, str]]:
    labels = [each["metadata"]["labels"] for each in at.listed("Deployment") if each["spec"].get("replicas", 1)]
    return [(each[WORKLOAD_LABEL], each[VERSION_LABEL]) for each in labels if VERSION_LABEL in each]


def _servers(at: ServingCluster, deployment: str) -> int:
    found = at.get("Deployment", deployment) if deployment else None
    return int(found["spec"].get("replicas", 1)) if found else 0
