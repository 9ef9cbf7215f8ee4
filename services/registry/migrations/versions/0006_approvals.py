"""Approvals by more than one person, and until when they may be given."""

import sqlalchemy as sa
from alembic import op

from services.chassis.database import UtcDateTime

revision = "registry_0006"
down_revision = "registry_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Who approved before is who decided; that stays where it is. The defaults stay too: see registry_0004.
    op.add_column("versions", sa.Column("approvals", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("versions", sa.Column("approvals_needed", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("versions", sa.Column("expires_at", UtcDateTime(), nullable=True))
    op.create_index("ix_versions_expires_at", "versions", ["expires_at"])
