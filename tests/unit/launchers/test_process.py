"""The process launcher with real processes."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from millrace.contracts.errors import BadInputError
from millrace.contracts.run_spec import RunSpec, ValidateTask
from millrace.launchers.process import ProcessLauncher
from millrace.storage import files

STEP = """
    import os, signal, sys, time
    from pathlib import Path
    folder = Path(os.getcwd())
    print("path", os.environ["PYTHONPATH"])
    print("secret", os.environ.get("SOME_PASSWORD"))
    (folder / "pid").write_text(str(os.getpid()))
    if (folder / "stubborn").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while (folder / "wait").exists():
        time.sleep(0.05)
    sys.stdout.write("last line without an end")
    sys.exit(int((folder / "exit").read_text()) if (folder / "exit").exists() else 0)
"""


@pytest.fixture
def launcher(tmp_path: Path) -> ProcessLauncher:
    package = tmp_path / "repository" / "images" / "fake" / "millrace_fake"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(textwrap.dedent(STEP))
    python = tmp_path / "environments" / "fake" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return ProcessLauncher(tmp_path / "repository", tmp_path / "environments", tmp_path, stop_grace_seconds=1)


def attempt_of(spec: RunSpec) -> Path:
    folder = files.local_path(spec.attempt_uri)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_lines_and_exit_code_come_back_and_no_secret_goes_in(
    launcher: ProcessLauncher, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "hunter2hunter2")
    (attempt_of(spec) / "exit").write_text("10")
    lines: list[str] = []
    ended = launcher.run("fake", spec, lines.append)
    assert ended.exit_code == 10
    assert lines[1:] == ["secret None", "last line without an end"]
    assert lines[0] == f"path {launcher.repository}/plugins:{launcher.repository}/images/fake"


def test_a_module_answers_or_its_last_words_are_said(launcher: ProcessLauncher) -> None:
    module = launcher.repository / "images" / "fake" / "millrace_fake" / "echo.py"
    module.write_text("import sys\nprint(sys.stdin.read().upper())")
    assert launcher.answer("fake", "echo", "what") == "WHAT\n"
    module.write_text("raise SystemExit('I cannot')")
    with pytest.raises(BadInputError, match="I cannot"):
        launcher.answer("fake", "echo", "what")


def test_a_signal_is_a_negative_exit_code(launcher: ProcessLauncher, spec: RunSpec) -> None:
    folder = attempt_of(spec)
    (folder / "wait").touch()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import time,os,pathlib\np=pathlib.Path({str(folder / 'pid')!r})\n"
            "while not p.exists() or not p.read_text(): time.sleep(.02)\nos.kill(int(p.read_text()),9)",
        ]
    )
    assert launcher.run("fake", spec, lambda line: None).exit_code == -signal.SIGKILL
    assert process.wait(10) == 0


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_new_try_ends_the_orphan_of_a_killed_supervisor(
    launcher: ProcessLauncher, spec: RunSpec, stubborn: bool
) -> None:
    orphan_folder = attempt_of(spec)
    (orphan_folder / "wait").touch()
    if stubborn:
        (orphan_folder / "stubborn").touch()
    code = textwrap.dedent(f"""
        from pathlib import Path
        from millrace.contracts.run_spec import RunSpec, ValidateTask
        from millrace.launchers.process import ProcessLauncher
        spec = RunSpec.model_validate_json({spec.model_dump_json()!r})
        folders = {[str(launcher.repository), str(launcher.environments), str(launcher.scratch)]!r}
        launcher = ProcessLauncher(*map(Path, folders), 1)
        launcher.run("fake", spec, print)
    """)
    supervisor = subprocess.Popen([sys.executable, "-c", code])
    pid_file = orphan_folder / "pid"
    deadline = time.monotonic() + 20
    while not (pid_file.exists() and pid_file.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    supervisor.kill()
    supervisor.wait()
    orphan = psutil.Process(int(pid_file.read_text()))
    assert orphan.is_running()

    second = spec.model_copy(update={"attempt_uri": spec.attempt_uri.replace("try-1", "try-2")})
    assert launcher.run("fake", second, lambda line: None).exit_code == 0
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE


def test_a_service_outlives_its_starter_and_ends_when_asked(launcher: ProcessLauncher, spec: RunSpec) -> None:
    (attempt_of(spec) / "wait").touch()
    pid = launcher.start_service("fake", spec)
    try:
        assert launcher.service_running(spec.state_uri)
        assert os.getsid(pid) == pid
    finally:
        assert launcher.stop_service(spec.state_uri)
    assert not launcher.service_running(spec.state_uri)
    assert not launcher.stop_service(spec.state_uri)


def test_a_missing_environment_names_its_remedy(launcher: ProcessLauncher, spec: RunSpec) -> None:
    with pytest.raises(BadInputError, match="make setup"):
        launcher.run("absent", spec, print)


def test_a_step_on_spark_is_the_same_package_in_sparks_environment(launcher: ProcessLauncher, spec: RunSpec) -> None:
    fields = {"staged": (), "dataset_uri": "file:///t", "live_profile": None}
    task = ValidateTask(**fields, base_model=None, engine="spark")
    on_spark = spec.model_copy(update={"task": task})
    with pytest.raises(BadInputError, match="images/spark is not there"):
        launcher.run("fake", on_spark, lambda line: None)
    (launcher.environments / "fake").rename(launcher.environments / "spark")
    assert launcher.run("fake", on_spark, lambda line: None).exit_code == 0
