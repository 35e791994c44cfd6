"""As the multidb template of Flask-Migrate has it: the application's default engine, and one for each of its binds."""
import logging
from logging.config import fileConfig

from alembic import context
from flask import current_app

config = context.config
fileConfig(config.config_file_name)
logger = logging.getLogger("alembic.env")
target_db = current_app.extensions["migrate"].db
bind_names = list(current_app.config["SQLALCHEMY_BINDS"])


def get_engine(bind_key=None):
    return target_db.engines.get(bind_key)


def url_of(engine):
    return engine.url.render_as_string(hide_password=False).replace("%", "%%")


config.set_main_option("sqlalchemy.url", url_of(get_engine()))
for bind in bind_names:
    config.set_section_option(bind, "sqlalchemy.url", url_of(get_engine(bind)))
engines = {"": {"engine": get_engine()}}
for name in bind_names:
    engines[name] = {"engine": get_engine(name)}
for rec in engines.values():
    rec["connection"] = rec["engine"].connect()
    rec["transaction"] = rec["connection"].begin()
try:
    for name, rec in engines.items():
        logger.info("Migrating database %s", name or "<default>")
        context.configure(
            connection=rec["connection"],
            upgrade_token="%s_upgrades" % name,
            downgrade_token="%s_downgrades" % name,
            target_metadata=target_db.metadatas[name or None],
            **current_app.extensions["migrate"].configure_args,
        )
        context.run_migrations(engine_name=name)
    for rec in engines.values():
        rec["transaction"].commit()
except:  # noqa: E722
    for rec in engines.values():
        rec["transaction"].rollback()
    raise
finally:
    for rec in engines.values():
        rec["connection"].close()
