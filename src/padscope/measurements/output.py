"""What the answer of a model is called among its maps."""

OUTPUT = "(output)"  # no module has a name like it
