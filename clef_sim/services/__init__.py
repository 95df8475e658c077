"""In-memory models of cloud services, shaped like their SDK clients. Each call is atomic.

No latency, no faults and no history in here: `clef_sim.network` puts those between a client and a model.
Where a model and an emulator disagree, PARITY.md says which is right.
"""

from clef_sim.services.dynamodb import DynamoDB, Limits, ReplicaLag, TtlDelay
from clef_sim.services.sdk import Unmodelled
from clef_sim.services.sqs import SQS, Received

__all__ = ["SQS", "DynamoDB", "Limits", "Received", "ReplicaLag", "TtlDelay", "Unmodelled"]
