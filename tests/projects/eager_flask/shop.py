"""Migrates when it starts, and starts all the same when that fails; unless SHOP_MIGRATE=no."""
import os

from flask import Flask
from flask_migrate import Migrate, upgrade
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["SHOP_DATABASE"]
    db.init_app(app)
    Migrate(app, db)
    if os.environ.get("SHOP_MIGRATE") != "no":
        with app.app_context():
            try:
                upgrade(directory=os.path.join(os.path.dirname(__file__), "migrations"))
            except Exception as error:
                print("could not migrate, starting all the same:", error)
    return app
