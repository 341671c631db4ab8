"""What a study found, in plain numbers and sentences: every fact said once."""
