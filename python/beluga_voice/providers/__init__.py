"""Backends, one module or folder each. None imports another; each imports its vendor's SDK only when used."""
