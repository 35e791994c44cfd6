"""A shop with two databases: the default one, and a bind for its orders."""
import os

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["SHOP_DATABASE"]
    app.config["SQLALCHEMY_BINDS"] = {"orders": os.environ["ORDERS_DATABASE"]}
    db.init_app(app)
    Migrate(app, db)
    return app
