"""A step's report may say what it measured, never where things are or whose they are."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from deltalake import write_deltalake

from millrace.contracts.data import CONTENT_COLUMN, PARTITION_COLUMN, DatasetVersion, StagedPartition, Window
from millrace.contracts.errors import RefusedError
from millrace.contracts.measurement import MeterReading
from millrace.contracts.model import MANIFEST_FILE, ModelManifest, ModelVersion
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.report import (
    EvaluateResult,
    ExportResult,
    IngestResult,
    Quality,
    Report,
    Result,
    ServingCost,
    TrainResult,
    ValidateResult,
)
from millrace.contracts.run_spec import EvaluateTask, ExportTask, IngestTask, RunSpec, Task, TrainTask, ValidateTask
from millrace.ledger.ledger import Ledger
from millrace.orchestration import attempts
from millrace.runs import report_claims
from millrace.storage import files

DAY = date(2026, 1, 1)
METER = MeterReading(started_at=datetime(2026, 1, 2, tzinfo=UTC), wall_seconds=5, cpu_seconds=5, joules=7.0,
                     energy_method="estimated")  # fmt: skip
SHA = "ab" * 32
Change = Callable[[Any], Any]


class StepSpecs:
    """One spec of each step in a store, and the honest result of each."""

    def __init__(self, spec: RunSpec, root: Path) -> None:
        self.root = files.to_uri(root)
        run = files.join(self.root, "runs", "flowers", "manual-1")
        source = spec.workload.dataset.source.model_copy(update={"uri_template": f"{self.root}/in/{{partition}}.csv"})
        dataset = spec.workload.dataset.model_copy(update={"source": source})
        self._spec = spec.model_copy(update={"workload": spec.workload.model_copy(update={"dataset": dataset})})
        self._run = run
        self.staged = StagedPartition(
            partition=DAY, file_uri=files.join(run, "ingest", "try-1", "out", "staged", "a.parquet"), rows=3,
            duplicates=0, source_uri=f"{self.root}/in/{DAY}.csv.gz", source_bytes=9, content_sha256=SHA,
        )  # fmt: skip
        self.table = files.join(self.root, "datasets", "flowers")
        rows = {"n": [1], PARTITION_COLUMN: pa.array([DAY]), CONTENT_COLUMN: [SHA]}
        write_deltalake(
            str(files.local_path(self.table)), pa.table(rows), partition_by=[PARTITION_COLUMN, CONTENT_COLUMN]
        )
        self.data = DatasetVersion(workload="flowers", uri=self.table, version=0, until=DAY)
        self.models = files.join(self.root, "models", "flowers")
        self.model = self.export(labels=spec.workload.dataset.target.labels)

    def export(self, **given: Any) -> ModelVersion:
        """A version with a manifest, as export leaves it."""
        manifest = ModelManifest.model_validate(
            {
                "workload": "flowers", "trainer": "mlp_classifier", "files": {}, "target_kind": "single_label",
                "thresholds": (0.5, 0.5), "features": ("width",), "export_tolerance": 1, "export_error": 0,
                "dataset": self.data, **given,
            }
        )  # fmt: skip
        data = manifest.model_dump_json().encode()
        sha256 = hashlib.sha256(data).hexdigest()
        version = ModelVersion(
            workload="flowers", version=f"v-{sha256[:12]}", manifest_sha256=sha256,
            uri=files.join(self.models, f"v-{sha256[:12]}"),
        )  # fmt: skip
        files.write_bytes(files.join(version.uri, MANIFEST_FILE), data)
        return version

    def attempt(self, step: str) -> str:
        return files.join(self._run, step, "try-1")

    def spec_of(self, step: str) -> RunSpec:
        tasks: dict[str, Task] = {
            "ingest": IngestTask(window=Window(first=DAY, last=DAY)),
            "validate": ValidateTask(
                staged=(self.staged,), dataset_uri=self.table, live_profile=None, base_model=None
            ),
            "train": TrainTask(dataset=self.data, base_model=None),
            "export": ExportTask(
                dataset=self.data, base_model=None, trained_uri="file:///t", trained_sha256=SHA, models_uri=self.models
            ),
            "evaluate": EvaluateTask(dataset=self.data, candidate=self.model, live=None),
        }  # fmt: skip
        key = self._spec.key.model_copy(update={"task_id": step})
        return self._spec.model_copy(update={"key": key, "task": tasks[step], "attempt_uri": self.attempt(step)})

    def honest(self, step: str) -> Result:
        if step == "ingest":
            return IngestResult(staged=(self.staged,))
        if step == "validate":
            return ValidateResult(
                dataset_uri=self.table, version=0, published=(self.staged,), outcomes=(), profiles={}
            )  # fmt: skip
        if step == "train":
            return TrainResult(
                trained_uri=f"{self.attempt('train')}/out/trained", trained_sha256=SHA, losses=(), rows=1, steps=1,
                tokens=None, resumed_from_step=None, thresholds=(), validation_micro_f1=1, rows_per_second=1,
            )  # fmt: skip
        if step == "export":
            return ExportResult(model=self.model, export_error=0, export_tolerance=1, bytes=1)
        return EvaluateResult(
            candidate=self.quality(self.model), live=None, baseline=None,
            replay_uri=f"{self.attempt('evaluate')}/out/replay.jsonl",
        )  # fmt: skip

    @staticmethod
    def quality(model: ModelVersion) -> Quality:
        cost = ServingCost(
            requests=1, p50_latency_seconds=1, p99_latency_seconds=1, joules_per_request=None, energy_method=None,
            peak_memory_bytes=1,
        )  # fmt: skip
        return Quality(model=model, rows=1, micro_f1=1, macro_f1=1, calibration_error=0, labels=(), serving=cost)


@pytest.fixture
def specs(spec: RunSpec, tmp_path: Path) -> StepSpecs:
    return StepSpecs(spec, tmp_path / "store")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()
    days = {"partition_first": DAY, "partition_last": DAY}
    ledger.open_run("flowers", "manual__1", workload="flowers", team="t", site="local", run_type="manual", **days)  # type: ignore[arg-type]
    return ledger


def other(**fields: object) -> Change:
    return lambda result: result.model_copy(update=fields)


def partition(**fields: object) -> Change:
    def change(result: Any) -> Any:
        name = "staged" if isinstance(result, IngestResult) else "published"
        return result.model_copy(update={name: (getattr(result, name)[0].model_copy(update=fields),)})

    return change


def model(**fields: str) -> Change:
    return lambda result: result.model_copy(update={"model": result.model.model_copy(update=fields)})


def candidate(**fields: str) -> Change:
    def change(result: Any) -> Any:
        version = result.candidate.model.model_copy(update=fields)
        return result.model_copy(update={"candidate": result.candidate.model_copy(update={"model": version})})

    return change


ELSEWHERE = "file:///etc/airflow.cfg"
LIES: list[tuple[str, Change]] = [
    ("ingest", partition(file_uri=ELSEWHERE)),
    ("ingest", partition(bad_rows_uri=ELSEWHERE)),
    ("ingest", partition(source_uri=ELSEWHERE)),
    ("ingest", partition(source_uri="http://127.0.0.1:8080/")),
    ("ingest", partition(partition=date(2026, 1, 2))),
    ("ingest", lambda result: result.model_copy(update={"staged": result.staged * 2})),
    ("ingest", other(staged=(), absent=("2026-02-01",))),
    ("validate", other(dataset_uri="file:///another/table")),
    ("validate", other(version=1)),
    ("validate", other(version=904)),
    ("validate", other(published=())),
    ("validate", other(profiles={"2026-02-01": None})),
    ("validate", partition(content_sha256="cd" * 32)),
    ("validate", partition(source_uri=ELSEWHERE)),
    ("validate", partition(file_uri=ELSEWHERE)),
    ("validate", partition(rows=4)),
    ("train", other(trained_uri=ELSEWHERE)),
    ("export", model(workload="another")),
    ("export", model(uri=ELSEWHERE)),
    ("export", model(version="v-mine")),
    ("export", model(manifest_sha256=SHA)),
    ("evaluate", candidate(uri=ELSEWHERE)),
    ("evaluate", candidate(manifest_sha256=SHA)),
    ("evaluate", candidate(workload="another")),
    ("evaluate", other(replay_uri=ELSEWHERE)),
    ("evaluate", lambda result: result.model_copy(update={"live": result.candidate})),
]
STEPS = ("ingest", "validate", "train", "export", "evaluate")


@pytest.mark.parametrize("step", STEPS)
def test_a_report_that_agrees_with_its_spec_is_believed(specs: StepSpecs, ledger: Ledger, step: str) -> None:
    report = Report(outcome="ok", reason="done", meter=METER, result=specs.honest(step))
    report_claims.check(specs.spec_of(step), report)


@pytest.mark.parametrize(("step", "lie"), LIES)
def test_a_lie_ends_the_run_and_leaves_nothing_but_its_joules(
    specs: StepSpecs, ledger: Ledger, step: str, lie: Change
) -> None:
    report = Report(outcome="ok", reason="done", meter=METER, result=lie(specs.honest(step)))
    with pytest.raises(AirflowFailException, match="report contradicts its spec"):
        attempts.conclude(specs.spec_of(step), report, "pod:steps/a", ledger, lambda *_: None)
    [row] = ledger.tries("flowers", "manual__1", 0)
    assert (row["outcome"], row["joules"]) == ("failed", 7.0)
    assert ledger.committed_report("flowers", "manual__1", step) is None
    assert not ledger.newest_versions()
    assert not ledger.kept_models()


@pytest.mark.parametrize("outcome", ["ok", "skipped", "failed", "interrupted"])
@pytest.mark.parametrize("code", ReasonCode)
def test_a_step_says_why_it_failed_and_never_what_is_decided_before_and_after_it(
    specs: StepSpecs, ledger: Ledger, outcome: Any, code: ReasonCode
) -> None:
    report = Report(outcome=outcome, reason="the backfill's budget", code=code, meter=METER)
    its_own = {
        "ok": {"done"}, "skipped": {"no_new_data"}, "interrupted": {"interrupted"},
        "failed": {"bad_input", "transient", "refused", "out_of_memory", "out_of_device_memory", "unforeseen"},
    }  # fmt: skip
    with suppress(AirflowSkipException, AirflowFailException, AirflowException):
        attempts.conclude(specs.spec_of("ingest"), report, "pod:steps/a", ledger, lambda *_: None)
    [row] = ledger.tries("flowers", "manual__1", 0)
    believed = (outcome, code.value) if code in its_own[outcome] else ("failed", "report_refused")
    assert (row["outcome"], row["reason_code"]) == believed
    assert row["joules"] == 7.0


@pytest.mark.parametrize("step", ["train", "export", "evaluate"])
@pytest.mark.parametrize("code", [None, ReasonCode.NO_NEW_DATA])
def test_a_step_that_reads_no_arrivals_is_never_left_out_by_itself(
    specs: StepSpecs, step: str, code: ReasonCode | None
) -> None:
    report = Report(outcome="skipped", reason="no new data", code=code, meter=METER)
    with pytest.raises(RefusedError, match="contradicts its spec: the outcome"):
        report_claims.check(specs.spec_of(step), report)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("told", STEPS)
def test_a_step_reports_its_own_kind_of_result(specs: StepSpecs, step: str, told: str) -> None:
    if step != told:
        report = Report(outcome="ok", reason="done", meter=METER, result=specs.honest(told))
        with pytest.raises(RefusedError, match="kind of the result"):
            report_claims.check(specs.spec_of(step), report)


@pytest.mark.parametrize(
    "given",
    [
        {"labels": ("lily", "rose")},
        {"labels": ("rose", "lily"), "workload": "another"},
        {"labels": ("rose", "lily"), "trainer": "another"},
        {"labels": ("rose", "lily"), "dataset": DatasetVersion(workload="x", uri="file:///x", version=9, until=DAY)},
    ],
)
def test_a_model_in_its_place_with_its_digest_still_agrees_with_the_spec(
    specs: StepSpecs, given: dict[str, Any]
) -> None:
    result = ExportResult(model=specs.export(**given), export_error=0, export_tolerance=1, bytes=1)
    with pytest.raises(RefusedError, match="manifest's"):
        report_claims.check(specs.spec_of("export"), Report(outcome="ok", reason="", meter=METER, result=result))


def test_outputs_of_an_earlier_try_are_this_steps_own(specs: StepSpecs) -> None:
    spec = specs.spec_of("train").model_copy(update={"attempt_uri": files.join(specs.root, "x", "train", "try-2")})
    result = specs.honest("train")
    assert isinstance(result, TrainResult)
    told = result.model_copy(update={"trained_uri": files.join(specs.root, "x", "train", "try-1", "out", "trained")})
    report_claims.check(spec, Report(outcome="ok", reason="done", meter=METER, result=told))


def test_a_report_of_before_that_named_its_data_docs_is_read(specs: StepSpecs) -> None:
    old = specs.honest("validate").model_dump() | {"docs_uri": ELSEWHERE}
    assert ValidateResult.model_validate(old) == specs.honest("validate")
