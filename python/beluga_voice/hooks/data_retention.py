"""What is kept of a session that is over, and for how long: the hook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from datetime import timedelta

__all__ = ["DATA_TYPES", "DataRetentionHook", "DataType"]

DataType = Literal["audio", "transcript", "metadata"]
DATA_TYPES: tuple[DataType, ...] = get_args(DataType)


class DataRetentionHook(ABC):
    """Asked at the end of each session about its audio, its transcript and its metadata.

    Without one nothing is kept. What is not answered with a yes, in `hook_timeout`, is not kept either. Both methods
    may be `async def`.
    """

    @abstractmethod
    def should_retain(self, data_type: DataType, metadata: Mapping[str, Any]) -> bool | Awaitable[bool]:
        """Whether it is kept; `metadata` is the session's, with `session_id` and `user_id`."""

    @abstractmethod
    def get_retention_period(self, data_type: DataType) -> timedelta | Awaitable[timedelta]:
        """For how long, from the end of the session."""
