"""The vocabulary that services, jobs and clients share: messages, definitions, specs and reports.

Everything here is a frozen pydantic model or a constant. Nothing here does I/O.
"""
