"""Engines of trade: demand, baskets, orders, stock."""
