"""A caller without a telephone: calls played from a script or a file, recorded, reported and drawn."""
