"""Which settings and which declaration are in force, as short texts, so that the audit can say what changed."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_settings import BaseSettings

from millrace.contracts.workload import Workload
from millrace.settings import KubernetesSettings, Settings

# where one machine keeps things: it differs between machines and decides nothing
_OF_A_MACHINE = {"home", "environments"}
_USER = re.compile(r"(?<=//)[^/@\s]*@")
_QUERY = re.compile(r"(?<=[^\s])\?\S*=\S*")
_LONGEST = 200


def in_force(workload: Workload, settings: Settings) -> dict[str, dict[str, str]]:
    """By subject, the site's settings (with its catalogue's digest) and the workload's declaration.

    URLs are without users, passwords and queries; of what may be a secret (a setting that has no ``repr``) it is said
    whether it is set.
    """
    named = _named(settings, "", _OF_A_MACHINE)
    if settings.launcher == "kubernetes":
        named |= _named(KubernetesSettings(), "kubernetes_", set())
    catalogue = settings.catalogue
    named["catalogue"] = hashlib.sha256(catalogue.read_bytes()).hexdigest() if catalogue.is_file() else "no such file"
    declared = dict(_flat("", workload.model_dump(mode="json")))
    return {of_site(settings): named, f"workload {workload.name}": declared}


def of_site(settings: Settings) -> str:
    """The subject that a site's settings have."""
    return f"settings of site {settings.site}"


def _named(settings: BaseSettings, prefix: str, without: set[str]) -> dict[str, str]:
    fields = type(settings).model_fields
    secret = {name for name, field in fields.items() if not field.repr}
    plain = settings.model_dump(mode="json", exclude=without | secret)
    named = dict(_flat("", {f"{prefix}{name}": value for name, value in plain.items()}))
    return named | {f"{prefix}{name}": "set" if getattr(settings, name) else "not set" for name in secret}


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - what JSON holds
    """Each leaf by its path."""
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else str(name), part)
    elif isinstance(value, list) and value:
        for number, part in enumerate(value):
            yield from _flat(f"{prefix}.{number}", part)
    else:
        yield prefix, _plain(value)


def _plain(value: Any) -> str:  # noqa: ANN401 - what JSON holds
    text = "not set" if value is None or value == "" else str(value)
    text = _USER.sub("", text)
    text = _QUERY.sub("", text) if "://" in text else text
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}… (sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]})"
