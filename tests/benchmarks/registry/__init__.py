"""The registry benchmark: a stock ``mlflow server`` and the registry answer the same requests, one after the other.

::

    make bench-registry                     # a table
    make bench-registry ARGS=--json         # one JSON object

Both run on this machine as their documentation starts them: ``mlflow server`` with as many processes as it starts by
itself, the registry as its one process beside its broker, whose CPU counts as the registry's. Neither exports traces.
What either acknowledged is on the disk: SQLite there with its defaults (a rollback journal, ``synchronous=FULL``), here
with a write-ahead log that is written through before an answer is given (decision 26); PostgreSQL with ``fsync`` and
``synchronous_commit`` on. The registry's broker writes each event through before the registry forgets it.
"""
