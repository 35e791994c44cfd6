"""What runs in the project's own interpreter: the standard library, Alembic (1.8 or newer), SQLAlchemy (1.3 or newer).

Started by file path, where Alembook is not installed; it speaks JSON lines on two descriptors of its own (see ``wire``)
and leaves stdin, stdout and stderr to the project. Python 3.8 syntax. Nothing here imports the rest of Alembook.
"""
