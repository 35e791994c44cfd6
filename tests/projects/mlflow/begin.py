"""Brings an empty database to where a tracking server of MLflow 2.14 left it, with rows in every table of use.

Run by the interpreter that has mlflow-skinny: python begin.py URL REVISION. MLflow makes its first tables from models,
not by a revision: upgrading an empty database fails.
"""
import sys
from pathlib import Path

import mlflow.store.db_migrations
from alembic import command
from alembic.config import Config
from mlflow.store.tracking.dbmodels.initial_models import Base
from sqlalchemy import create_engine

url, revision = sys.argv[1:]
engine = create_engine(url)
Base.metadata.create_all(engine)
config = Config()
config.set_main_option("script_location", mlflow.store.db_migrations.__path__[0])
config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
command.upgrade(config, revision)
with engine.execution_options(no_parameters=True).begin() as connection:
    connection.exec_driver_sql(Path(__file__).with_name("rows.sql").read_text())
