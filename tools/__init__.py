"""Tools for people who change mlife; none is part of the package."""
