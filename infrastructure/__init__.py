"""Adapters to the outside and the composition root. Only here, and at the edges, are Azure and PostgreSQL known."""
