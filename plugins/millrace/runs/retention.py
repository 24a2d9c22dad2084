"""What may go from a store: found first, removed on demand, and never what a live version names."""

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
from millrace.ledger.records import SOMEBODY, Actor
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
_ENDED = ("retired", "rejected", "rolled_back")
_NO_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Retention:
    """One look at a store, beside what the ledger names in it, by a policy.

    ``served`` names the folders of the versions that servers hold, whatever the ledger says of them: they stay.
    """

    @classmethod
    def of(cls, settings: Settings, held: Callable[[Settings], Iterable[ModelVersion]], by: Actor = SOMEBODY) -> Self:
        """The site's own store, ledger and policy; ``held`` says which versions its servers have."""

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
        """What each workload stores."""
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
        """Keep in the ledger what each workload stores now."""
        self.ledger.record_sizes(self.store, self.sizes())

    def sweep(self, *, apply: bool) -> list[Found]:
        """What may go or, with ``apply``, what went; counted in the ledger, with who did it. Raises as both do."""
        found = self.find()
        if apply:
            found = self.remove(found)
        self.ledger.record_sweep(self.store, found, applied=apply, by=self.by)
        return found

    def find(self) -> list[Found]:
        """All that may go. Raises the store's and the ledger's errors."""
        found = [*self._attempts(), *self._old_models(), *self._uploads(), *self._table_files(dry_run=True)]
        folders = tuple(each.uri + "/" for each in found if each.kind in ("attempt", "model"))
        return found + [part for part in self._parts() if not part.uri.startswith(folders)]

    def remove(self, found: Iterable[Found]) -> list[Found]:
        """Remove what was found; what went. Raises RefusedError, before it goes, for what something live names."""
        gone = []
        for each in found:
            if each.kind == "table_file":
                continue
            if each.kind in ("attempt", "model"):  # a part and an upload are nobody's file yet, wherever they lie
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
        """The ledger is asked anew: a version may have gone live since it was looked at."""
        named = [row["uri"] for row in self.ledger.kept_models() if row["state"] not in _ENDED]
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
        """The tries whose Data Docs are the newest of a run that a partition comes from."""
        runs = (run_folder_uri(self.store, run["dag_id"], run["run_id"]) for run in self.ledger.publishing_runs())
        return {self._newest_docs[run] for run in runs if run in self._newest_docs}

    @cached_property
    def _newest_docs(self) -> dict[str, str]:
        """By run's folder, the newest try that has Data Docs: looked up for each folder that goes, found once."""
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
            may_go = uri not in back and (row is None or row["state"] in _ENDED)
            if may_go and made <= oldest:
                yield _found("model", names[1], uri, inside)

    def _way_back(self) -> set[str]:
        """The versions before each live one, as far as the policy goes."""
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
            # Delta names files again that an earlier vacuum took
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
    """What is stored ``after`` the last measurement, if it goes on as it went; None for less than two moments."""
    if len({moment for moment, _ in measured}) < 2:
        return None
    seconds = [(moment - measured[0][0]).total_seconds() for moment, _ in measured]
    slope, start = linear_regression(seconds, [size for _, size in measured])
    return max(0.0, start + slope * (seconds[-1] + after.total_seconds()))


def forecasts(sizes: list[Row]) -> list[tuple[str, int, float | None, float | None]]:
    """Each workload of the ledger's storage_sizes: what it stores, and will in 30 and in 90 days."""
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
            full=True,  # what a killed commit left is in no version: the log alone does not know it
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
