"""The wheel beside stock Airflow: no file copied, no setting of Airflow changed for it."""

import json
import random
import subprocess
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

DAY = (date.today() - timedelta(days=1)).replace(day=1)
# what a task of another DAG does: Airflow loads the plugins, and their listeners hear of the task
OTHER_DAG = """
import sys
from types import SimpleNamespace
from airflow.sdk.listener import get_listener_manager
from airflow.listeners.listener import get_listener_manager as of_scheduler

row = SimpleNamespace(dag_id="another", state="success")
get_listener_manager().hook.on_task_instance_success(previous_state=None, task_instance=row)
run = SimpleNamespace(dag_id="another", run_id="r", dag=SimpleNamespace(tags={"theirs"}))
for hook in ("on_dag_run_running", "on_dag_run_success", "on_dag_run_failed"):
    getattr(of_scheduler().hook, hook)(dag_run=run, msg="")
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("millrace", "millrace_plugin")))
"""


def test_airflow_lists_the_plugin_by_its_entry_point(site: Any) -> None:
    (plugin,) = site.plugins()
    assert plugin["name"] == "millrace"
    assert plugin["source"].startswith("millrace==")
    assert not (site.home / "plugins").exists(), "no file is copied"


def test_a_process_that_runs_none_of_our_dags_imports_next_to_nothing(site: Any) -> None:
    loaded = site.call("python", "-c", OTHER_DAG).splitlines()[-1]
    assert json.loads(loaded.replace("'", '"')) == [
        "millrace",
        "millrace.airflow_plugin",
        "millrace.orchestration",
        "millrace.orchestration.cancelled_backfills",
        "millrace.orchestration.deadlines",
        "millrace.orchestration.plugin_listener",
        "millrace.pages",
        "millrace.pages.entry",
    ]


def test_what_needs_a_checkout_says_so(site: Any) -> None:
    program = str(site.environment / "bin" / "millrace")
    done = subprocess.run(
        [program, "demo"], env=site.variables, cwd=site.home, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "checkout" in done.stderr


def test_files_beside_the_code_are_found(site: Any) -> None:
    manifests = site.call("millrace", "tenants", "manifests", "ml", "--add", "ml/churn")
    assert "kind: NetworkPolicy" in manifests
    assert "bert-base" in site.call(
        "millrace", "plan", "--model", "bert-base", "--rows", "1000", "--hardware", "8xh100-sxm"
    )
    (wheel,) = site.environment.glob("lib/*/site-packages/millrace-*.dist-info")
    assert site.call("millrace", "--version").split() == wheel.name.removesuffix(".dist-info").split("-")


def arrivals(rows: int = 1_000) -> str:
    chance = random.Random(7)
    lines = ["id,amount,duration,label"]
    for number in range(rows):
        high = number % 2
        amount, duration = chance.gauss(4 * high, 1), abs(chance.gauss(5 + 9 * high, 1))
        lines.append(f"{number},{amount:.3f},{duration:.3f},{('no', 'yes')[high]}")
    return "\n".join(lines) + "\n"


def test_a_workload_outside_the_repository_runs_to_a_served_model(site: Any, repository: Path) -> None:
    site.call("millrace", "new-workload", "churn")
    workload = site.home / "dags" / "churn.py"
    workload.write_text(workload.read_text().replace("        start=", "        schedule=None,\n        start="))
    assert "nothing is wrong" in site.call("millrace", "check", str(workload))
    file = site.home / "millrace" / "arrivals" / "churn" / f"{DAY}.csv"
    file.parent.mkdir(parents=True)
    file.write_text(arrivals())

    def runs() -> list[dict[str, object]]:
        return list(json.loads(site.call("millrace", "ledger", "runs", "--output", "json")))

    with site.running():
        site.wait(lambda: "churn" in site.call("airflow", "dags", "list", "--output", "plain"), "the DAG is parsed")
        site.call("airflow", "dags", "unpause", "--yes", "churn")
        window = json.dumps({"partition_from": f"{DAY}", "partition_to": f"{DAY}"})
        site.call("airflow", "dags", "trigger", "churn", "--conf", window)
        (run,) = site.wait(lambda: [row for row in runs() if row["state"] != "running"], "the run ends")
        assert (run["state"], run["decision"]) == ("success", "pass"), run["reason"]
        assert str(run["address"]).startswith("http://127.0.0.1:")
    for path in site.home.rglob("*"):
        assert str(repository) not in str(path.resolve()), f"{path} leads into the checkout"


def test_uninstalling_leaves_nothing(site: Any, repository: Path) -> None:
    before = {path for path in site.environment.rglob("*") if "millrace" in path.name.lower()}
    assert before
    uv, python = repository / ".venvs" / "uv" / "bin" / "uv", site.environment / "bin" / "python"
    subprocess.run([uv, "pip", "uninstall", "-q", "--python", python, "millrace"], check=True)
    assert [path for path in site.environment.rglob("*") if "millrace" in path.name.lower()] == []
    assert site.plugins() == []
    with pytest.raises(AssertionError, match="No module named"):
        # without the current folder, which has the site's data in a folder of that name
        site.call("python", "-P", "-c", "import millrace")
