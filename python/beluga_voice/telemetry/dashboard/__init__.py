"""A page of calls for people, its JSON for programs, /metrics for Prometheus."""
