"""What can be wrong with an archive."""


class ArchiveError(Exception):
    """An archive that can't be made, or must not be taken in; the message names the file and says why."""
