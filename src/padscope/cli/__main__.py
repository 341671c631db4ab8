"""``python -m padscope.cli``."""

from padscope.cli import main

if __name__ == "__main__":
    main()
