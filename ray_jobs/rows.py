"""Rows of a dataset, held in this process or streamed through Ray Data: one way to work on either.

A job says what to do with a batch and collects what comes of it; where the batches are is not its business.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, Self

import pyarrow as pa
from pyarrow import parquet

from contracts.jobs import Engine
from contracts.model import Uri
from everloop import storage
from ray_jobs import cluster

if TYPE_CHECKING:
    from ray.data import Dataset

Transform = Callable[[pa.Table], pa.Table]
"""Takes a batch of rows; must not depend on how rows are cut into batches, nor be asked about empty ones."""


class Rows(Protocol):
    """Rows, and what is to be done with them."""

    engine: Engine

    def map(self, transform: Transform) -> "Rows":
        """Apply a function to every batch; it may give other columns, and more or fewer rows."""

    def collect(self) -> pa.Table:
        """Bring everything into this process."""

    def write(self, uri: Uri) -> int:
        """Write everything as Parquet files below a directory; return the number of rows."""


class InProcessRows:
    """Rows in this process's memory: one batch."""

    engine = Engine.IN_PROCESS

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def map(self, transform: Transform) -> Self:
        """Apply a function now."""
        return type(self)(transform(self.table))

    def collect(self) -> pa.Table:
        """Give the table."""
        return self.table

    def write(self, uri: Uri) -> int:
        """Write one file."""
        sink = pa.BufferOutputStream()
        parquet.write_table(self.table, sink)
        storage.write_bytes(storage.join(uri, "part-0.parquet"), sink.getvalue().to_pybytes())
        return int(self.table.num_rows)


class RayRows:
    """Rows in a cluster: many batches, worked on when they are collected, in the order they are stored."""

    engine = Engine.RAY_DATA

    def __init__(self, dataset: "Dataset") -> None:
        self.dataset = dataset

    def map(self, transform: Transform) -> Self:
        """Apply a function later, on the cluster."""
        cluster.ship_pipelines()
        return type(self)(self.dataset.map_batches(transform, batch_format="pyarrow", zero_copy_batch=True))

    def collect(self) -> pa.Table:
        """Run what was planned and bring its rows here."""
        batches = list(self.dataset.iter_batches(batch_size=None, batch_format="pyarrow"))
        filled = [batch for batch in batches if batch.num_rows]
        return pa.concat_tables(filled or batches[:1], promote_options="permissive").combine_chunks()

    def write(self, uri: Uri) -> int:
        """Write a file per block, from the workers."""
        self.dataset.write_parquet(uri)
        from ray.data import read_parquet

        return int(read_parquet(uri).count())
