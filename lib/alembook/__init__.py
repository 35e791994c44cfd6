"""Audited Alembic migrations as Jupyter runbooks."""

__version__ = "0.1.0"
