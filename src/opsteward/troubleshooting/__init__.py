"""The seven-phase session that finds causes and gets them mended."""
