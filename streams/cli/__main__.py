"""``python -m streams.cli``: the command ``tocsin`` without an installation."""

from streams.cli import main

if __name__ == "__main__":
    main()
