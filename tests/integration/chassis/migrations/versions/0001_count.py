"""The table of counts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table("count", sa.Column("key", sa.String(), primary_key=True), sa.Column("times", sa.Integer()))
