"""Standing orders, the operators' policy: a YAML file that is read and checked, kept by version, and matched.

`located_yaml` reads the text, `file_format` is its format, `parser` says what is wrong in it; `document` matches and
writes orders; `service` keeps those in force.
"""
