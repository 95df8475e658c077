"""DynamoDB in memory; see `client`."""

from clef_sim.services.dynamodb.client import DynamoDB
from clef_sim.services.dynamodb.rates import Consumed, Limits, ReplicaLag, TtlDelay

__all__ = ["Consumed", "DynamoDB", "Limits", "ReplicaLag", "TtlDelay"]
