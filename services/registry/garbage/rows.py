"""The table of what is to be erased."""

from sqlmodel import Field

from services.registry.rows import Row


class ErasureRow(Row, table=True):
    """A place whose files are to be erased."""

    __tablename__ = "erasures"

    path: str = Field(primary_key=True)
    keep_record: bool = False
