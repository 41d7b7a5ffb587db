"""Settings that all tests share."""

from hypothesis import HealthCheck, settings

# The same examples every time: a test run that fails can be repeated, and one that passes does not fail tomorrow.
settings.register_profile(
    "repeatable", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")
