"""The process launcher with real processes."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

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
    pid = launcher.start_service("fake", spec, spec.model_dump_json().encode(), ["--quiet"])
    try:
        assert launcher.service_running(spec.state_uri)
        assert os.getsid(pid) == pid
    finally:
        assert launcher.stop_service(spec.state_uri)
    assert not launcher.service_running(spec.state_uri)
    assert not launcher.stop_service(spec.state_uri)


@pytest.mark.parametrize("stubborn", [False, True])
def test_what_works_on_an_order_is_ended_and_no_other(launcher: ProcessLauncher, spec: RunSpec, stubborn: bool) -> None:
    (attempt_of(spec) / "wait").touch()
    if stubborn:
        (attempt_of(spec) / "stubborn").touch()
    earlier = spec.model_copy(update={"attempt_uri": spec.attempt_uri.replace("try-1", "try-0")})
    process = psutil.Process(launcher.start_service("fake", spec, spec.model_dump_json().encode(), []))
    try:
        assert launcher.at_work(earlier.attempt_uri) is None
        launcher.end(earlier.attempt_uri)
        assert process.is_running()
        assert (launcher.at_work(spec.attempt_uri) or "").split(":")[2] == str(process.pid)
    finally:
        launcher.end(spec.attempt_uri)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert launcher.at_work(spec.attempt_uri) is None


def test_a_missing_environment_names_its_remedy(launcher: ProcessLauncher, spec: RunSpec) -> None:
    with pytest.raises(BadInputError, match="make setup"):
        launcher.run("absent", spec, print)


def test_a_step_on_spark_is_the_same_package_in_sparks_environment(launcher: ProcessLauncher, spec: RunSpec) -> None:
    task = ValidateTask(staged=(), dataset_uri="file:///t", live_profile=None, base_model=None, engine="spark")
    on_spark = spec.model_copy(update={"task": task})
    with pytest.raises(BadInputError, match="images/spark is not there"):
        launcher.run("fake", on_spark, lambda line: None)
    (launcher.environments / "fake").rename(launcher.environments / "spark")
    assert launcher.run("fake", on_spark, lambda line: None).exit_code == 0


@pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/usr/bin/python3").exists(), reason="root runs the system's Python here"
)
def test_a_step_runs_as_a_user_of_its_own_and_is_ended_all_the_same(
    spec: RunSpec, launcher: ProcessLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TemporaryDirectory() as folder:  # pytest's own are for their user alone
        Path(folder).chmod(0o755)
        shutil.copytree(launcher.repository, Path(folder) / "repository")
        repository = Path(folder) / "repository"
        other = replace(launcher, repository=repository, environments=Path(folder), step_user="65533")
        check_user(other, spec, monkeypatch)


def check_user(other: ProcessLauncher, spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    step = other.repository / "images" / "fake" / "millrace_fake" / "__main__.py"
    step.write_text(
        "import os, time\nprint(os.getresuid(), os.getresgid(), os.getgroups(), flush=True)\ntime.sleep(60)"
    )
    python = other.environments / "fake" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/usr/bin/python3")  # which others may run, too
    lines: list[str] = []

    def look(line: str) -> None:
        lines.append(line)
        raise TimeoutError  # as where a task is told to end

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", refuse)  # a supervisor with no right over other users' processes, as Airflow is
    with pytest.raises(TimeoutError):
        other.run("fake", spec, look)
    assert lines == ["(65533, 65533, 65533) (65533, 65533, 65533) []"]
    assert other.at_work(spec.attempt_uri) is None
