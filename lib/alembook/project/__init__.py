"""A project: an Alembic environment, driven unedited in a child process."""
