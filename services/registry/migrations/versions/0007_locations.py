"""Find versions by where their files are."""

from alembic import op

revision = "registry_0007"
down_revision = "registry_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_versions_location", "versions", ["location"], postgresql_using="hash")
