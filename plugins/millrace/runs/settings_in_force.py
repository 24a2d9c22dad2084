"""The settings and the workload's declaration in force, as short texts, so that the audit can record changes."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_settings import BaseSettings

from millrace.contracts.workload import Workload
from millrace.settings import KubernetesSettings, Settings

# folders of one machine: they differ between machines and have no effect on results
_OF_A_MACHINE = {"home", "environments"}
_USER = re.compile(r"(?<=//)[^/@\s]*@")
_QUERY = re.compile(r"(?<=[^\s])\?\S*=\S*")
_LONGEST = 200


def in_force(workload: Workload, settings: Settings) -> dict[str, dict[str, str]]:
    """Return, by subject, the site's settings (with its catalogue's digest) and the workload's declaration.

    URLs have no users, passwords or queries. Of a setting that may be a secret (a field with ``repr=False``) the text
    is only "set" or "not set".
    """
    named = _named(settings, "", _OF_A_MACHINE)
    if settings.launcher == "kubernetes":
        named |= _named(KubernetesSettings(), "kubernetes_", set())
    catalogue = settings.catalogue
    named["catalogue"] = hashlib.sha256(catalogue.read_bytes()).hexdigest() if catalogue.is_file() else "no such file"
    declared = dict(_flat("", workload.model_dump(mode="json")))
    return {of_site(settings): named, f"workload {workload.name}": declared}


def of_site(settings: Settings) -> str:
    """Return the subject under which a site's settings are recorded."""
    return f"settings of site {settings.site}"


def _named(settings: BaseSettings, prefix: str, without: set[str]) -> dict[str, str]:
    fields = type(settings).model_fields
    secret = {name for name, field in fields.items() if not field.repr}
    plain = settings.model_dump(mode="json", exclude=without | secret)
    named = dict(_flat("", {f"{prefix}{name}": value for name, value in plain.items()}))
    return named | {f"{prefix}{name}": "set" if getattr(settings, name) else "not set" for name in secret}


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a JSON value
    """Yield each leaf of a JSON value as its dotted path and its text."""
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else str(name), part)
    elif isinstance(value, list) and value:
        for number, part in enumerate(value):
            yield from _flat(f"{prefix}.{number}", part)
    else:
        yield prefix, _plain(value)


def _plain(value: Any) -> str:  # noqa: ANN401 - a JSON value
    text = "not set" if value is None or value == "" else str(value)
    text = _USER.sub("", text)
    text = _QUERY.sub("", text) if "://" in text else text
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}… (sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]})"
