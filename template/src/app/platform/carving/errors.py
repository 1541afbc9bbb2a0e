"""What a command that moves data says when it does not."""


class CarvingError(Exception):
    """The data are not moved. The message says why, and what to do."""
