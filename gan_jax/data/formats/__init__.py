"""Readers of the file formats in which the data sets are distributed."""
