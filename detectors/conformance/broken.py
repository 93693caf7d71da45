"""A promise that is broken."""


class Broken(Exception):  # noqa: N818 (an outcome, not an error: conformance.check makes one of it)
    """With the example that shows it."""
