"""Language models: the only place that knows the library which calls them."""
