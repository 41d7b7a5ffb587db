"""Runs the real engine on the mocks under seeded and under all small schedules, and checks what must always hold."""
