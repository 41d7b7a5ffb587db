"""How host.json and a trigger's own property become lanes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from local.functions_host.host_service_bus import ServiceBusSettings
from local.functions_host.service_bus_listener import LanePlan, lane_plan
from local.functions_host.trigger_kinds import Queue, ServiceBusTrigger

MINUTES = timedelta(minutes=5)


def planned(own: bool | None, settings: ServiceBusSettings) -> LanePlan:
    return lane_plan(ServiceBusTrigger(Queue("q"), "BUS", own), settings)


@pytest.mark.parametrize(("prefetch", "each"), [(0, 0), (3, 0), (4, 1), (32, 8), (35, 8)])
def test_what_is_prefetched_is_shared_out(prefetch: int, each: int) -> None:
    settings = ServiceBusSettings(prefetch_count=prefetch, max_concurrent_calls=4)
    assert planned(None, settings) == LanePlan(4, each, True, MINUTES)


@pytest.mark.parametrize(
    ("own", "of_host", "completes"),
    [(None, True, True), (None, False, False), (False, True, False), (True, False, True)],
)
def test_the_trigger_s_own_property_goes_first(own: bool | None, of_host: bool, completes: bool) -> None:
    assert planned(own, ServiceBusSettings(auto_complete=of_host)).auto_complete is completes
