"""What is counted, by name, and in how many bins: what those need who read counts."""

PADDED, REAL, OWN, INCOMING, PSEUDO = "padded", "real", "own", "incoming", "pseudo"
NEAR, DEEP, CORNERS, LINES = "near", "deep", "corners", "lines"

BINS = 248  # fine bins that hold values
HOLE = 248  # the code of NaN, ±inf and what overflows; codes above it stay empty
CODES = 256  # length of a fine histogram
COARSE_SHIFT = 3
COARSE_CODES = CODES >> COARSE_SHIFT
COARSE_BINS = BINS >> COARSE_SHIFT
CENTRE = 123  # below it the 123 bins of smaller values, above it the 124 of larger ones
DEAD_BINS = slice(CENTRE - 1, CENTRE + 2)  # a constant, give or take the arithmetic's noise
