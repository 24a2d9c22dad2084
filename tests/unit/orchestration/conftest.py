"""Nothing outlives these tests but what they start themselves."""

import pytest

from millrace.orchestration import listeners


@pytest.fixture(autouse=True)
def _nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listeners ask a process that outlives whoever asks."""
    monkeypatch.setattr(listeners, "stop_run", lambda *_: None)
