"""How a server is reached."""

from __future__ import annotations

import os
from typing import Any, Optional, Union

import grpc

DEFAULT_TARGET = "127.0.0.1:50051"
DEFAULT_TIMEOUT = 120.0
DEFAULT_RETRIES = 2


def credentials(tls: Union[bool, bytes]) -> Optional[Any]:
    """None: plain text. True: the system's roots; bytes: these roots, PEM."""
    if tls is False:
        return None
    return grpc.ssl_channel_credentials(None if tls is True else tls)


def key_of(api_key: Optional[str]) -> Optional[str]:
    return api_key or os.environ.get("TANDEM_API_KEY") or None
