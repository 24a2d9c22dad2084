"""The meter against real work in real processes."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from millrace.contracts.measurement import Hardware, MeterReading
from millrace.energy import processes
from millrace.energy.meter import Meter
from millrace.energy.processes import ProcessTree
from millrace.energy.sensors import Sensors
from tests.unit.energy.replay import ReplaySensors

BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", textwrap.dedent(code)]


def burn_here(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_own_cpu_time_and_a_stated_estimate(hardware: Hardware) -> None:
    with Meter(hardware, sensors=Sensors()) as meter:
        burn_here(0.6)
    reading = meter.reading()
    assert 0.5 <= reading.cpu_seconds < 1.1
    expected = 2 * 4 * reading.wall_seconds + 10 * reading.cpu_seconds
    assert reading.joules == pytest.approx(expected)
    assert (reading.energy_method, reading.energy_coverage) == ("estimated", 0.0)


def test_a_child_that_came_and_went_between_samples_counts_once(hardware: Hardware) -> None:
    meter = Meter(hardware, sensors=Sensors())
    with meter:
        meter.reading()
        subprocess.run(python(BURN.format(seconds=1.2)), check=True)
    assert 1.1 <= meter.reading().cpu_seconds < 2.0


def test_a_child_seen_alive_and_waited_for_later_counts_once(hardware: Hardware) -> None:
    code = f"{BURN.format(seconds=1.2)}\nprint(flush=True)\ninput()"
    with (
        Meter(hardware, sensors=Sensors()) as meter,
        subprocess.Popen(python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child,
    ):
        assert child.stdout
        child.stdout.readline()
        alive = meter.reading().cpu_seconds
        child.communicate(b"\n")
        ended = meter.reading().cpu_seconds
    assert 1.1 <= alive < 2.0
    assert alive - 0.05 <= ended < alive + 0.6


def test_grandchildren_count(hardware: Hardware) -> None:
    code = f"""
    import subprocess, sys
    subprocess.run([sys.executable, "-S", "-c", {BURN.format(seconds=1.0)!r}], check=True)
    """
    with Meter(hardware, sensors=Sensors()) as meter:
        subprocess.run(python(code), check=True)
    assert 0.9 <= meter.reading().cpu_seconds < 1.7


def test_a_grandchild_whose_parent_left_stays_counted(hardware: Hardware, tmp_path: Path) -> None:
    done, leave = tmp_path / "done", tmp_path / "leave"
    os.mkfifo(leave)
    code = f"""
    import os, pathlib, time
    if os.fork():
        os._exit(0) if pathlib.Path({str(tmp_path / "seen")!r}).read_text() else None
    os.setsid()
    while time.process_time() < 1.0: pass
    pathlib.Path({str(done)!r}).touch()
    open({str(leave)!r}).read()
    """
    os.mkfifo(tmp_path / "seen")
    with Meter(hardware, sensors=Sensors()) as meter:
        child = subprocess.Popen(python(code))
        while not done.exists():
            time.sleep(0.02)
        meter.reading()  # seen as a grandchild
        (tmp_path / "seen").write_text("go")
        child.wait()
        with leave.open("w"):
            orphaned = meter.reading().cpu_seconds
        time.sleep(0.2)
        gone = meter.reading().cpu_seconds
    assert 0.9 <= orphaned < 1.7
    assert gone >= orphaned - 0.05


def test_a_child_that_the_kernels_list_left_out_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = ProcessTree()
    before = tree.sample().cpu_seconds
    code = f"{BURN.format(seconds=1.0)}\nprint(flush=True)\ninput()"
    with subprocess.Popen(python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        tree.sample()
        with monkeypatch.context() as blind:
            blind.setattr(processes, "_children", lambda pid: iter(()))
            assert tree.sample().cpu_seconds - before >= 0.9
        child.communicate(b"\n")
    assert 0.9 <= tree.sample().cpu_seconds - before < 1.7


def test_peak_memory_sees_a_child(hardware: Hardware) -> None:
    code = "block = bytearray(200 << 20)\nprint(flush=True)\ninput()"
    with Meter(hardware, sensors=Sensors()) as meter:
        before = meter.reading().peak_memory_bytes
        with subprocess.Popen(python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout
            child.stdout.readline()
            meter.reading()
            child.communicate(b"\n")
    after = meter.reading().peak_memory_bytes
    assert before is not None
    assert after is not None
    assert 190 << 20 <= after - before < 300 << 20


def test_peak_memory_of_its_own_needs_no_luck_in_sampling() -> None:
    # In a process of its own: the kernel's mark holds a peak that was over between two samples.
    code = """
    from millrace.contracts.measurement import Hardware
    from millrace.energy.meter import Meter
    from millrace.energy.sensors import Sensors
    hardware = Hardware(name="x", cores=1, gflops_per_core=1, idle_watts_per_core=1, active_watts_per_core=1,
                        memory_bytes=1)
    with Meter(hardware, sensors=Sensors()) as meter:
        before = meter.reading().peak_memory_bytes
        bytearray(150 << 20)
    print(meter.reading().peak_memory_bytes - before)
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(python(code), check=True, capture_output=True, env=environment)
    assert 140 << 20 <= int(ran.stdout) < 200 << 20


def test_bytes_read_and_written_include_children(hardware: Hardware, tmp_path: Path) -> None:
    block = tmp_path / "block"
    block.write_bytes(b"x" * 3_000_000)
    code = f"import pathlib; p = pathlib.Path({str(block)!r}); p.with_suffix('.copy').write_bytes(p.read_bytes())"
    with Meter(hardware, sensors=Sensors()) as meter:
        block.read_bytes()
        subprocess.run(python(code), check=True)
    reading = meter.reading()
    assert reading.read_bytes is not None
    assert reading.written_bytes is not None
    assert reading.read_bytes >= 6_000_000
    assert 3_000_000 <= reading.written_bytes < 6_000_000


def test_the_reading_is_frozen_at_the_end(hardware: Hardware) -> None:
    with Meter(hardware, sensors=Sensors()) as meter:
        pass
    first = meter.reading()
    burn_here(0.2)
    assert meter.reading() == first


def test_sensors_and_their_coverage(hardware: Hardware, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("time_seconds,gpu0_watts\n0,100\n0.01,100\n")
    with Meter(hardware, sensors=ReplaySensors(trace)) as meter:
        burn_here(0.4)
    reading = meter.reading()
    assert reading.joules == pytest.approx(1.0)
    assert reading.energy_method == "nvml"
    assert reading.energy_coverage == pytest.approx(0.01 / reading.wall_seconds, rel=0.2)


def test_sensors_that_saw_it_all_cover_it_all(hardware: Hardware, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("time_seconds,package0_watts\n0,100\n1000,100\n")
    with Meter(hardware, sensors=ReplaySensors(trace)) as meter:
        burn_here(0.2)
    reading = meter.reading()
    assert (reading.energy_method, reading.energy_coverage) == ("rapl", 1.0)
    assert reading.joules == pytest.approx(100 * reading.wall_seconds, rel=0.3)


def test_a_store_that_fails_never_fails_the_step(hardware: Hardware, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_reading: MeterReading) -> None:
        raise RuntimeError("no bucket")

    with Meter(hardware, on_reading=refuse, sensors=Sensors()) as meter:
        pass
    assert meter.reading().wall_seconds >= 0
    assert "no bucket" in caplog.text


def test_sensors_that_raise_never_fail_the_step(hardware: Hardware, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Sensors):
        def sample(self) -> None:
            raise OSError("driver is gone")

    with Meter(hardware, sensors=Broken()) as meter:
        burn_here(0.1)
    assert meter.reading().energy_method == "estimated"
    assert "driver is gone" in caplog.text


def test_a_killed_step_leaves_its_last_reading(tmp_path: Path) -> None:
    kept = tmp_path / "meter.json"
    code = f"""
    import os, pathlib, time
    from millrace.contracts.measurement import Hardware
    from millrace.energy.meter import Meter
    hardware = Hardware(name="x", cores=1, gflops_per_core=1, idle_watts_per_core=1, active_watts_per_core=1,
                        memory_bytes=1)
    def keep(reading):
        part = pathlib.Path({str(kept)!r} + ".part")
        part.write_text(reading.model_dump_json())
        part.rename({str(kept)!r})
    with Meter(hardware, on_reading=keep, write_every_seconds=0.1):
        while not pathlib.Path({str(kept)!r}).exists():
            time.sleep(0.01)
        os.kill(os.getpid(), 9)
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(python(code), env=environment, check=False)
    assert ran.returncode == -9
    reading = MeterReading.model_validate_json(kept.read_text())
    assert reading.wall_seconds > 0
    assert reading.joules is not None
