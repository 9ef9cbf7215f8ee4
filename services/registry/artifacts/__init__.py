"""Files that runs and logged models keep, below one directory of the artifact store."""
