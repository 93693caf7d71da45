"""What can go wrong with a model, as the user should read it."""

from __future__ import annotations


class ModelError(Exception):
    """A model cannot be used. The message says what is wrong, where, and what to do."""


class ModelFileError(ModelError):
    """A model file is missing, corrupt, foreign or not in the safe format."""


class LabelError(ModelError):
    """A model's labels cannot be read as negative, neutral and positive."""


class UnstableBackendError(ModelError):
    """A backend gives a text another tone in other company."""
