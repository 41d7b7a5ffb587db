"""What the stack asks of the Service Bus emulator: the official emulator's ``Config.json``. No I/O.

Locks, deliveries and duplicate detection are what ``host.json`` counts on, with the official emulator's limits: its
window of duplicate detection is five minutes at most. Source: ``Config-schema.json`` of
Azure/azure-service-bus-emulator-installer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

NAMESPACE = "sbemulatorns"
PROPERTIES = {
    "DeadLetteringOnMessageExpiration": False,  # what expires is woken again by the reconciler
    "DefaultMessageTimeToLive": "PT1H",
    "DuplicateDetectionHistoryTimeWindow": "PT5M",
    "LockDuration": "PT1M",
    "MaxDeliveryCount": 10,
    "RequiresDuplicateDetection": True,
    "RequiresSession": False,
}


def bus_config(queues: Sequence[str]) -> str:
    """The JSON text; each queue once, however often it is named."""
    entries = [{"Name": name, "Properties": PROPERTIES} for name in dict.fromkeys(queues)]
    namespace = {"Name": NAMESPACE, "Queues": entries, "Topics": []}
    return json.dumps({"UserConfig": {"Namespaces": [namespace], "Logging": {"Type": "File"}}}, indent=2)
