"""A run that waits for its hours and then for the site's watts, on a real Airflow: no worker is held by either."""

from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from typing import Any

from aiosmtpd.controller import Controller

from millrace.ledger.records import PowerClaim
from tests.e2e.conftest import AirflowEnv

DAG = "machine_hours"


def test_a_run_waits_for_its_hours_until_a_person_lets_it_and_for_watts_until_there_are_some(
    airflow_env: AirflowEnv, first_day: date
) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [f"{(hour + timedelta(hours=ahead)).isoformat()},{20 if ahead == 4 else 400}" for ahead in range(16)]
    airflow_env.forecast.write_text("\n".join(("hour,gco2e_per_kwh", *hours)))
    airflow_env.deliver(first_day, DAG, rows=400)
    airflow_env.ledger.open_run(
        "other", "trains", workload="other", team="t", site="local", partition_first=first_day,
        partition_last=first_day, run_type="manual",
    )  # fmt: skip
    cap = airflow_env.power_cap_watts
    claim = PowerClaim("local", watts=cap, cap_watts=cap, lasts=timedelta(hours=1))
    assert airflow_env.ledger.reserve("other", "trains", 0, [claim])[0].held

    run_id = airflow_env.run(DAG, partition_from=f"{first_day}", partition_to=f"{first_day}")

    def held(task: str) -> bool:
        return bool(airflow_env.api.tasks(DAG, run_id)[task]["state"] == "deferred")

    airflow_env.wait(lambda: held("await_start"), "await_start is deferred")
    airflow_env.wait(lambda: ".trigger." in airflow_env.log(DAG, run_id, "await_start"), "the trigger's log")
    assert "Could not read" not in airflow_env.log(DAG, run_id, "await_start")
    start = airflow_env.ledger.plan(DAG, run_id).start
    assert start.at == hour + timedelta(hours=4)
    assert start.rates == f"the forecast {airflow_env.forecast}"
    airflow_env.api.mark_task(DAG, run_id, "await_start", "success")
    airflow_env.wait(lambda: held("train"), "train is deferred")
    airflow_env.ledger.close_run("other", "trains", 0, state="failed", reason="ended by the test")
    row = airflow_env.finish(run_id, DAG)
    assert row["state"] == "success", row
    assert row["predicted_gco2e"] is None, "the site has no PUE"


class Mailbox:
    """What a mail server was given: subject and text."""

    def __init__(self) -> None:
        self.mails: set[tuple[str, str]] = set()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        mail = message_from_bytes(envelope.content)
        text = next(part for part in mail.walk() if not part.is_multipart())
        content = text.get_payload(decode=True)
        assert isinstance(content, bytes)
        self.mails.add((mail["Subject"], content.decode().strip()))
        return "250 OK"


def test_people_are_told_by_mail_of_a_run_that_failed_and_of_one_that_is_late(
    airflow_env: AirflowEnv, first_day: date
) -> None:
    """Late is later than the plan of the run above says; that run, the first, had nothing to be late by."""
    day = first_day + timedelta(days=1)
    airflow_env.deliver(day, DAG).write_text("")
    mailbox = Mailbox()
    with_server = Controller(mailbox, hostname="127.0.0.1", port=airflow_env.mail_port)
    with_server.start()
    try:
        run_id = airflow_env.run(DAG, partition_from=f"{day}", partition_to=f"{day}")
        assert airflow_env.finish(run_id, DAG)["state"] == "failed"
        airflow_env.wait(lambda: len(mailbox.mails) >= 2, "two mails", timeout_seconds=120)
    finally:
        with_server.stop()
    assert mailbox.mails == {("needs somebody", run_id), ("is late", run_id)}
