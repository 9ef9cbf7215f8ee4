"""The rows of a dataset version in parts: always the same ones, so that a part once done need not be done again."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.dataset as files

from contracts.model import Contract, Uri

MOST_ROWS = 250_000
"""Rows a part is filled up to, by whole row groups: it is held in memory at once, twice."""


class Piece(Contract):
    """Some row groups of one Parquet file."""

    file: Uri
    row_groups: tuple[int, ...]
    rows: int


class Part(Contract):
    """Rows that are worked on at once."""

    number: int
    first_row: int
    """Number of its first row, counted over all parts."""
    pieces: tuple[Piece, ...]

    @property
    def rows(self) -> int:
        """Rows it has."""
        return sum(piece.rows for piece in self.pieces)


def cut(table_files: Sequence[Uri], *, most_rows: int = MOST_ROWS) -> list[Part]:
    """Cut the files of a table into parts, in the order given; empty row groups are in none."""
    parts: list[Part] = []
    first_row, waiting = 0, list[Piece]()

    def close() -> None:
        nonlocal first_row, waiting
        if waiting:
            parts.append(Part(number=len(parts), first_row=first_row, pieces=tuple(waiting)))
            first_row, waiting = first_row + parts[-1].rows, []

    for piece in _row_groups(table_files):
        if sum(one.rows for one in waiting) + piece.rows > most_rows:
            close()
        waiting.append(piece)
    close()
    return parts


def read(part: Part, schema: pa.Schema) -> pa.Table:
    """Read a part in the declared types; a column that a file lacks is null, as the table has it."""
    tables = [
        _fragment(piece.file, schema).subset(row_group_ids=list(piece.row_groups)).to_table(schema=schema)
        for piece in part.pieces
    ]
    return pa.concat_tables(tables).combine_chunks()


def _row_groups(table_files: Sequence[Uri]) -> Iterator[Piece]:
    for file in table_files:
        for group in _fragment(file).row_groups:
            if group.num_rows:
                yield Piece(file=file, row_groups=(group.id,), rows=group.num_rows)


def _fragment(file: Uri, schema: pa.Schema | None = None) -> files.ParquetFileFragment:
    (fragment,) = files.dataset(file, schema=schema, format="parquet").get_fragments()
    return fragment
