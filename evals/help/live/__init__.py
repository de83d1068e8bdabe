"""Questions of state with known answers: three sets, each written before anything was mended for it."""
