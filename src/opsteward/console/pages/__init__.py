"""The pages, one file each. Importing one imports NiceGUI."""
