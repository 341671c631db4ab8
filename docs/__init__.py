"""The method, and the script that measures what it says."""
