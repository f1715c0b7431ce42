"""Convolutions as matrix products, for CPUs: see convolution.py."""
