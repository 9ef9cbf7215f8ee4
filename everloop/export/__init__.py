"""A bundle in the forms other servers and programs take, each tried before it is handed out."""

from everloop.export.exporting import Form, export
from everloop.export.source import ExportError

__all__ = ["ExportError", "Form", "export"]
