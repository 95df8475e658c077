"""A model of PostgreSQL as an SQLAlchemy engine."""

from clef_sim.services.sql.database import Database, Session
from clef_sim.services.sql.engine import sdk_engine

__all__ = ["Database", "Session", "sdk_engine"]
