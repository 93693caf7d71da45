"""Errors whose message is meant for a user: the command line shows the message alone, without a traceback."""

from __future__ import annotations


class UserError(Exception):
    """What was asked for cannot be done; the message says why and what to do."""


class FailedError(Exception):
    """Something ran and failed; the message says what."""
