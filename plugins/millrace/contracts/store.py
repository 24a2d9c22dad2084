"""Observed traits of a store, which decide how datasets are committed there."""

from typing import Literal

from pydantic import AwareDatetime, Field

from millrace.contracts.base import Contract, Uri


class StoreTraits(Contract):
    """Result of a probe: observed behaviour, not the store's own claims."""

    uri: Uri
    probed_at: AwareDatetime
    means: Literal["rename", "conditional_put", "none"] = Field(description="how a file is created exclusively")
    keeps_what_is_there: bool = Field(description="an exclusive write never replaced an existing file")
    one_wins: bool = Field(description="of several concurrent exclusive writes, exactly one succeeded, each time")
    lists_at_once: bool = Field(
        description="a listing shows a file as soon as it is written, and no longer after its deletion"
    )
    remarks: tuple[str, ...] = ()

    @property
    def exclusive(self) -> bool:
        """Whether the store may decide a race of delta-rs commits; if not, the ledger's row decides it."""
        return self.means != "none" and self.keeps_what_is_there and self.one_wins and self.lists_at_once
