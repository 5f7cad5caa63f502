"""Statistics, tables, figures and one HTML page: the same for everything that is measured."""
