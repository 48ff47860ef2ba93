"""Recognisers: speech to text."""
