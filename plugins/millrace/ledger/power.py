"""Watts of a site: what trainings draw together, and who waits for some."""

from datetime import UTC, datetime, timedelta

from millrace.ledger.database import Database
from millrace.ledger.records import PowerClaim, RunKey

# a run that has not looked for so long lets others pass
_SEEN_WITHIN = timedelta(minutes=15)


def claim(
    database: Database, run: RunKey, site: str, *, watts: float, cap_watts: float, lasts: timedelta
) -> PowerClaim:
    """See Ledger.claim_power."""
    key: dict[str, str | int] = {"dag_id": run.dag_id, "run_id": run.run_id, "repeat": run.repeat}
    with database.write() as transaction:
        transaction.execute("lock_power_site", site=site)
        # after the lock: whoever has it later asked later
        moment = datetime.now(UTC)
        at = _text(moment)
        (own,) = transaction.all("upsert_power_claim", **key, site=site, watts=watts, at=at)
        (others,) = transaction.all(
            "select_power_queue",
            **key,
            site=site,
            at=at,
            asked_at=own["asked_at"],
            seen_since=_text(moment - _SEEN_WITHIN),
        )
        fits = not others["ahead"] and others["drawn_watts"] + watts <= cap_watts
        taken = own["taken_until"] is not None or fits
        if taken:
            transaction.execute("take_power", **key, taken_until=_text(moment + lasts))
    return PowerClaim(
        taken, datetime.fromisoformat(own["asked_at"]), float(others["drawn_watts"]), int(others["ahead"])
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
