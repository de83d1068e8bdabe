"""What engines read from values in time: seasons, forecasts, trends, changes."""
