"""Record what a DAG file declares while it is executed, with all of its mistakes instead of the first only."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from millrace.cli.check.places import Calls, Site, locate, passed
from millrace.cli.check.stand_ins import StandIn
from millrace.contracts import workload_rules
from millrace.contracts.base import Contract
from millrace.contracts.mistakes import Mistake, closest, meant, written
from millrace.contracts.plain_words import mistakes_of
from millrace.contracts.workload import Workload


@dataclass(frozen=True)
class Finding:
    """A mistake with its file and line."""

    file: Path
    line: int
    what: str
    rule: str
    remedy: str
    where: str = ""

    def __str__(self) -> str:
        where = f"  where:  {self.where}\n" if self.where else ""
        return f"{self.file}:{self.line}: {self.what}\n{where}  rule:   {self.rule}\n  remedy: {self.remedy}"


class Recorder:
    """Recorder of the contracts that one file makes. An invalid document keeps its valid values, so that the file runs
    on and its other mistakes are found, too.
    """

    def __init__(self, folder: Path) -> None:
        self.findings: list[Finding] = []
        self.workloads: list[Workload] = []
        self.built: list[Workload] = []
        self.sites: dict[int, Site] = {}
        self._calls = Calls(folder)
        self._kept: list[Contract] = []
        self.broken: list[Contract] = []
        self.stopped = False
        self.takes: list[str] = []
        self.remarks: list[str] = []

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Context manager: contracts that the file makes are recorded, and a mistake in one raises no error."""
        original = Contract.__init__

        def noted(document: Contract, *values: object, **fields: object) -> None:
            site = self._calls.site(sys._getframe(1))
            if site is None:
                original(document, *values, **fields)
            else:
                self._make(original, document, site, values, fields)

        Contract.__init__ = noted  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            Contract.__init__ = original  # type: ignore[method-assign]

    def build_dag(self, *values: object, **keywords: object) -> StandIn:
        """Replace ``millrace.pipeline.build_dag``: record the workload and its mistakes; return a stand-in."""
        workload = values[0] if values else keywords.get("workload")
        for name in set(keywords) - set(self.takes):
            site, rule = self._calls.site(sys._getframe(1)), f"it takes {', '.join(self.takes)}"
            self.at(site, f"build_dag has no {name!r}", rule, meant(name, self.takes, "leave it out"))
        if isinstance(workload, Workload):
            self.built.append(workload)
            judged = workload
            if isinstance(keywords.get("schedule"), str):
                judged = workload.model_copy(update={"schedule": keywords["schedule"]})
                self.sites[id(judged)] = self.sites[id(workload)]
                self._kept.append(judged)
            for mistake in self._kept_rules(workload_rules.RULES, judged):
                self.add(judged, mistake)
        else:
            self.at(
                self._calls.site(sys._getframe(1)),
                f"build_dag got {type(workload).__name__ if values or keywords else 'nothing'}",
                "it takes a Workload",
                "write build_dag(Workload(…))",
            )
        return StandIn()

    def add(self, document: object, mistake: Mistake) -> None:
        """Record a mistake at its place in a document that the file made."""
        where = type(document).__name__ + (f".{written(mistake.place)}" if mistake.place else "")
        self.at(locate(document, mistake.place, self.sites), mistake.what, mistake.rule, mistake.remedy, where)

    def at(self, site: Site | None, what: str, rule: str, remedy: str, where: str = "") -> None:
        """Record a mistake at a line, once; without a site it has no file and line 1."""
        finding = Finding(site.file if site else Path(), site.line if site else 1, what, rule, remedy, where)
        if finding not in self.findings:
            self.findings.append(finding)

    def line_of(self, document: object, field: str) -> int:
        """Return the line of one of a document's values."""
        return locate(document, (field,), self.sites).line

    def _make(
        self,
        original: Callable[..., None],
        document: Contract,
        site: Site,
        values: tuple[object, ...],
        given: dict[str, Any],
    ) -> None:
        kind = type(document)
        self.sites[id(document)] = replace(site, given=given)
        self._kept.append(document)
        if isinstance(document, Workload):
            self.workloads.append(document)
        if values:
            names = list(kind.model_fields)
            self.at(
                site,
                f"{kind.__name__} got values without names",
                "each value is given by its name",
                f"write {kind.__name__}({names[0]}=…, …)",
            )
            given = {**dict(zip(names, values, strict=False)), **given}
        found: list[Mistake] = []
        try:
            original(document, **given)
        except ValidationError as error:
            unknown = {name for name, value in given.items() if isinstance(value, StandIn)}
            found = [each for each in mistakes_of(error, kind) if not unknown.intersection(each.place[:1])]
            # pydantic validates a nested document again, whose mistakes are recorded already
            found = [each for each in found if not self._is_broken(passed(document, each.place, self.sites)[1:])]
        except (AttributeError, TypeError, ValueError, LookupError):
            # a rule failed on a nested document whose mistakes are recorded already
            if not self.broken:
                raise
        else:
            return
        self.broken.append(document)
        wrong = set() if vars(document) else {each.place[0] for each in found if each.place}
        if not vars(document):
            _fill(document, given, wrong)
        rules = getattr(kind, "RULES", ())
        others = [each for each in self._kept_rules(rules, document) if not wrong.intersection(each.place[:1])]
        for mistake in [*found, *others]:
            self.add(document, mistake)

    def _is_broken(self, values: list[object]) -> bool:
        return any(value is each for each in self.broken for value in values)

    def _kept_rules(self, rules: Iterable[Callable[[Any], Iterable[Mistake]]], document: Contract) -> list[Mistake]:
        found: list[Mistake] = []
        for rule in rules:
            try:
                found += rule(document)
            except (AttributeError, TypeError, ValueError, LookupError):
                if not self.broken:
                    raise
        return found


def _fill(document: Contract, given: dict[str, Any], wrong: set[str | int]) -> None:
    """Fill the document with the given values and defaults, without validation; misspelled names are corrected.

    Invalid values are left out, so that a rule that needs one reports nothing.
    """
    fields = type(document).model_fields
    values = {
        name: field.get_default(call_default_factory=True) for name, field in fields.items() if not field.is_required()
    }
    for name, value in given.items():
        meant = name if name in fields else closest(name, fields)
        judged = meant not in wrong and not isinstance(value, StandIn)
        if meant is not None and judged and (meant == name or meant not in given):
            values[meant] = value
    object.__setattr__(document, "__dict__", values)
    object.__setattr__(document, "__pydantic_fields_set__", set(given) & set(fields))
    object.__setattr__(document, "__pydantic_extra__", None)
    object.__setattr__(document, "__pydantic_private__", None)
