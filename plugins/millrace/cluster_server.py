"""A workload's servers on Kubernetes: the orders that their pods read, and the way to the cluster."""

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

from millrace.contracts.errors import BadInputError
from millrace.contracts.model import ModelVersion
from millrace.contracts.run_spec import SPEC_FILE, RunSpec, ServeTask
from millrace.contracts.serving import TARGET_FILE, ServingTarget
from millrace.run import SERVE_STEP, Run
from millrace.serving import manifests
from millrace.serving.cluster import ServingCluster
from millrace.serving.manifests import PORT, SECRETS_FOLDER, Manifest
from millrace.settings import Settings
from millrace.storage import files


def open_cluster(settings: Settings) -> ServingCluster:
    """The serving namespace, by Airflow's own connection to Kubernetes."""
    cluster = settings.cluster()
    hook = KubernetesHook(
        conn_id=KubernetesHook.default_conn_name,
        cluster_context=cluster.context or None,
        in_cluster=True if cluster.in_cluster else None,
    )
    return ServingCluster(cluster, hook.get_conn())


def version_uri(store: str, version: ModelVersion) -> str:
    """The folder that the servers of one version read their orders from."""
    return files.join(store, "serving", version.workload, version.version)


def write_orders(run: Run, version: ModelVersion, settings: Settings) -> str:
    """Tell the servers of one version to serve it; returns the folder. Once more changes nothing."""
    cluster = settings.cluster()
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
    order = ServingTarget(generation=1, workload=version.workload, policy=policy, stable=version)
    files.write_bytes(target, order.model_dump_json(indent=1).encode())
    files.write_bytes(files.join(folder, SPEC_FILE), spec.model_dump_json(indent=1).encode())
    return folder


def live_manifests(settings: Settings, workload: str) -> list[Manifest]:
    """What the cluster holds for a workload's live version. Raises BadInputError where none is live."""
    live = settings.ledger().live_model(workload)
    if live is None:
        raise BadInputError(
            f"no version of {workload} is live",
            where="the ledger",
            rule="a live version has servers",
            remedy="run the workload's DAG to its end",
        )
    folder = version_uri(settings.store, live.model)
    target = ServingTarget.model_validate_json(files.read_bytes(files.join(folder, TARGET_FILE)))
    return manifests.all_of(settings.cluster(), workload, live.model.version, target.policy, folder)
