"""The site's power cap: trainings claim their watts, first come, first served."""

from datetime import UTC, datetime, timedelta

from millrace.contracts.errors import RefusedError
from millrace.contracts.plan import Plan
from millrace.contracts.reasons import ReasonCode
from millrace.ledger.records import PowerClaim, Reserved
from millrace.policies.reservation import Need
from millrace.policies.ruling import Admission, Allow, Defer

_NEXT_LOOK = timedelta(minutes=1)
_PATIENCE = timedelta(hours=24)


def fits_power_cap(admission: Admission) -> Allow:
    """Raise RefusedError if the training alone draws more than the site's power cap."""
    plan, cap_watts = admission.plan, admission.site.power_cap_watts
    if cap_watts is not None and _watts(plan) > cap_watts:
        raise RefusedError(
            f"the training draws {_watts(plan):,.0f} W, and the site may draw {cap_watts:,.0f} W",
            where=f"{admission.run.dag_id} / {admission.run.run_id}, on {plan.hardware.name}",
            rule="power_cap_watts of the site, held against the P90 of the training's planned watts",
            remedy="ask for fewer workers or other hardware, or raise the cap in the catalogue",
            code=ReasonCode.OVER_POWER_CAP,
        )
    return Allow()


class PowerCap:
    """The watts that the site's trainings may draw together."""

    def claim(self, need: Need) -> PowerClaim | None:
        """Return the training's P90 watts; None without a cap."""
        admission, plan = need.admission, need.plan
        cap_watts = admission.site.power_cap_watts
        if cap_watts is None or plan is None:
            return None
        workload = admission.run.workload
        # each attempt renews the claim; a restart within an attempt does not
        lasts = workload.step_timeout * (workload.retries + 1)
        return PowerClaim(admission.settings.site, _watts(plan), cap_watts, lasts)

    def ruling(self, need: Need, reserved: Reserved) -> Allow | Defer:
        """Defer by one minute while the watts are taken.

        Raises RefusedError if they are not available by the deadline of the workload's start policy or, without a
        policy, within 24 hours.
        """
        claim, plan = self.claim(need), need.plan
        if reserved.held or claim is None or plan is None or reserved.asked_at is None:
            return Allow()
        about = (
            f"{reserved.drawn_watts:,.0f} W of the {claim.cap_watts:,.0f} W of site {claim.name} are taken, this "
            f"training draws {claim.watts:,.0f} W"
        )
        about += f", and {reserved.ahead} that asked earlier wait too" if reserved.ahead else ""
        now = datetime.now(UTC)
        if now >= (plan.start.deadline if plan.start else reserved.asked_at + _PATIENCE):
            run = need.admission.run
            raise RefusedError(
                f"no watts for the training: {about}",
                where=f"{run.dag_id} / {run.run_id}, site {claim.name}",
                rule="the site's power_cap_watts, until the deadline of the workload's policy, or for 24 hours",
                remedy="trigger it again when less is trained, or raise the cap in the catalogue",
                code=ReasonCode.OVER_POWER_CAP,
            )
        return Defer(now + _NEXT_LOOK, about)


def _watts(plan: Plan) -> float:
    """Return the training's P90 watts; 0 for plans of old versions, which have none."""
    return plan.train_watts.p90 if plan.train_watts else 0.0
