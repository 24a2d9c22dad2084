"""A run that waits for its hours and then for the site's watts, on a real Airflow: no worker is held by either."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

DAG = "machine_hours"


def test_a_run_waits_for_its_hours_until_a_person_lets_it_and_for_watts_until_there_are_some(
    plant: Any, first_day: date
) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [f"{(hour + timedelta(hours=ahead)).isoformat()},{20 if ahead == 4 else 400}" for ahead in range(16)]
    plant.forecast.write_text("\n".join(("hour,gco2e_per_kwh", *hours)))
    plant.deliver(first_day, DAG, rows=400)
    plant.ledger.open_run(
        "other", "trains", workload="other", team="t", site="local", partition_first=first_day,
        partition_last=first_day, run_type="manual",
    )  # fmt: skip
    whole = {"watts": plant.power_cap_watts, "cap_watts": plant.power_cap_watts, "lasts": timedelta(hours=1)}
    assert plant.ledger.claim_power("other", "trains", 0, "local", **whole).taken

    run_id = plant.run(DAG, partition_from=f"{first_day}", partition_to=f"{first_day}")

    def held(task: str) -> bool:
        return bool(plant.api.tasks(DAG, run_id)[task]["state"] == "deferred")

    plant.wait(lambda: held("await_start"), "await_start is deferred")
    start = plant.ledger.plan(DAG, run_id).start
    assert start.at == hour + timedelta(hours=4)
    assert start.rates == f"the forecast {plant.forecast}"
    plant.api.mark_task(DAG, run_id, "await_start", "success")
    plant.wait(lambda: held("train"), "train is deferred")
    plant.ledger.close_run("other", "trains", 0, state="failed", reason="ended by the test")
    row = plant.finish(run_id, DAG)
    assert row["state"] == "success", row
    assert row["predicted_gco2e"] is None, "the site has no PUE"
