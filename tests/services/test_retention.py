"""A sweep takes what nobody names any more, and never a file of a live version; in every store."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from millrace.contracts.data import DatasetVersion, StagedPartition
from millrace.contracts.errors import RefusedError
from millrace.contracts.measurement import Hardware, MeterReading, Quantity
from millrace.contracts.model import ModelVersion
from millrace.contracts.plan import Plan
from millrace.contracts.report import ExportResult, Report, Result, ValidateResult
from millrace.contracts.retention import Found, RetentionPolicy
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, RunKey
from millrace.runs.retention import Retention, forecasts
from millrace.runs.run import run_folder_uri
from millrace.storage import files, s3, uploads

DAY = date(2026, 1, 1)
POLICY = RetentionPolicy(attempt_days=14, models=1, grace_hours=24, table_hours=0)
LATER = datetime.now(UTC) + timedelta(days=20)


class Site:
    """A ledger and a store in which six runs of a workload made six versions, the last of them live."""

    def __init__(self, store: str, ledger: Ledger) -> None:
        self.store, self.ledger = store, ledger
        self.table = files.join(store, "datasets", "news")
        for number in range(6):
            self._run(f"run-{number}", number)
            if number:
                self.ledger.promote("news", f"v-{number}", by=Actor.of(RunKey("news", f"run-{number}", 0)))

    def attempt(self, run_id: str, task: str) -> str:
        return files.join(run_folder_uri(self.store, "news", run_id), task, "try-1")

    def model(self, number: int) -> str:
        return files.join(self.store, "models", "news", f"v-{number}")

    def open_run(self, run_id: str) -> int:
        return self.ledger.open_run(
            "news", run_id, workload="news", team="core", site="local", partition_first=DAY, partition_last=DAY,
            run_type="manual",
        )  # fmt: skip

    def _run(self, run_id: str, number: int) -> None:
        repeat = self.open_run(run_id)
        write_deltalake(
            self.table, pa.table({"n": [number]}), mode="overwrite", storage_options=s3.delta_options(self.table)
        )
        dataset = DatasetVersion(workload="news", uri=self.table, version=number, until=DAY)
        docs = files.join(self.attempt(run_id, "validate"), "out", "docs", "index.html")
        made = {files.join(self.attempt(run_id, task), "out", "data"): 100 for task in ("ingest", "validate", "train")}
        made |= {docs: 10, files.join(self.model(number), "model.onnx"): 1000}
        with ThreadPoolExecutor(len(made)) as pool:  # closing a file may take HDFS half a second
            list(pool.map(lambda uri: files.write_bytes(uri, b"x" * made[uri]), made))
        staged = StagedPartition(
            partition=DAY,
            file_uri="file:///x",
            rows=1,
            duplicates=0,
            source_uri="file:///y",
            source_bytes=1,
            content_sha256=f"{number:064}",
        )
        published = ValidateResult(
            dataset_uri=self.table, version=number, published=(staged,), outcomes=(), profiles={}
        )
        self._report(run_id, repeat, "validate", published)
        self.ledger.store_plan("news", run_id, repeat, _plan(dataset))
        version = ModelVersion(workload="news", version=f"v-{number}", uri=self.model(number), manifest_sha256="a" * 64)
        exported = ExportResult(model=version, export_error=0, export_tolerance=1, bytes=1000)
        self._report(run_id, repeat, "export", exported)
        self.ledger.close_run("news", run_id, repeat, state="success", reason="done")

    def _report(self, run_id: str, repeat: int, task: str, result: Result) -> None:
        key = TryKey(dag_id="news", run_id=run_id, repeat=repeat, task_id=task, try_number=1)
        meter = MeterReading(
            started_at=datetime.now(UTC),
            wall_seconds=1,
            cpu_seconds=1,
            peak_memory_bytes=1,
            joules=1,
            energy_method="estimated",
            energy_coverage=0,
        )
        self.ledger.commit_report(key, Report(outcome="ok", reason="done", meter=meter, result=result), task)

    def look(self, at: datetime = LATER) -> Retention:
        return Retention(self.store, self.ledger, POLICY, at)

    def rows(self, version: int) -> list[int]:
        table = DeltaTable(self.table, version=version, storage_options=s3.delta_options(self.table))
        return list(table.to_pyarrow_table()["n"].to_pylist())


def _plan(dataset: DatasetVersion) -> Plan:
    one = Quantity(p50=1, p90=2)
    hardware = Hardware(
        name="h", cores=1, gflops_per_core=1, idle_watts_per_core=1, active_watts_per_core=1, memory_bytes=1
    )
    return Plan.model_validate(
        {
            "made_at": datetime.now(UTC), "dataset": dataset, "model_parameters": 1, "forward_flops_per_row": 1,
            "training_flops": 1, "train_rows": 1, "seconds_by_step": {"train": one}, "seconds": one,
            "peak_memory_bytes": one, "joules": one, "hardware": hardware, "bottleneck": "compute", "sha256": "a" * 64,
        }
    )  # fmt: skip


@pytest.fixture
def site(root: str, tmp_path: Path) -> Site:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.migrate()
    return Site(root, ledger)


def _everything(store: str) -> set[str]:
    return {"/".join(each.names) for each in files.walk(store)}


def test_a_dry_run_takes_nothing(site: Site) -> None:
    before = _everything(site.store)
    assert site.look().find()
    assert _everything(site.store) == before
    assert site.rows(2) == [2]


def test_young_things_stay(site: Site) -> None:
    assert site.look(datetime.now(UTC)).find() == []


def test_a_sweep_takes_what_nobody_names_and_never_a_live_version_s_file(site: Site) -> None:
    site.open_run("run-2")
    files.write_bytes(files.join(site.attempt("forgotten", "train"), "spec.json"), b"{}")
    files.write_bytes(files.join(site.store, "models", "news", ".model.onnx.abcd.part"), b"torn")
    gone = site.look().remove(site.look().find())
    # the table's files were those of versions that models had been trained on which went only now
    assert {each.kind for each in gone} == {"attempt", "part", "model"}
    assert {each.kind for each in site.look().remove(site.look().find())} == {"table_file"}
    assert site.look().find() == []
    # the live model, the one before it, and a candidate that was never judged
    assert files.names(files.join(site.store, "models", "news")) == ["v-0", "v-4", "v-5"]
    assert files.size_bytes(files.join(site.model(5), "model.onnx")) == 1000
    # the newest data, those that models which are kept were trained on, and that of the run in flight
    assert {version: site.rows(version) for version in (0, 2, 4, 5)} == {0: [0], 2: [2], 4: [4], 5: [5]}
    with pytest.raises((OSError, pa.ArrowException)):
        site.rows(3)
    # the newest data's documents, and the run in flight; what the ledger does not know went, being old
    assert files.exists(files.join(site.attempt("run-5", "validate"), "out", "docs", "index.html"))
    assert files.exists(files.join(site.attempt("run-2", "ingest"), "out", "data"))
    for run_id, task in [("run-5", "ingest"), ("run-1", "validate"), ("forgotten", "train")]:
        assert not files.names(site.attempt(run_id, task)), (run_id, task)
    # going back beyond what is kept finds nothing, rather than a version without files
    assert site.ledger.revert("news", "v-5", "worse", by=Actor("Ada")) == "v-4"
    assert site.ledger.revert("news", "v-4", "worse", by=Actor("Ada")) is None


def test_what_went_live_since_it_was_found_stays(site: Site) -> None:
    live = Found(kind="model", workload="news", uri=site.model(5), items=1, size_bytes=1)
    with pytest.raises(RefusedError, match="v-5 stays"):
        site.look().remove([live])
    whole = Found(kind="attempt", workload="news", uri=files.join(site.store, "models"), items=1, size_bytes=1)
    with pytest.raises(RefusedError, match="stays"):
        site.look().remove([whole])
    assert files.exists(files.join(site.model(5), "model.onnx"))


def test_uploads_that_nobody_completes_are_ended(s3_uri: str, tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.migrate()
    torn = files.open_whole(files.join(s3_uri, "runs", "news", "torn"))
    torn.stream.write(b"x" * (uploads.PART_BYTES + 1))
    assert Retention(s3_uri, ledger, POLICY).find() == []
    later = Retention(s3_uri, ledger, POLICY, LATER)
    found = later.find()
    assert [(each.kind, each.workload) for each in found] == [("upload", "news")]
    later.remove(found)
    assert list(uploads.abandoned(s3_uri)) == []


def test_sweeps_and_sizes_are_counted_and_growth_is_foretold(site: Site) -> None:
    found = site.look().find()
    site.ledger.record_sweep(site.store, found, applied=False)
    counted = site.ledger.sweeps(site.store)
    assert sum(row["item_count"] for row in counted) == sum(each.items for each in found)
    assert sum(row["size_bytes"] for row in counted) == sum(each.size_bytes for each in found) > 0
    site.ledger.record_sizes(site.store, site.look().sizes())
    assert [row["size_bytes"] for row in site.ledger.storage_sizes(site.store) if row["kind"] == "models"] == [6000]
    days = [datetime(2026, 1, day, tzinfo=UTC).isoformat() for day in (1, 2, 3)]
    rows = [
        {"measured_at": day, "workload": "news", "size_bytes": size}
        for day, size in zip(days, (100, 200, 300), strict=True)
    ]
    ((workload, stored, soon, later),) = forecasts(rows)
    assert (workload, stored, round(soon or 0), round(later or 0)) == ("news", 300, 3300, 9300)
    assert forecasts(rows[:1]) == [("news", 100, None, None)]
