"""The gallery: what the page and its script show of every neuron."""
