"""Find what retention does not keep in a store, and remove it on demand; never files that a live version names."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from statistics import linear_regression
from typing import Any, Self

from millrace.contracts.errors import RefusedError
from millrace.contracts.model import ModelVersion
from millrace.contracts.retention import Found, RetentionPolicy, StoredSize
from millrace.ledger.database import Row
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import PASSED_OVER, SOMEBODY, Actor
from millrace.runs import data_docs
from millrace.runs.run import run_folder_uri
from millrace.settings import Settings
from millrace.storage import files, s3
from millrace.storage.writing import PART_ENDING

log = logging.getLogger(__name__)

_KINDS = {
    "datasets": "dataset",
    "dataset-generations": "dataset",
    "models": "models",
    "runs": "runs",
    "serving": "serving",
}
_NO_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Retention:
    """Retention of one store by a policy: compares the store's files, listed once, with the ledger.

    ``served`` returns the folders of the versions that servers hold; they stay, whatever their state in the ledger.
    """

    @classmethod
    def of(cls, settings: Settings, held: Callable[[Settings], Iterable[ModelVersion]], by: Actor = SOMEBODY) -> Self:
        """Return the retention of the site's store by its settings; ``held`` returns the versions its servers hold."""

        def served() -> list[str]:
            return [version.uri for version in held(settings)]

        return cls(settings.store, settings.ledger(), settings.retention(), served=served, by=by)

    store: str
    ledger: Ledger
    policy: RetentionPolicy
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    served: Callable[[], Iterable[str]] = tuple
    by: Actor = SOMEBODY

    @cached_property
    def _files(self) -> list[files.Stored]:
        return list(files.walk(self.store))

    @cached_property
    def _models(self) -> list[Row]:
        return self.ledger.kept_models()

    def sizes(self) -> list[StoredSize]:
        """Return the number of files and bytes that each workload stores, by kind."""
        counted: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        for each in self._files:
            if len(each.names) > 2 and each.names[0] in _KINDS:
                of = counted[each.names[1], _KINDS[each.names[0]]]
                of[0] += 1
                of[1] += each.size_bytes
        return [
            StoredSize.model_validate({"workload": workload, "kind": kind, "files": count, "size_bytes": size})
            for (workload, kind), (count, size) in sorted(counted.items())
        ]

    def measure(self) -> None:
        """Record in the ledger what each workload stores now."""
        self.ledger.record_sizes(self.store, self.sizes())

    def sweep(self, *, apply: bool) -> list[Found]:
        """Return what may be removed or, with ``apply``, what was removed; record it in the ledger with the actor.

        Raises the errors of ``find`` and ``remove``.
        """
        found = self.find()
        if apply:
            found = self.remove(found)
        self.ledger.record_sweep(self.store, found, applied=apply, by=self.by)
        return found

    def find(self) -> list[Found]:
        """Return all that may be removed. Raises the store's and the ledger's errors."""
        found = [*self._attempts(), *self._old_models(), *self._uploads(), *self._table_files(dry_run=True)]
        folders = tuple(each.uri + "/" for each in found if each.kind in ("attempt", "model"))
        return found + [part for part in self._parts() if not part.uri.startswith(folders)]

    def remove(self, found: Iterable[Found]) -> list[Found]:
        """Remove what was found and return what was removed.

        Raises RefusedError before it removes an attempt or model that is in use now.
        """
        gone = []
        for each in found:
            if each.kind == "table_file":
                continue
            if each.kind in ("attempt", "model"):  # unfinished files and uploads belong to no version yet
                self._check(each.uri)
            if each.kind == "upload":
                _abort(each.uri)
            elif each.kind == "part":
                files.delete(each.uri)
            elif each.kind == "attempt" or self._release(each):
                files.delete_folder(each.uri)
            else:
                continue
            gone.append(each)
        return [*gone, *self._table_files(dry_run=False)]

    def _check(self, uri: str) -> None:
        """Raise RefusedError if a folder is in use; asks the ledger again, since a version may have become live."""
        named = [row["uri"] for row in self.ledger.kept_models() if row["state"] not in PASSED_OVER]
        named += [row["uri"] for row in self.ledger.newest_versions()]
        named += self.served()
        named += self._with_current_docs()
        named += [run_folder_uri(self.store, run["dag_id"], run["run_id"]) for run in self._open_runs()]
        for live in named:
            if f"{live}/".startswith(f"{uri}/") or f"{uri}/".startswith(f"{live}/"):
                raise RefusedError(
                    "this would take a file from something live",
                    where=uri,
                    rule=f"{live} stays",
                    remedy="sweep again: it went live meanwhile",
                )

    def _open_runs(self) -> list[Row]:
        return [run for run in self.ledger.run_ends() if run["is_open"]]

    def _attempts(self) -> Iterator[Found]:
        runs = {run_folder_uri(self.store, run["dag_id"], run["run_id"]): run for run in self.ledger.run_ends()}
        documented = self._with_current_docs()
        oldest = self.at - timedelta(days=self.policy.attempt_days)
        for names, inside in self._folders("runs", depth=5):
            uri = files.join(self.store, *names)
            run = runs.get(files.join(self.store, *names[:3]))
            if run is not None:
                ended = datetime.fromisoformat(run["finished_at"]) if not run["is_open"] else _NO_TIME
            else:
                ended = _newest(inside)
            if ended <= oldest and uri not in documented:
                yield _found("attempt", names[1], uri, inside)

    def _with_current_docs(self) -> set[str]:
        """Return the attempts' folders with the newest Data Docs of each run that current partitions come from."""
        runs = (run_folder_uri(self.store, run["dag_id"], run["run_id"]) for run in self.ledger.publishing_runs())
        return {self._newest_docs[run] for run in runs if run in self._newest_docs}

    @cached_property
    def _newest_docs(self) -> dict[str, str]:
        """By run's folder, the folder of the newest attempt with Data Docs; cached, since each removal looks it up."""
        newest: dict[str, tuple[tuple[int, int], str]] = {}
        for each in self._files:
            age = data_docs.age(*each.names[3:5]) if each.names[5:] == data_docs.INDEX else None
            if each.names[0] == "runs" and age is not None:
                run, attempt = (files.join(self.store, *each.names[:depth]) for depth in (3, 5))
                newest[run] = max(newest.get(run, ((0, 0), "")), (age, attempt))
        return {run: attempt for run, (_, attempt) in newest.items()}

    def _old_models(self) -> Iterator[Found]:
        oldest = self.at - timedelta(days=self.policy.attempt_days)
        known = {row["uri"]: row for row in self._models}
        back = self._way_back() | set(self.served())
        for names, inside in self._folders("models", depth=3):
            uri = files.join(self.store, *names)
            row = known.get(uri)
            made = _newest(inside) if row is None else datetime.fromisoformat(row["created_at"])
            may_go = uri not in back and (row is None or row["state"] in PASSED_OVER)
            if may_go and made <= oldest:
                yield _found("model", names[1], uri, inside)

    def _way_back(self) -> set[str]:
        """Return the folders of the previously live versions that the policy keeps for a rollback."""
        kept = set()
        for workload in {row["workload"] for row in self._models if row["state"] == "live"}:
            before = [row for row in self._models if row["workload"] == workload and row["state"] == "retired"]
            before.sort(key=lambda row: str(row["promoted_at"]), reverse=True)
            kept |= {row["uri"] for row in before[: self.policy.models]}
        return kept

    def _release(self, model: Found) -> bool:
        row = next((row for row in self._models if row["uri"] == model.uri), None)
        return row is None or self.ledger.sweep_model(row["workload"], row["version"])

    def _parts(self) -> Iterator[Found]:
        oldest = self.at - timedelta(hours=self.policy.grace_hours)
        for each in self._files:
            in_the_making = each.names[-1].startswith(".") and each.names[-1].endswith(PART_ENDING)
            if in_the_making and (each.written_at or _NO_TIME) <= oldest:
                workload = each.names[1] if len(each.names) > 2 else ""
                yield _found("part", workload, files.join(self.store, *each.names), [each])

    def _uploads(self) -> Iterator[Found]:
        if not self.store.startswith("s3://"):
            return
        from millrace.storage import uploads

        oldest = self.at - timedelta(hours=self.policy.grace_hours)
        for uri, upload, begun in uploads.abandoned(self.store):
            if begun <= oldest:
                names = uri.removeprefix(self.store).strip("/").split("/")
                yield _found("upload", names[1] if len(names) > 2 else "", f"{uri}?uploadId={upload}", [None])

    def _table_files(self, *, dry_run: bool) -> Iterator[Found]:
        sizes = {each.names: each for each in self._files}
        for row in self.ledger.newest_versions():
            if not row["uri"].startswith(f"{self.store}/"):
                continue
            names = tuple(row["uri"].removeprefix(self.store).strip("/").split("/"))
            gone = _vacuum(row["uri"], self._versions_in_use(row), round(self.policy.table_hours), dry_run)
            # Delta's vacuum also lists files that an earlier vacuum removed
            inside = [each for path in gone if (each := sizes.get((*names, *path.split("/"))))]
            if inside:
                yield _found("table_file", row["workload"], row["uri"], inside)

    def _versions_in_use(self, table: Row) -> list[int]:
        used = {int(table["version"])}
        used |= {int(row["dataset_version"]) for row in self._models if row["dataset_uri"] == table["uri"]}
        for run in self._open_runs():
            plan = self.ledger.plan(run["dag_id"], run["run_id"])
            if plan is not None and plan.dataset.uri == table["uri"]:
                used.add(plan.dataset.version)
        return sorted(used)

    def _folders(self, first: str, depth: int) -> Iterator[tuple[tuple[str, ...], list[files.Stored]]]:
        folders: dict[tuple[str, ...], list[files.Stored]] = defaultdict(list)
        for each in self._files:
            if each.names[0] == first and len(each.names) > depth:
                folders[each.names[:depth]].append(each)
        yield from sorted(folders.items())


def forecast_bytes(measured: list[tuple[datetime, int]], after: timedelta) -> float | None:
    """Return the bytes stored ``after`` the last measurement, by linear regression; None for fewer than two times."""
    if len({moment for moment, _ in measured}) < 2:
        return None
    seconds = [(moment - measured[0][0]).total_seconds() for moment, _ in measured]
    slope, start = linear_regression(seconds, [size for _, size in measured])
    return max(0.0, start + slope * (seconds[-1] + after.total_seconds()))


def forecasts(sizes: list[Row]) -> list[tuple[str, int, float | None, float | None]]:
    """Return, for each workload in the ledger's storage_sizes, the bytes stored last and forecast in 30 and 90 days."""
    by_workload: dict[str, dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    for row in sizes:
        by_workload[row["workload"]][datetime.fromisoformat(row["measured_at"])] += row["size_bytes"]
    answer = []
    for workload, measured in sorted(by_workload.items()):
        points = sorted(measured.items())
        soon, later = (forecast_bytes(points, timedelta(days=days)) for days in (30, 90))
        answer.append((workload, points[-1][1], soon, later))
    return answer


def _vacuum(uri: str, keep: list[int], hours: int, dry_run: bool) -> list[str]:
    from deltalake import DeltaTable

    options = s3.delta_options(uri)
    readable = [version for version in keep if _opens(uri, version, options)]
    table = DeltaTable(uri, storage_options=options)
    return list(
        table.vacuum(
            retention_hours=hours,
            dry_run=dry_run,
            enforce_retention_duration=False,
            full=True,  # list the folder too: files of a killed commit are in no version of the log
            keep_versions=readable,
        )
    )


def _opens(uri: str, version: int, options: dict[str, str] | None) -> bool:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        DeltaTable(uri, version=version, storage_options=options)
    except DeltaError as error:
        log.warning("%s: version %s is named, but its log is gone: %s", uri, version, error)
        return False
    return True


def _abort(uri: str) -> None:
    from millrace.storage import uploads

    place, _, upload = uri.partition("?uploadId=")
    uploads.abort(place, upload)


def _found(kind: str, workload: str, uri: str, inside: list[Any]) -> Found:
    size = sum(each.size_bytes for each in inside if each is not None)
    return Found.model_validate(
        {"kind": kind, "workload": workload, "uri": uri, "items": len(inside), "size_bytes": size}
    )


def _newest(inside: list[files.Stored]) -> datetime:
    return max(each.written_at or _NO_TIME for each in inside)
