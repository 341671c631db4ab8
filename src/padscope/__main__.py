"""``python -m padscope``."""

from padscope.cli import main

if __name__ == "__main__":
    main()
