"""Which policies hold for which step of a run."""

from millrace.policies.budget import BackfillBudget, TeamBudget
from millrace.policies.newest_run import newest_run
from millrace.policies.power_cap import PowerCap, fits_power_cap
from millrace.policies.reservation import reserve
from millrace.policies.ruling import all_of

_BUDGETS = (BackfillBudget(), TeamBudget())

data_within_budget = reserve(_BUDGETS, of_plan=False)
"""Of the first step: both budgets hold the predicted cost of the run's data steps."""

may_train = all_of(newest_run, fits_power_cap, reserve(_BUDGETS))
"""Of the wait before a training: the run is to train, and both budgets hold its plan's predicted cost."""

may_begin_training = all_of(newest_run, fits_power_cap, reserve((*_BUDGETS, PowerCap())))
"""Of a training: as ``may_train``, and the site has the watts now."""
