"""Package outside of sayso that adds to it through entry points."""
