"""The proof of the worker's image: its Dockerfile built for real, without a Docker daemon, and what came out tried."""
