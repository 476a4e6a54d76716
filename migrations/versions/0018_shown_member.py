"""A cluster whose shown item is deleted by hand shows another one; those that show none any more do again."""

from alembic import op

from aggregator.store import matches

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "UPDATE clusters SET item_id = coalesce((SELECT i.id FROM items i WHERE i.cluster_id = clusters.id "
        "ORDER BY i.published_at, i.first_seen_at, i.url_key LIMIT 1), item_id) WHERE item_id NOT IN (SELECT id FROM items)"
    )
    op.execute("DELETE FROM clusters WHERE item_id NOT IN (SELECT id FROM items)")
    for statement in matches.SHOWING[op.get_bind().dialect.name]:
        op.execute(statement)
