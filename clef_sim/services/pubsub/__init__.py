"""A model of Pub/Sub, shaped like the SDK's plain publisher and subscriber clients."""

from clef_sim.services.pubsub.client import PubSub
from clef_sim.services.pubsub.subscription import Delivery, Subscription, backoff_s

__all__ = ["Delivery", "PubSub", "Subscription", "backoff_s"]
