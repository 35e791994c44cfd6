"""The application's settings, each from a variable, none with a default."""
import os
from dataclasses import dataclass, field

from sqlalchemy.engine import URL


def variable(name):
    return field(default_factory=lambda: os.environ[name])


@dataclass
class Settings:
    db_host: str = variable("APP_DB_HOST")
    db_port: str = variable("APP_DB_PORT")
    db_user: str = variable("APP_DB_USER")
    db_password: str = variable("APP_DB_PASSWORD")
    db_name: str = variable("APP_DB_NAME")

    @property
    def url(self):
        return URL.create(
            "postgresql+psycopg2",
            username=self.db_user,
            password=self.db_password or None,
            host=self.db_host,
            port=int(self.db_port),
            database=self.db_name,
        )
