"""What people declare in a DAG file: contracts whose errors say everything that is wrong, in plain words."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from millrace.contracts.base import Contract
from millrace.contracts.mistakes import Mistake, MistakesError
from millrace.contracts.plain_words import mistakes_of


class DeclaredContract(Contract):
    """A contract that people write by hand. RULES go beyond single fields: each of them names all that breaks it, and
    trips over nothing that another rule, or a field's own, is there for.
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
                raise  # it is no such document at all, which is the mistake of whoever holds it
            raise MistakesError(tuple(mistakes_of(error, cls))) from None

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        if found := tuple(mistake for rule in self.RULES for mistake in rule(self)):
            raise MistakesError(found)
        return self
