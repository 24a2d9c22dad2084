"""Every page and every one of its queries on a ledger of 100,000 runs: a page within 1 s, a query within 100 ms.

    python tests/bench/pages.py [--runs 100000] [--url postgresql://…]

Without a URL, SQLite in a temporary folder; the ledger is filled with SQL, as 20 workloads over a year would.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from millrace.contracts.data import DatasetVersion
from millrace.contracts.measurement import Hardware, Quantity
from millrace.contracts.plan import Plan
from millrace.ledger.database import Database

DAGS = [f"workload_{number:02}" for number in range(20)]
STEPS = {"ingest": 8, "validate": 20, "size": 1, "train": 300, "export": 30, "evaluate": 25, "close": 1}
LABELS = [f"label-{number}" for number in range(12)]
PAGE_SECONDS, QUERY_SECONDS = 1.0, 0.1
BATCH = 5_000


def fill(database: Database, runs: int) -> None:
    """Runs with their tries, plans, data, models and evaluations; every tenth failed, every hundredth is running."""
    chance = random.Random(7)
    begin = datetime.now(UTC) - timedelta(days=365)
    for first in range(0, runs, BATCH):
        rows: dict[str, list[dict[str, Any]]] = {}
        for number in range(first, min(runs, first + BATCH)):
            for table, row in _of_run(number, begin + timedelta(seconds=number * 365 * 86400 / runs), chance):
                rows.setdefault(table, []).append(row)
        with database.write() as transaction:
            for table in ("runs", "tries", "plans", "dataset_versions", "models", "evaluations"):
                some = rows[table]
                names = list(some[0])
                text = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})"
                transaction._connection.execute(sa.text(text), some)
    sums = (database.sql / "migrations" / "0007_run_figures.sql").read_text().split(";")
    with database.write() as transaction:
        transaction.script(";".join(text for text in sums if "INSERT INTO" in text) + ";ANALYZE;")


def _of_run(number: int, at: datetime, chance: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    dag = DAGS[number % len(DAGS)]
    key = {"dag_id": dag, "run_id": f"scheduled__{at:%Y-%m-%dT%H:%M:%S}.{number}", "repeat": 0}
    state = "running" if number % 100 == 99 else "failed" if number % 10 == 3 else "success"
    text = at.isoformat(timespec="microseconds")
    end = None if state == "running" else (at + timedelta(minutes=7)).isoformat(timespec="microseconds")
    version, day, size = f"v-{number}", f"{at:%Y-%m-%d}", chance.lognormvariate(0, 0.4)
    live = number >= 0 and state == "success" and number > 0
    verdict = {"outcome": "pass", "reasons": ["micro_f1 0.9 reaches the floor 0.5", "p99 latency is within the limit"]}
    yield "runs", {
        **key, "workload": dag, "team": "team", "site": "local", "partition_first": day, "partition_last": day,
        "run_type": "scheduled", "state": state, "reason": "done" if end else None, "quality_metric": "micro_f1",
        "verdict": json.dumps(verdict), "decision": "pass", "dataset_version": number,
        "model_version": version if live else None, "started_at": text, "finished_at": end, "revision": 1,
    }  # fmt: skip
    began = at
    for step, seconds in STEPS.items():
        wall = seconds * size * chance.uniform(0.9, 1.1)
        yield "tries", {
            **key, "task_id": step, "map_index": -1, "try_number": 1, "process_uid": "p", "step": step,
            "outcome": "ok", "reason": "done", "started_at": began.isoformat(timespec="microseconds"),
            "wall_seconds": wall, "cpu_seconds": wall, "peak_memory_bytes": int(2e9 * size), "joules": wall * 200,
            "energy_method": "rapl" if number % 3 else "estimated", "energy_coverage": 0.98, "committed_at": text,
        }  # fmt: skip
        began += timedelta(seconds=wall)
    plan = _plan(dag, number, at)
    yield "plans", {
        **key, "plan": plan, "sha256": "0" * 64, "stored_at": text, "seconds": 385.0, "peak_memory_bytes": 2e9,
        "joules": 77000.0, "cost": 0.02, "currency": "EUR", "cost_per_joule": 1e-7, "cost_per_second": 1e-5,
    }  # fmt: skip
    yield "dataset_versions", {
        "workload": dag, "version": number, "uri": f"file:///data/{dag}", "docs_uri": "file:///docs", **key,
        "published_at": text,
    }  # fmt: skip
    if not live:
        return
    yield "models", {
        "workload": dag, "version": version, "uri": f"file:///models/{dag}/{version}", "manifest_sha256": "0" * 64,
        "state": "retired", "dataset_uri": f"file:///data/{dag}", "dataset_version": number, "dataset_until": day,
        "size_bytes": 90_000_000, "export_error": 1e-6, "export_tolerance": 1e-4, **key, "created_at": text,
        "promoted_at": text,
    }  # fmt: skip
    scores = [{"label": label, "support": 9, "precision": 0.9, "recall": 0.9, "f1": 0.9} for label in LABELS]
    quality = {
        "model": {"workload": dag, "version": version, "uri": "file:///m", "manifest_sha256": "0" * 64}, "rows": 900,
        "micro_f1": 0.9, "macro_f1": 0.9, "calibration_error": 0.02, "labels": scores,
        "serving": {"requests": 200, "p50_latency_seconds": 0.01, "p99_latency_seconds": 0.02,
                    "joules_per_request": 1.5, "energy_method": "rapl", "peak_memory_bytes": 10**9},
    }  # fmt: skip
    yield "evaluations", {
        "workload": dag, "version": version, **key, "role": "candidate", "row_count": 900,
        "micro_f1": chance.uniform(0.6, 0.95), "macro_f1": 0.9, "calibration_error": 0.02, "p50_latency_seconds": 0.01,
        "p99_latency_seconds": 0.02, "joules_per_request": 1.5, "energy_method": "rapl", "peak_memory_bytes": 10**9,
        "quality": json.dumps(quality), "evaluated_at": text,
    }  # fmt: skip


def _plan(dag: str, number: int, at: datetime) -> str:
    whole = Quantity(p50=385, p90=600)
    return Plan(
        made_at=at, dataset=DatasetVersion(workload=dag, uri=f"file:///data/{dag}", version=number, until=at.date()),
        model_parameters=22_700_000, forward_flops_per_row=1e9, training_flops=1e15, train_rows=4000,
        seconds_by_step={step: Quantity(p50=p50, p90=p50 * 1.6) for step, p50 in STEPS.items()}, seconds=whole,
        peak_memory_bytes=Quantity(p50=2e9, p90=3e9), joules=Quantity(p50=77000, p90=120000),
        cost=Quantity(p50=0.02, p90=0.03),
        currency="EUR", bottleneck="compute", sha256="0" * 64,
        hardware=Hardware(name="cpu", cores=2, gflops_per_core=88, idle_watts_per_core=1, active_watts_per_core=3,
                          memory_bytes=2**33),
    ).model_dump_json()  # fmt: skip
