"""Standing orders: the operators' policy. Parsed, stored by version, matched."""
