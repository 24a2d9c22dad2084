"""Power of a site: the watts that its trainings draw together, and the queue for them."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from millrace.ledger.database import Database, written
from millrace.ledger.records import PowerClaim, RunKey

# a run that has not renewed its claim for this long no longer blocks later ones
_SEEN_WITHIN = timedelta(minutes=15)


def claim(
    database: Database, run: RunKey, site: str, *, watts: float, cap_watts: float, lasts: timedelta
) -> PowerClaim:
    """See Ledger.claim_power."""
    key = asdict(run)
    with database.write() as transaction:
        transaction.execute("lock_power_site", site=site)
        # read the clock after the lock, so that times follow the order of the claims
        moment = datetime.now(UTC)
        at = written(moment)
        (own,) = transaction.all("upsert_power_claim", **key, site=site, watts=watts, at=at)
        (others,) = transaction.all(
            "select_power_queue",
            **key,
            site=site,
            at=at,
            asked_at=own["asked_at"],
            seen_since=written(moment - _SEEN_WITHIN),
        )
        fits = not others["ahead"] and others["drawn_watts"] + watts <= cap_watts
        taken = own["taken_until"] is not None or fits
        if taken:
            transaction.execute("take_power", **key, taken_until=written(moment + lasts))
    return PowerClaim(
        taken, datetime.fromisoformat(own["asked_at"]), float(others["drawn_watts"]), int(others["ahead"])
    )
