"""Fetching over HTTPS from elsewhere, where neither an address nor an answer is to be trusted.

It owns how an exchange is held to its time, its size and the hosts that may be reached, and how failures of other systems are told. What is
asked for, and what becomes of it, is its callers'.
"""

from shared.fetching.downloads import Download, Downloads, Unavailable
from shared.fetching.errors import GatewayError, Reason
from shared.fetching.guarded_https import PIECE, GuardedHttps, PlainSession, is_public

__all__ = ["PIECE", "Download", "Downloads", "GatewayError", "GuardedHttps", "PlainSession", "Reason", "Unavailable", "is_public"]
