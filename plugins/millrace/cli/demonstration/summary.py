"""Format a run's outcome as text."""

import json
from collections.abc import Iterator

from millrace.contracts.cluster import Cluster
from millrace.contracts.report import Baseline, EvaluateResult, Quality
from millrace.runs import data_docs
from millrace.serving.manifests import PORT, service_name
from millrace.settings import Settings

_LINE = "-" * 78
_TENSOR = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["the shuttle reached orbit after launch"]}
_BODY = json.dumps({"inputs": [_TENSOR]})


def summary(settings: Settings, dag_id: str, run_id: str) -> Iterator[str]:
    """Yield lines: quality by label, predictions beside measurements, and an example request to the model's server."""
    ledger = settings.ledger()
    row = ledger.run_summary(dag_id=dag_id, run_id=run_id)[0]
    yield _LINE
    yield f"{dag_id}: {row['state']}, {row['reason']}"
    report = ledger.committed_report(dag_id, run_id, "evaluate")
    if report is not None and isinstance(report.result, EvaluateResult):
        yield from _quality(report.result.candidate, report.result.live, report.result.baseline)
    yield ""
    yield f"{'':<22}{'predicted':>14}{'measured':>14}"
    yield _pair("seconds", row["predicted_seconds"], row["measured_seconds"], 1, ",.0f")
    yield _pair("memory, MiB", row["predicted_peak_memory_bytes"], row["measured_peak_memory_bytes"], 2**20, ",.0f")
    yield _pair("energy, Wh", row["predicted_joules"], row["measured_joules"], 3600, ",.2f")
    if row["energy_method"] == "estimated":
        yield "  (no energy sensor here: measured energy is estimated from CPU time and the hardware entry)"
    if (docs := data_docs.newest(settings.store, dag_id, run_id)) is not None:
        yield f"\nwhat validation saw: {docs}"
    if settings.launcher == "kubernetes":
        yield from _cluster_request(settings.cluster_of(row["workload"]), row["workload"])
    else:
        yield from _request(settings, row["workload"])


def _quality(candidate: Quality, live: Quality | None, baseline: Baseline | None) -> Iterator[str]:
    yield f"model {candidate.model.version}, {candidate.rows:,} test rows"
    yield ""
    yield f"{'label':<16}{'rows':>7}{'precision':>11}{'recall':>9}{'F1':>8}"
    for score in candidate.labels:
        yield f"{score.label:<16}{score.support:>7,}{score.precision:>11.3f}{score.recall:>9.3f}{score.f1:>8.3f}"
    yield ""
    yield (
        f"micro-F1 {candidate.micro_f1:.3f}, macro-F1 {candidate.macro_f1:.3f}, "
        f"calibration error {candidate.calibration_error:.3f}"
    )
    if baseline is not None:
        yield f"TF-IDF with logistic regression, same rows, best threshold: micro-F1 {baseline.micro_f1:.3f}"
    if live is not None:
        yield f"the version that was live, same rows: micro-F1 {live.micro_f1:.3f}"
    cost = candidate.serving
    joules = "unknown" if cost.joules_per_request is None else f"{cost.joules_per_request:.3g} J ({cost.energy_method})"
    latency = [f"{seconds * 1e3:.1f} ms" for seconds in (cost.p50_latency_seconds, cost.p99_latency_seconds)]
    yield f"a request: p50 {latency[0]}, p99 {latency[1]}, {joules}"


def _pair(name: str, predicted: float | None, measured: float | None, unit: float, form: str) -> str:
    cells = ["unknown" if value is None else format(value / unit, form) for value in (predicted, measured)]
    return f"{name:<22}{cells[0]:>14}{cells[1]:>14}"


def _request(settings: Settings, workload: str) -> Iterator[str]:
    address = settings.server_files(workload).address
    if address is None:
        return
    yield ""
    yield "ask the served model:"
    folder = settings.serving_secrets
    options = f" --cacert {folder}/ca.crt" if settings.serving_tls else ""
    token = f' -H "Authorization: Bearer $(cat {folder}/token)"' if settings.serving_token else ""
    header = f"-H 'Content-Type: application/json'{token}"
    yield f"  curl -s{options} {address}/v2/models/{workload}/infer {header} \\"
    yield f"    -d '{_BODY}'"


def _cluster_request(cluster: Cluster, workload: str) -> Iterator[str]:
    of = f"kubectl -n {cluster.serving_namespace}"
    scheme = "https" if cluster.serving_tls else "http"
    yield ""
    yield "ask the served model:"
    yield f"  {of} port-forward service/{service_name(workload)} {PORT} &"
    header = "-H 'Content-Type: application/json'"
    if cluster.serving_token:
        secret = f"{of} get secret {cluster.serving_secret} -o jsonpath='{{.data.token}}'"
        yield f"  TOKEN=$({secret} | base64 -d)"
        header += ' -H "Authorization: Bearer $TOKEN"'
    insecure = " -k" if cluster.serving_tls else ""
    yield f"  curl -s{insecure} {scheme}://localhost:{PORT}/v2/models/{workload}/infer {header} \\"
    yield f"    -d '{_BODY}'"
