"""A bundle in the forms other servers and programs take, each tried before it is handed out."""

from everloop.export.exporting import ExportError, Form, export

__all__ = ["ExportError", "Form", "export"]
