"""A model of Firestore behind the real SDK: see `client`."""

from clef_sim.services.firestore.client import Firestore
from clef_sim.services.firestore.sdk import sdk_client

__all__ = ["Firestore", "sdk_client"]
