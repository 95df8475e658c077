"""SQS in memory; see `client`."""

from clef_sim.services.sqs.client import SQS
from clef_sim.services.sqs.message import Received
from clef_sim.services.sqs.queue import Queue, StaleDelete

__all__ = ["SQS", "Queue", "Received", "StaleDelete"]
