"""What the command line shows: tables of sites and results, and the progress of long work."""
