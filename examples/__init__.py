"""Architectures to try padscope on, written out from their papers."""
