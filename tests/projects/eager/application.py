"""Makes its tables when it is imported, so that a developer need not: unless SHOP_MAKE_TABLES=no."""
import os

import sqlalchemy as sa

metadata = sa.MetaData()
sa.Table("carts", metadata, sa.Column("id", sa.Integer, primary_key=True))

if os.environ.get("SHOP_MAKE_TABLES") != "no":
    metadata.create_all(sa.create_engine(os.environ["SHOP_DATABASE"]))
