"""What each route is asked, written from the OpenAPI document by
`python docs/generate.py`."""
