"""The sections of the third rung: their figures, and how numbers are written in them."""
