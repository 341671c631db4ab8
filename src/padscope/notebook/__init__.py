"""What a notebook shows: a study's summary, and the card of a filter."""
