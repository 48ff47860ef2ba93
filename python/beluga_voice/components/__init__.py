"""Recognisers, voices and detectors, one file each, imported only when their names are used."""
