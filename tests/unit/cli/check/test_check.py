"""``python -m millrace check``: all mistakes of all files, by exit code, without Airflow's cost."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import millrace.orchestration.schedules
from millrace.cli.check.files import check, dag_files

HEAVY = {"airflow", "tensorflow", "keras", "pyarrow", "sqlalchemy", "numpy", "millrace.settings"}


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "importtime", "-m", "millrace", "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def imported(done: subprocess.CompletedProcess[str]) -> set[str]:
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def test_all_mistakes_are_told_with_their_lines_and_without_importing_what_is_slow(write: Callable[..., Path]) -> None:
    file = write(
        ('format="csv"', 'formt="csv"'),
        ('name="city"', 'name="Home City"'),
        ('"amount", "price"),', '"amount", "again"),'),
        ("epochs=5", "epochs=0"),
        ('"hidden": "32"', '"hiden": "32"'),
        ("quality_floor=0.5", "quality_floor=50"),
        ('team="orders"', 'team="Orders!"'),
    )
    done = run(file)
    assert done.returncode == 1
    for word in ("'formt'", "home_city", "'again' is among", "epochs is 0", "'hiden'", "quality_floor", "Orders!"):
        assert word in done.stdout, done.stdout
    assert done.stdout.count("remedy:") == done.stdout.count(f"{file}:") == 7, done.stdout
    assert done.stderr.rstrip().endswith("7 mistakes")
    assert not {name.split(".")[0] for name in imported(done)} & HEAVY
    assert "millrace.settings" not in imported(done)
    assert "millrace.cli.check.evaluate" in imported(done)


def test_exit_codes_say_sound_broken_and_misused(write: Callable[..., Path]) -> None:
    file = write()
    sound, broken, misused = run(file), run(file.with_name("missing.py")), run()
    assert (sound.returncode, broken.returncode, misused.returncode) == (0, 1, 2)
    assert "workload orders, nothing is wrong" in sound.stdout
    assert "missing.py:1: No such file" in broken.stdout


def test_a_name_is_in_one_file_only(write: Callable[..., Path]) -> None:
    first = write()
    second = write(name="second")
    found = check([first, second]).findings
    assert [finding.file for finding in found] == [second, second]
    assert "named like its file" in found[0].rule
    assert f"{first}:20 has this one" in found[1].rule


def test_what_airflow_gives_is_stood_in_for(write: Callable[..., Path]) -> None:
    file = write(
        ("from datetime import date", "from airflow.providers.smtp.notifications.smtp import SmtpNotifier\n"
         "from airflow.sdk import AsyncCallback, DeadlineAlert, Variable\n"
         "from millrace.orchestration.deadlines import PredictedFinish\nfrom datetime import date"),
        ("        gate=GatePolicy(quality_floor=0.5),\n    )\n",
         "        gate=GatePolicy(quality_floor=0.5),\n    ),\n    notifiers=[SmtpNotifier(to='ml@example.org')],\n"
         "    deadline=DeadlineAlert(PredictedFinish(), timedelta(minutes=10), AsyncCallback(SmtpNotifier, {})),\n"),
        ("epochs=5", "epochs=Variable.get('epochs')"),
    )  # fmt: skip
    real = millrace.orchestration.schedules
    assert check([file]).findings == []
    assert millrace.orchestration.schedules is real, "a stand-in stayed behind"


def test_a_dag_of_airflows_own_is_no_mistake_and_an_empty_file_is(write: Callable[..., Path]) -> None:
    own = write(
        name="own", text='from airflow.sdk import DAG, task\nwith DAG("own"):\n    @task\n    def go(): ...\n    go()\n'
    )
    empty = write(name="empty", text='"""Airflow DAG of the day after tomorrow."""\n')
    checked = check(dag_files([own.parent]))
    found = checked.findings
    assert [(finding.file, finding.line) for finding in found] == [(empty, 1)]
    assert checked.workloads[own] == []


def test_workloads_made_in_a_loop_from_a_neighbour_are_each_looked_at(write: Callable[..., Path]) -> None:
    write(("dag = build_dag(\n    Workload(", "def made(epochs):\n  return build_dag(\n    Workload("),
          ("epochs=5", "epochs=epochs"), name="shared")  # fmt: skip
    file = write(
        name="orders",
        text='"""Airflow DAG."""\nfrom shared import made\nfor epochs in (1, 2, 200):\n    made(epochs)\n',
    )
    found = check([file]).findings
    assert len([finding for finding in found if "epochs is 200" in finding.what]) == 1, found


def test_a_file_that_leaves_nothing_behind(write: Callable[..., Path]) -> None:
    before = set(sys.modules)
    check([write(("from datetime import date", "import airflow.sdk.nothing\nfrom datetime import date"))])
    assert "airflow.sdk.nothing" not in set(sys.modules) - before


def test_a_neighbour_that_is_imported_keeps_its_own_name_and_tells_its_mistakes_once(
    write: Callable[..., Path],
) -> None:
    shared = write(
        ('"amount", type="float64"', '"amount", type="flaot64"'), ('name="orders"', 'name="shared"'), name="shared"
    )
    file = write(("COLUMNS = (", "from shared import COLUMNS as SHARED\nCOLUMNS = (*SHARED[:0],"))
    alone, both = check([file]), check([shared, file])
    assert [(finding.file, finding.line) for finding in alone.findings] == [(shared, 11)]
    assert [(finding.file, finding.line) for finding in both.findings] == [(shared, 11)]
    assert both.workloads == {shared: ["shared"], file: ["orders"]}


def test_what_only_airflow_knows_is_said_to_be_unknown(write: Callable[..., Path]) -> None:
    file = write(
        ("from datetime import date", "from airflow.sdk import Variable\nfrom datetime import date"),
        ("epochs=5", "epochs=int(Variable.get('epochs'))"),
    )
    checked = check([file])
    assert checked.findings == []
    assert "needs Airflow" in checked.remarks[0]


def test_files_of_any_bytes_are_told_apart_from_python(tmp_path: Path) -> None:
    for number, content in enumerate((b"\xff\xfe\x00", b"x = '\xe9'\n", b"\0", b"def f(:\n", b"  x = 1\n y = 2\n")):
        file = tmp_path / f"f{number}.py"
        file.write_bytes(content)
        (finding,) = check([file]).findings
        assert finding.what.startswith("no Python"), finding
