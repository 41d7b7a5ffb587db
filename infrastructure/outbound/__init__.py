"""Calls out of this process: where they may lead, and how long they may take."""
