"""Recorded traces: units in the header, power integrated, bad rows named."""

from pathlib import Path

import pytest

from millrace.contracts.errors import BadInputError
from tests.unit.energy.replay import read_trace

MLPERF = Path(__file__).parent / "mlperf_bert_8xh100_run0.csv"


def test_an_mlperf_run_has_the_published_energy_and_power() -> None:
    # MLPerf Training v4.0, BERT on 8 H100: 0.611 kWh and 6,859 W are the means over its runs, of 5.33 min; this one
    # took 4.62 min. The trace is the whole node's, which no EnergyMethod names.
    trace = read_trace(MLPERF)
    watts = trace.joules[-1] / trace.seconds[-1]
    assert watts == pytest.approx(6_859, rel=0.03)
    assert trace.joules_at(4.62 * 60) / 3.6e6 == pytest.approx(0.611 * 4.62 / 5.33, rel=0.03)
    assert trace.method is None


def test_power_is_integrated_by_trapezoids(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("time_milliseconds,package0_milliwatts\n5000,1000\n7000,3000\n8000,3000\n")
    trace = read_trace(path)
    assert trace.joules == pytest.approx((0, 4, 7))
    assert trace.joules_at(1) == pytest.approx(2)
    assert trace.joules_at(-1) == 0
    assert trace.method == "rapl"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("time_seconds,gpu0_joules\n0,1\n", "line 1"),
        ("seconds_time,gpu0_joules\n0,1\n1,2\n", "line 1"),
        ("time_seconds,gpu0_calories\n0,1\n1,2\n", "line 1"),
        ("time_seconds,gpu0_joules\n0,1\n1,two\n", "line 3"),
        ("time_seconds,gpu0_joules\n0,1\n1\n", "line 3"),
        ("time_seconds,gpu0_joules\n0,1\n1,2\n1,3\n", "line 4"),
        ("time_seconds,gpu0_joules\n0,5\n1,6\n2,4\n", "line 4"),
    ],
)
def test_a_bad_trace_names_its_line(tmp_path: Path, text: str, place: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(BadInputError, match=place) as caught:
        read_trace(path)
    assert str(path) in caught.value.where
