"""What a store was seen to do, and how datasets are committed there because of it."""

from typing import Literal

from pydantic import AwareDatetime, Field

from millrace.contracts.base import Contract, Uri


class StoreTraits(Contract):
    """The outcome of a probe: what happened, not what the store says of itself."""

    uri: Uri
    probed_at: AwareDatetime
    means: Literal["rename", "conditional_put", "none"] = Field(description="how a file is put where none is")
    keeps_what_is_there: bool = Field(description="a file that is there was never replaced by one put where none is")
    one_wins: bool = Field(description="of several who put one file at one moment, one was told that it did, each time")
    lists_at_once: bool = Field(
        description="a listing names a file as soon as it is written, and no longer once it is gone"
    )
    remarks: tuple[str, ...] = ()

    @property
    def exclusive(self) -> bool:
        """Whether delta-rs may leave a race of commits to the store; if not, the ledger's row decides it."""
        return self.means != "none" and self.keeps_what_is_there and self.one_wins and self.lists_at_once
