"""Everything that speaks to PostgreSQL and knows nothing of Alembic."""
