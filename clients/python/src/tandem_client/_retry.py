"""When a failed call is worth another try."""

from __future__ import annotations

import time
from typing import Any, Mapping, Optional

from tandem_client.errors import PeerLostError, TandemError


class Budget:
    """Time and tries of one call. Not thread-safe."""

    def __init__(
        self, options: Mapping[str, Any], timeout: Optional[float], max_retries: int
    ) -> None:
        limit = options.get("timeout", timeout)
        self._end = None if limit is None else time.monotonic() + limit
        self._retries_left = max_retries

    def left(self) -> Optional[float]:
        """Seconds; None without a limit."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def delay(self, error: TandemError) -> float:
        """Seconds to wait before the next try, which is then spent. Raises
        `error` where there is none: the server did not say that a repetition may
        help, tries are used up, or the time would be."""
        left = self.left()
        wait = error.retry_after
        if wait is None or isinstance(error, PeerLostError) or not self._retries_left:
            raise error
        if left is not None and wait >= left:
            raise error
        self._retries_left -= 1
        return wait
