"""The tables of what people say about models and their versions."""

from sqlalchemy import ForeignKeyConstraint, String, Text
from sqlmodel import Field

from services.registry.rows import Row

KEY = String(250)


class ModelTagRow(Row, table=True):
    """A tag of a model."""

    __tablename__ = "model_tags"
    __table_args__ = (ForeignKeyConstraint(["pipeline"], ["models.pipeline"]),)

    pipeline: str = Field(primary_key=True)
    key: str = Field(primary_key=True, sa_type=KEY)
    value: str = Field(sa_type=Text)


class VersionTagRow(Row, table=True):
    """A tag of a version."""

    __tablename__ = "version_tags"
    __table_args__ = (ForeignKeyConstraint(["pipeline"], ["models.pipeline"]),)

    pipeline: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    key: str = Field(primary_key=True, sa_type=KEY)
    value: str = Field(sa_type=Text)


class AliasRow(Row, table=True):
    """Where an alias points now: people's own, and those of the registry, whose history says the same."""

    __tablename__ = "aliases"
    __table_args__ = (ForeignKeyConstraint(["pipeline"], ["models.pipeline"]),)

    pipeline: str = Field(primary_key=True)
    alias: str = Field(primary_key=True, sa_type=String(255))
    number: int
