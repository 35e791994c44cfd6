"""As the multidb template has it: a transaction in every database, then the revisions in each, then the commits."""
import logging
import re
from logging.config import fileConfig

from alembic import context
from sqlalchemy import engine_from_config, pool

USE_TWOPHASE = False
config = context.config
if config.config_file_name is not None:
    fileConfig(config.config_file_name)
logger = logging.getLogger("alembic.env")
target_metadata = {}
engines = {}
for name in re.split(r",\s*", config.get_main_option("databases", "")):
    engines[name] = rec = {}
    rec["engine"] = engine_from_config(context.config.get_section(name, {}), prefix="sqlalchemy.", poolclass=pool.NullPool)
for rec in engines.values():
    rec["connection"] = conn = rec["engine"].connect()
    rec["transaction"] = conn.begin_twophase() if USE_TWOPHASE else conn.begin()
try:
    for name, rec in engines.items():
        logger.info("Migrating database %s", name)
        context.configure(
            connection=rec["connection"],
            upgrade_token="%s_upgrades" % name,
            downgrade_token="%s_downgrades" % name,
            target_metadata=target_metadata.get(name),
        )
        context.run_migrations(engine_name=name)
    if USE_TWOPHASE:
        for rec in engines.values():
            rec["transaction"].prepare()
    for rec in engines.values():
        rec["transaction"].commit()
except:  # noqa: E722
    for rec in engines.values():
        rec["transaction"].rollback()
    raise
finally:
    for rec in engines.values():
        rec["connection"].close()
