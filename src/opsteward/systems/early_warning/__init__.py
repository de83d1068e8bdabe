"""Early warning: when what systems have only so much of will have run out."""
