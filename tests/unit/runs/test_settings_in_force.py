"""What the audit says of settings: what changed, and no secret."""

from pathlib import Path

import pytest

from millrace.contracts.workload import Workload
from millrace.runs.settings_in_force import in_force, of_site
from millrace.settings import Settings

SECRETS = ("hunter2", "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ=", "s1gn4ture", "pr0m")


def test_no_secret_is_in_it(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    password, key, signature, other = SECRETS
    settings = Settings(
        ledger_url=f"postgresql://ada:{password}@db/ledger",
        signing_key=key,
        forecast_uri=f"https://store/forecast.csv?signature={signature}",
        prometheus_url=f"https://ada:{other}@prometheus",
    )
    found = in_force(workload, settings)
    for secret in SECRETS:
        assert secret not in str(found)
    site = found[of_site(settings)]
    assert (site["signing_key"], site["prometheus_url"]) == ("set", "set")
    assert (site["ledger_url"], site["forecast_uri"]) == ("postgresql://db/ledger", "https://store/forecast.csv")


def test_a_changed_catalogue_or_declaration_shows(workload: Workload, tmp_path: Path) -> None:
    catalogue = tmp_path / "site.yaml"
    catalogue.write_text("sites: {}")
    settings = Settings(catalogue=catalogue)
    before = in_force(workload, settings)
    assert before == in_force(workload, settings)
    catalogue.write_text("sites: {local: {}}")
    stricter = workload.model_copy(update={"gate": workload.gate.model_copy(update={"quality_floor": 0.7})})
    after = in_force(stricter, settings)
    changed = {name for subject, values in after.items() for name in values if before[subject][name] != values[name]}
    assert changed == {"catalogue", "gate.quality_floor"}
