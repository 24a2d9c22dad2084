"""Base class of the contracts in DAG files; a validation error lists every mistake, in plain words."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from millrace.contracts.base import Contract
from millrace.contracts.mistakes import Mistake, MistakesError
from millrace.contracts.plain_words import mistakes_of


class DeclaredContract(Contract):
    """A contract that is written by hand. ``RULES`` check several fields: each rule yields all of its violations, and
    tolerates values that another rule or the field's own validation rejects.
    """

    model_config = ConfigDict(hide_input_in_errors=True)
    RULES: ClassVar[tuple[Callable[[Any], Iterable[Mistake]], ...]] = ()

    @model_validator(mode="wrap")
    @classmethod
    def _plainly(cls, given: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(given)
        except ValidationError as error:
            if not isinstance(given, (dict, cls)):
                raise  # not a document of this class: the document around it reports the mistake
            raise MistakesError(tuple(mistakes_of(error, cls))) from None

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        if found := tuple(mistake for rule in self.RULES for mistake in rule(self)):
            raise MistakesError(found)
        return self
