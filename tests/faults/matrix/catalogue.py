"""The points of the matrix, in the order of a run. A point that is no longer reached fails its case."""

from dataclasses import replace

from matrix.points import Point, When

_OPEN = "millrace.storage.files:open_whole"
_WRITE_LOG = "write_deltalake"


def _step(task: str, name: str, target: str, when: When, match: str = "", nth: int = 1, **more: object) -> Point:
    return Point(f"{task}: {name}", task, "step", target, when, match, nth, **more)  # type: ignore[arg-type]


def _task(task: str, name: str, target: str, when: When, match: str = "", nth: int = 1, **more: object) -> Point:
    return Point(f"{task}: {name}", task, "task", target, when, match, nth, **more)  # type: ignore[arg-type]


_INGEST = (
    _step("ingest", "before the first partition", "millrace_data.ingest:stage_partition", "before"),
    _step("ingest", "file opened, nothing in it", _OPEN, "after", ".parquet"),
    _step("ingest", "rows in the file", "millrace_data.staging:StagedFile._write_group", "after"),
    _step("ingest", "file written, without its name", _OPEN, "before publish", ".parquet", main=True),
    _step("ingest", "synchronised, before its renaming", "pathlib:Path.replace", "before", ".parquet", store="file"),
    _step("ingest", "one partition of two staged", _OPEN, "after publish", ".parquet"),
    _step("ingest", "both partitions staged, before the report", _OPEN, "before publish", "report.json"),
    _step("ingest", "meter's last reading kept", _OPEN, "after publish", "meter.json"),
    _step("ingest", "between report and process end", _OPEN, "after publish", "report.json"),
)
_VALIDATE = (
    _step("validate", "before judging", "millrace_data.validate:_judge_all", "before"),
    _step("validate", "judged, before the Data Docs", "millrace_data.judge:Judge.write_docs", "before"),
    _step("validate", "Data Docs there, before the commit", "millrace_data.judge:Judge.write_docs", "after"),
    _step("validate", "table made, nothing in it", "millrace_data.table:DatasetTable._create", "after"),
    _step("validate", "rows on their way into the table", "millrace_data.table:parquet_batches", "drained"),
    _step(
        "validate", "between objects and the Delta commit", f"millrace_data.table:{_WRITE_LOG}", "objects", main=True
    ),
    _step("validate", "one partition of two committed", f"millrace_data.table:{_WRITE_LOG}", "after"),
    _step(
        "validate", "second partition, objects without commit", f"millrace_data.table:{_WRITE_LOG}", "objects", nth=2
    ),
    _step(
        "validate", "between the Delta commit and the report", "millrace_data.validate:_commit_all", "after", main=True
    ),
    _step("validate", "report written, without its name", _OPEN, "before publish", "report.json"),
    _step("validate", "between report and process end", _OPEN, "after publish", "report.json"),
)
_CHECKPOINTS = "millrace_train.checkpoints"
_TRAIN = (
    _step("train", "before rows are encoded", "millrace_train.train:encode_rows", "before"),
    _step("train", "one split encoded", "millrace_train.train:encode_rows", "after"),
    _step("train", "first checkpoint's arrays without a manifest", f"{_CHECKPOINTS}:put_arrays", "after"),
    _step("train", "first checkpoint sealed, nothing points to it", _OPEN, "before publish", "checkpoint.json"),
    _step("train", "first checkpoint, before a step", "millrace_train.loop:_compile_step", "before"),
    _step("train", "in the middle of the second epoch", "millrace_train.loop:_step", "after", nth=9, main=True),
    _step("train", "later checkpoint's arrays without a manifest", f"{_CHECKPOINTS}:put_arrays", "after", nth=3),
    _step("train", "later checkpoint sealed, nothing points to it", _OPEN, "before publish", "checkpoint.json", 3),
    _step("train", "pointed to, the oldest not yet removed", _OPEN, "after publish", "checkpoint.json", 4),
    _step("train", "all epochs done, before the weights are written", "millrace_train.train:write_trained", "before"),
    _step("train", "weights written, without their name", _OPEN, "before publish", "weights.safetensors"),
    _step("train", "weights there, folder not sealed", "millrace.storage.folders:seal", "before", "/out/trained"),
    _step("train", "folder sealed, before the report", "millrace_train.train:write_trained", "after"),
    _step("train", "report written, without its name", _OPEN, "before publish", "report.json"),
    _step("train", "between report and process end", _OPEN, "after publish", "report.json"),
)
_EXPORT = (
    _step("export", "before the conversion", "millrace_train.export:write_onnx", "before"),
    _step("export", "converted, before the comparison", "millrace_train.export:write_onnx", "after"),
    _step("export", "compared, before the version's folder", "millrace_train.export:_publish", "before"),
    _step("export", "first file written, without its name", _OPEN, "before publish", "/models/"),
    _step("export", "first file of the version there", _OPEN, "after publish", "/models/"),
    _step("export", "all files there, no manifest", _OPEN, "before publish", "manifest.json", main=True),
    _step("export", "version whole, before the report", "millrace_train.export:_publish", "after"),
    _step("export", "report written, without its name", _OPEN, "before publish", "report.json"),
    _step("export", "between report and process end", _OPEN, "after publish", "report.json"),
)
_EVALUATE = (
    _step("evaluate", "replay rows written, without their name", _OPEN, "before publish", "replay.jsonl"),
    _step("evaluate", "replay rows there", _OPEN, "after publish", "replay.jsonl"),
    _step("evaluate", "candidate judged", "millrace_train.evaluate:_judge", "after"),
    _step("evaluate", "baseline fitted", "millrace_train.evaluate:fit_baseline", "after"),
    _step("evaluate", "report written, without its name", _OPEN, "before publish", "report.json"),
    _step("evaluate", "between report and process end", _OPEN, "after publish", "report.json"),
)

_LAUNCHER = "millrace.launchers.process"
_LEDGER = "millrace.ledger.ledger:Ledger"
_TASKS = (
    _task("ingest", "task killed before the run is opened", f"{_LEDGER}.open_run", "before"),
    _task("ingest", "task killed, run opened", f"{_LEDGER}.open_run", "after"),
    _task("ingest", "task killed, order written, no process", _OPEN, "after publish", "spec.json"),
    _task("ingest", "task killed, its step runs on", f"{_LAUNCHER}:_remember", "after"),
    _task("train", "task killed, its step runs on", f"{_LAUNCHER}:_remember", "after"),
    _task("ingest", "task killed, step done, report not read", f"{_LAUNCHER}:_follow", "after"),
    *(
        point
        for task in ("ingest", "validate", "train", "export", "evaluate")
        for point in (
            _task(task, "task killed before the ledger's commit", f"{_LEDGER}.commit_report", "before"),
            _task(task, "task killed inside the ledger's commit", "millrace.ledger.tries:_take", "after"),
            _task(task, "task killed between commit and success", f"{_LEDGER}.commit_report", "after"),
        )
    ),
    _task("size", "before the plan is stored", f"{_LEDGER}.store_plan", "before"),
    _task("size", "plan stored, before its report", f"{_LEDGER}.store_plan", "after"),
    _task("size", "between commit and success", f"{_LEDGER}.commit_report", "after"),
    _task("gate", "before the verdict is recorded", f"{_LEDGER}.record_verdict", "before"),
    _task("gate", "verdict recorded, before its report", f"{_LEDGER}.record_verdict", "after"),
    _task(
        "roll_out",
        "server started, nothing ordered",
        "millrace.serving.server_files:ServerFiles.write_target",
        "before",
    ),
    _task(
        "roll_out",
        "version ordered, before it answers",
        "millrace.serving.server_files:ServerFiles.write_target",
        "after",
    ),
    _task("watch", "watched, before the promotion", f"{_LEDGER}.promote", "before"),
    _task("watch", "inside the promotion", "millrace.ledger.model_states:keep_event", "before", "promoted"),
    _task("watch", "promoted, the old version not released", "millrace.serving.rollout:Rollout.finish", "before"),
    _task("watch", "promoted, before its report", f"{_LEDGER}.promote", "after"),
    _task("watch", "between commit and success", f"{_LEDGER}.commit_report", "after"),
    _task("finish", "before the run is closed", f"{_LEDGER}.close_run", "before"),
    _task("finish", "run closed, before its report", f"{_LEDGER}.close_run", "after"),
)
_MAIN = {"validate: task killed between commit and success", "watch: promoted, before its report"}

POINTS = tuple(
    replace(point, main=point.main or point.name in _MAIN)
    for point in (*_INGEST, *_VALIDATE, *_TRAIN, *_EXPORT, *_EVALUATE, *_TASKS)
)
# what named tests use beside the matrix
LARGE = (
    _step("ingest", "in the middle of a large file", "millrace_data.staging:StagedFile._write_group", "after", nth=2),
    _step("ingest", "in the middle of an upload in parts", "millrace.storage.uploads:_Parts._put", "after", nth=2),
)
TASKS = ("ingest", "validate", "size", "train", "export", "evaluate", "gate", "roll_out", "watch", "finish")


def by_name(name: str) -> Point:
    """The point of that name."""
    return next(point for point in (*POINTS, *LARGE) if point.name == name)
