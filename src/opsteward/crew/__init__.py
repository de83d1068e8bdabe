"""The crew: work of the business domains, computed by engines, with agents and a model where that pays."""
