"""A version as one file: written where it was made, verified and unpacked where nothing of it is known."""

from everloop.archive.contents import contents_of
from everloop.archive.errors import ArchiveError
from everloop.archive.placing import Placed, place
from everloop.archive.reading import Archive, open_archive
from everloop.archive.writing import write_archive

__all__ = ["Archive", "ArchiveError", "Placed", "contents_of", "open_archive", "place", "write_archive"]
