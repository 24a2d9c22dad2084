"""A run's joules by a real Prometheus: MLPerf's power trace, replayed at several scrapes and phases."""

import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from millrace.energy.prometheus import MeteredEnergy, Prometheus, gpu_queries

BEGIN = 1_715_341_000.0
GPUS = ("GPU-a", "GPU-b")


def test_the_runs_joules_are_those_of_the_full_trace(replay: ModuleType) -> None:
    done = subprocess.run([sys.executable, str(replay.__file__)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("kept") == 6


@pytest.fixture(scope="module")
def url(replay: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two GPUs for ten minutes: pod "both" has a gauge and a counter, "gauge" no counter, "half" half a gauge."""
    home = tmp_path_factory.mktemp("meters")
    lines = ["# TYPE DCGM_FI_DEV_POWER_USAGE gauge"]
    for pod, seen in (("both", 600), ("gauge", 600), ("half", 300)):
        for uuid in GPUS:
            # the exporter was asked twice, so that every meter has two series
            for job in ("a", "b"):
                labels = f'namespace="steps",pod="{pod}",UUID="{uuid}",job="{job}"'
                for at in range(0, seen + 1, 15):
                    lines.append(f"DCGM_FI_DEV_POWER_USAGE{{{labels}}} 290 {BEGIN + at}")
    # no counter to OpenMetrics, whose counters' names end in _total
    lines.append("# TYPE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION unknown")
    for uuid in GPUS:
        for at in range(0, 601, 15):
            labels = f'namespace="steps",pod="both",UUID="{uuid}"'
            lines.append(f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{labels}}} {5e9 + 300_000 * at} {BEGIN + at}")
    metrics = home / "metrics"
    metrics.write_text("\n".join([*lines, "# EOF", ""]))
    with replay.prometheus(home, metrics) as address:
        yield address


def meter(url: str, pod: str) -> MeteredEnergy:
    return MeteredEnergy(Prometheus(url), gpu_queries(f'namespace="steps",pod=~"{pod}"'), scrape_seconds=15)


def test_a_counter_counts_before_a_gauge_and_a_meter_once(url: str) -> None:
    found = meter(url, "both").read(BEGIN + 7, BEGIN + 590)
    assert found.query is not None
    assert (found.query.kind, found.coverage) == ("counter", pytest.approx(1))
    assert found.joules == pytest.approx(2 * 300 * 583)


def test_a_gauge_is_integrated_where_there_is_no_counter(url: str) -> None:
    found = meter(url, "gauge").read(BEGIN + 7, BEGIN + 590)
    assert found.query is not None
    assert (found.query.kind, found.joules) == ("gauge", pytest.approx(2 * 290 * 583))


def test_too_little_coverage_is_unknown_with_a_reason(url: str) -> None:
    found = meter(url, "half").read(BEGIN, BEGIN + 600)
    assert found.joules is None
    assert found.coverage == pytest.approx(0.5, abs=0.01)
    assert "covers 50%" in str(found.reason)
    nobody = meter(url, "nobody").read(BEGIN, BEGIN + 600)
    assert (nobody.joules, nobody.coverage) == (None, 0.0)
    assert "no sample" in str(nobody.reason)


def test_a_prometheus_that_is_away_is_unknown_and_no_error() -> None:
    found = meter("http://me:secret@127.0.0.1:9", "both").read(BEGIN, BEGIN + 600)
    assert found.joules is None
    assert "does not answer" in str(found.reason)
    assert "secret" not in str(found.reason)
